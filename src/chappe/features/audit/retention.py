"""How long the audit trail is kept."""

from django.utils.translation import gettext_lazy as _

from chappe.features.audit.services import delete_before
from chappe.features.settings.retention import Beat, Kind, Progress, register

BATCH = 1_000
LEAST_DAYS = 90
"""Nobody makes what they did today go away tomorrow."""


def forget_events(organisation_id: int, before_ms: int, position: int, beat: Beat) -> Progress:
    """The oldest first, by the index of time."""
    done = 0
    while some := delete_before(organisation_id, before_ms, BATCH):
        done += some
        beat()
    return Progress(0, done)


register(
    Kind(
        "audit",
        _("Audit trail"),
        _("Who changed what, with what was before and after."),
        {"audit": forget_events},
        least_days=LEAST_DAYS,
        place=90,
    )
)
