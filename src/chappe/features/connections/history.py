"""The versions of a connection: what each changed, and how to have the settings of one back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chappe.engine.vault import Sealed, connection_place
from chappe.features.audit.record import together
from chappe.features.connections import services, version
from chappe.features.connections.models import Connection, ConnectionVersion
from chappe.features.connections.version import Difference
from chappe.features.page import LARGEST_ID, Page, page_of, read_cursor, size_of_page
from chappe.features.refusal import Conflict, NotFound
from chappe.features.sealed import process_vault
from chappe.providers.registry import PROVIDERS


@dataclass(frozen=True)
class Entry:
    """A version, and what it has otherwise than the one before; nothing is told of one whose predecessor is not kept."""

    version: ConnectionVersion
    differences: Sequence[Difference] = ()
    is_current: bool = False


def history_page(organisation_id: int, connection_id: int, cursor: str, limit: int) -> Page[Entry]:
    """The latest first. Raises NotFound."""
    connection = services.find_connection(organisation_id, connection_id)
    limit = size_of_page(limit)
    rows = list(connection.versions.filter(number__lt=read_cursor(cursor)).order_by("-number")[: limit + 1])
    page = page_of(rows, limit, lambda row: str(row.number))
    older = [*rows[1:], None][: len(page.items)]
    entries = [_entry(connection, row, before) for row, before in zip(page.items, older, strict=True)]
    return Page(entries, page.next)


def _entry(connection: Connection, row: ConnectionVersion, before: ConnectionVersion | None) -> Entry:
    entry = Entry(row, is_current=row.number == connection.version)
    if before is None:
        return entry
    spec = PROVIDERS.get(connection.provider)
    return replace(entry, differences=version.differences(spec, before, row, row.changed_secrets))


def find_version(organisation_id: int, connection_id: int, number: int) -> ConnectionVersion:
    """Raises NotFound."""
    connection = services.find_connection(organisation_id, connection_id)
    found = connection.versions.filter(number=min(number, LARGEST_ID)).first()
    if found is None:
        raise NotFound("version", number)
    return found


def since(organisation_id: int, connection_id: int, number: int) -> list[Difference]:
    """What the connection has otherwise than its version of this number had; nothing where that is not kept any more."""
    connection = services.find_connection(organisation_id, connection_id)
    rows = list(connection.versions.filter(number__gte=min(number, LARGEST_ID)).order_by("number"))
    if not rows or rows[0].number != number:
        return []
    changed = dict.fromkeys(name for row in rows[1:] for name in row.changed_secrets)
    return version.differences(PROVIDERS.get(connection.provider), rows[0], rows[-1], list(changed))


def revert_problem(connection: Connection) -> str:
    """Why the settings of this connection cannot be those of another version; "" where they can."""
    if connection.replaced_by:
        return "This connection was replaced: its settings stay what they were."
    if connection.provider in services.VENDORS:
        return (
            "The settings of this connection never change, so that what was sent keeps saying with which it went out. To "
            "have former settings back, replace the connection and write them anew."
        )
    return ""


def revert(
    organisation_id: int, connection_id: int, number: int, now_ms: int, *, version_read: int | None = None
) -> Connection:
    """The settings and secrets of version `number` again, as a new version; name, place and on or off stay as they are.

    Raises NotFound; InvalidInput where today's declaration refuses what was right then; Conflict where there is nothing to
    bring back, where the secrets stay closed, or somebody changed the connection since `version_read`.
    """
    with together("revert"):
        connection = services.locked(organisation_id, connection_id, version_read)
        if problem := revert_problem(connection):
            raise Conflict(problem)
        row = find_version(organisation_id, connection_id, number)
        change = services.Change(settings=_whole(connection, row))
        changed = services.change_connection(organisation_id, connection_id, change, now_ms, reverted_to=row.number)
        if changed.version == connection.version:
            raise Conflict("The connection has these settings already.")
    return changed


def _whole(connection: Connection, row: ConnectionVersion) -> dict[str, object]:
    """Every setting as it was: those that were not there are put back to their defaults, secrets too."""
    spec = services.provider_spec(connection.provider)
    place = connection_place(connection.organisation_id, connection.pk)
    try:
        secrets = process_vault().decrypt(bytes(row.secrets), place)
    except Sealed as error:
        raise Conflict(f"The secrets of that version cannot be opened: {error}.") from None
    known = {setting.name for setting in spec.settings}
    kept = {name: value for name, value in row.settings.items() if name in known}
    return {**dict.fromkeys(known), **kept, **secrets}
