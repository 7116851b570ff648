"""What the audit trail keeps of people: which fields changed, and never a value, so that who is erased is gone here, too."""

from chappe.features.audit.following import follow
from chappe.features.contacts.models import Contact, ContactList

follow(ContactList, kind="list", fields=("name",))
follow(
    Contact,
    kind="contact",
    fields=(),
    hidden=("external_id", "phone", "email", "attributes"),
    name=lambda row: row.external_id,
)
