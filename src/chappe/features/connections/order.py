"""The order of an organisation's connections: the first that is switched on and complete is used where none is named."""

from django.db import transaction

from chappe.features.connections.models import Connection
from chappe.features.connections.services import Change, change_connection, connections_of
from chappe.features.refusal import NotFound


def move(organisation_id: int, connection_id: int, places: int, now_ms: int) -> None:
    """A connection so many places down the list, or up where `places` is negative; at its ends it stays. Raises NotFound."""
    with transaction.atomic():
        rows = list(connections_of(organisation_id).select_for_update())
        place = next((place for place, row in enumerate(rows) if row.pk == connection_id), None)
        if place is None:
            raise NotFound("connection", connection_id)
        moved = rows.pop(place)
        rows.insert(max(0, place + places), moved)
        for row, position in _misplaced(rows):
            change_connection(organisation_id, row.pk, Change(position=position), now_ms)


def _misplaced(rows: list[Connection]) -> list[tuple[Connection, int]]:
    """Those whose position has to change so that the list is read in this order, and to what."""
    found, last = [], -1
    for row in rows:
        last = row.position if row.position > last else last + 1
        if row.position != last:
            found.append((row, last))
    return found
