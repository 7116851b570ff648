"""Calls to customers' programs that were given up, deleted once their days are over."""

from django.utils.translation import gettext_lazy as _

from chappe.features.callbacks.models import CallbackEndpoint, CallbackEvent
from chappe.features.settings.retention import Beat, Kind, Progress, register

BATCH = 1_000


def forget_dead_letters(organisation_id: int, before_ms: int, position: int, beat: Beat) -> Progress:
    done = 0
    for endpoint_id in CallbackEndpoint.objects.filter(organisation_id=organisation_id).values_list("pk", flat=True):
        dead = CallbackEvent.objects.filter(endpoint_id=endpoint_id, dead_ms__gt=0, dead_ms__lte=before_ms)
        while ids := list(dead.order_by("dead_ms").values_list("pk", flat=True)[:BATCH]):
            done += CallbackEvent.objects.filter(pk__in=ids, dead_ms__gt=0).delete()[0]
            beat()
    return Progress(0, done)


register(
    Kind(
        "dead_letters",
        _("Callbacks that were given up"),
        _("What your programs could not be told within the time it is tried for."),
        {"dead_letters": forget_dead_letters},
        place=50,
    )
)
