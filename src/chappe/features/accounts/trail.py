"""What the audit trail keeps of organisations, people and keys: no password, no key."""

from chappe.features.accounts.models import ApiKey, Organisation, User
from chappe.features.audit.following import follow

follow(Organisation, kind="organisation", fields=("name",), organisation=lambda row: int(row.pk))
follow(
    User,
    kind="person",
    fields=("username", "email", "first_name", "last_name", "is_active", "is_superuser", "organisation_id"),
    hidden=("password",),
    name=lambda row: row.get_full_name() or row.email or row.username,
)
follow(ApiKey, kind="key", fields=("name", "scopes", "revoked_ms"), name=lambda row: row.name)
