"""The statements on the tables of mid-sourcing: see docs/explanation/mid-sourcing.md.

On mid, everything of an account has its connection's number above `RELAY_BITS`, and the number that it has on the other side
below. So a delivery of an account is told from one of our own, and its account is known, without a look.
"""

from chappe.engine.store.statement import Column, Insert, Query

RELAY_BITS = 40

_ID = Column("id")


def relayed(connection_id: int, number: int) -> int:
    """What `number` of the other side is called here."""
    return connection_id << RELAY_BITS | number


def account_of(number: int) -> int:
    """The account that something relayed belongs to; 0: it is our own."""
    return number >> RELAY_BITS


# -- mid: taking messages --------------------------------------------------------------------------------------------

RELAYED_IN_RANGE = Query("SELECT id, message_id FROM relayed WHERE id BETWEEN ? AND ?", ("id", "message_id"))
INSERT_RELAYED = Insert("relayed", (_ID, Column("message_id")))
INSERT_RELAY_DELIVERIES = Insert(
    "relay_delivery",
    (_ID, Column("organisation_id"), Column("status", "text"), Column("created_ms"), Column("changed_ms")),
    on_conflict="ON CONFLICT (id) DO NOTHING",
)
