"""What the audit trail keeps of the quarantine: no address that could be read, and no reason, which may quote a person."""

from chappe.features.audit.following import follow
from chappe.features.audit.value import masked
from chappe.features.consent.models import Quarantine

follow(
    Quarantine,
    kind="quarantine",
    fields=("channel", "short_code", "status", "error_count"),
    hidden=("reason",),
    name=lambda row: masked(row.address),
)
