"""Statements about organisations' rules: quiet hours, and what waits for their end."""

from chappe.engine.store.statement import Column, Delete, Insert, Query, Update

_ID = Column("id")

ORGANISATION_RULES = Query(
    "SELECT organisation_id, version, quiet_periods, time_zone, quiet_action, allowed_networks FROM organisation_settings",
    ("organisation_id", "version", "quiet_periods", "time_zone", "quiet_action", "allowed_networks"),
)
RULES_OF = Query(
    "SELECT organisation_id, version, quiet_periods, time_zone, quiet_action, allowed_networks FROM organisation_settings "
    "WHERE organisation_id = ?",
    ("organisation_id", "version", "quiet_periods", "time_zone", "quiet_action", "allowed_networks"),
)
DELIVERY_KINDS = Query("SELECT id, category, status FROM delivery WHERE id IN ??", ("id", "category", "status"))
CATEGORIES_IN_RANGE = Query(
    "SELECT id, category, expires_ms FROM message WHERE id BETWEEN ? AND ? AND state = 10 ORDER BY id",
    ("id", "category", "expires_ms"),
)
CATEGORIES_AMONG = Query(
    "SELECT id, category, expires_ms FROM message WHERE id IN ?? AND state = 10 ORDER BY id",
    ("id", "category", "expires_ms"),
)
PRIORITY_OF = Query("SELECT priority FROM outbox WHERE id = ?", ("priority",))
PUT_OFF_OUTBOX = Update(
    "outbox", (Column("due_ms"),), (_ID,), fixed="lease_token = 0, lease_owner = '', lease_until_ms = 0"
)
DROP_OUTBOX = Delete("outbox", (_ID,))
LAST_WAITS = Query(
    "SELECT outbox_id, since_ms, until_ms FROM quiet_wait WHERE outbox_id IN ?? ORDER BY id",
    ("outbox_id", "since_ms", "until_ms"),
)
INSERT_WAITS = Insert(
    "quiet_wait",
    (
        Column("organisation_id"),
        Column("connection_id"),
        Column("outbox_id"),
        Column("first_id"),
        Column("last_id"),
        Column("ids", "bytea"),
        Column("at_ms"),
        Column("since_ms"),
        Column("due_ms"),
        Column("until_ms"),
        Column("zone", "text"),
    ),
)
