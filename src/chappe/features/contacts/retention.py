"""Rows of imported files that could not be taken, deleted once their days are over: they quote what the file held."""

from django.utils.translation import gettext_lazy as _

from chappe.features.contacts.models import ContactImportError
from chappe.features.settings.retention import Beat, Kind, Progress, register

BATCH = 1_000


def forget_import_errors(organisation_id: int, before_ms: int, position: int, beat: Beat) -> Progress:
    """The imports themselves stay, with their counts."""
    done = 0
    over = {"contact_import__finished_ms__gt": 0, "contact_import__finished_ms__lte": before_ms}
    errors = ContactImportError.objects.filter(contact_import__organisation_id=organisation_id, **over)
    while ids := list(errors.values_list("pk", flat=True)[:BATCH]):
        done += ContactImportError.objects.filter(pk__in=ids).delete()[0]
        beat()
    return Progress(0, done)


register(
    Kind(
        "import_errors",
        _("Rows that imports refused"),
        _("The lines of files that could not be imported, with the reason. How many there were stays."),
        {"import_errors": forget_import_errors},
        place=60,
    )
)
