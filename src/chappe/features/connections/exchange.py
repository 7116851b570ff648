"""The last requests to a connection's provider and calls of it, as they are kept for its operator."""

from typing import TYPE_CHECKING

from chappe.features.connections.services import find_connection
from chappe.features.messages.models import Exchange
from chappe.features.page import Page, newest_first

if TYPE_CHECKING:
    from django.db.models import QuerySet


def exchanges_page(organisation_id: int, connection_id: int, cursor: str, limit: int) -> Page[Exchange]:
    """The latest first; there are at most a hundred. Raises NotFound."""
    return newest_first(_rows(find_connection(organisation_id, connection_id).pk), cursor, limit)


def _rows(connection_id: int) -> "QuerySet[Exchange]":
    return Exchange.objects.filter(connection_id=connection_id)
