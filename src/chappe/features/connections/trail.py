"""What the audit trail keeps of connections: every public setting, and of the secret ones that they changed."""

from collections.abc import Mapping

from chappe.engine.vault import Sealed
from chappe.features.audit.following import follow
from chappe.features.connections.models import Connection
from chappe.features.connections.services import open_secrets
from chappe.providers.contract import plain
from chappe.providers.registry import PROVIDERS


def _secrets(connection: Connection) -> Mapping[str, object]:
    """To be compared. Of those that no key opens nothing is known: what is written over them counts as set."""
    try:
        return {f"settings.{name}": value for name, value in open_secrets(connection).items()}
    except Sealed:
        return {}


def _blank(connection: Connection) -> Connection:
    """A connection with the provider's defaults."""
    spec = PROVIDERS.get(connection.provider)
    return Connection(settings=plain(spec.split(spec.defaults())[0]) if spec is not None else {})


FIELDS = ("name", "internal_name", "provider", "settings", "is_enabled", "position", "replaced_by")

follow(Connection, kind="connection", fields=FIELDS, secrets={"secrets": _secrets}, blank=_blank)
