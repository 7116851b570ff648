"""What the audit trail keeps of an organisation's settings: everything but what engines count."""

from chappe.features.audit.following import follow
from chappe.features.settings.models import OrganisationSettings

follow(
    OrganisationSettings,
    kind="settings",
    fields=(
        "language",
        "region",
        "time_zone",
        "quiet_periods",
        "quiet_action",
        "allowed_networks",
        "retention",
        "unknown_error_kind",
    ),
    name=lambda row: row.organisation.name,
)
