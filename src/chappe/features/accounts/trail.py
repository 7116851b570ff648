"""What the audit trail keeps of organisations, people and keys: no password, no key."""

from allauth.mfa.models import Authenticator

from chappe.features.accounts.models import ApiKey, Invitation, Operator, Organisation, PeopleGroup, User
from chappe.features.audit.following import follow

follow(Organisation, kind="organisation", fields=("name",), organisation=lambda row: int(row.pk))
follow(
    User,
    kind="person",
    fields=(
        *("username", "email", "first_name", "last_name", "is_active", "is_superuser", "organisation_id"),
        *("role", "withheld"),
    ),
    hidden=("password",),
    name=lambda row: row.name,
)
follow(
    Authenticator,
    kind="second_factor",
    fields=("type",),
    hidden=("data",),
    name=lambda row: row.user.name,
    organisation=lambda row: int(row.user.organisation_id or 0),
)
follow(Operator, kind="operator", fields=("login", "label", "scopes", "is_enabled"), hidden=("password",))
follow(ApiKey, kind="key", fields=("name", "scopes", "operator_id", "revoked_ms"), name=lambda row: row.name)
follow(PeopleGroup, kind="group", fields=("name", "withheld"), name=lambda row: row.name)
follow(
    Invitation,
    kind="invitation",
    fields=("email", "role", "expires_ms", "used_ms"),
    name=lambda row: row.email or "the first administrator",
)
