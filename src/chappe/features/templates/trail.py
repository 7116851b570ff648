"""What the audit trail keeps of templates: all that they are made of."""

from chappe.features.audit.following import follow
from chappe.features.templates.models import DeliveryTemplate

FIELDS = (
    *("label", "internal_name", "connection_id", "category", "sender", "body", "short_code", "validity_s"),
    "options",
)

follow(DeliveryTemplate, kind="template", fields=FIELDS)
