"""The statements on the tables of traces; the others are in `catalogue`."""

from chappe.engine.store.statement import Column, Insert, Query

OPEN_TRACES = Query(
    "SELECT id, connection_id, number, most_entries - entries, until_ms FROM trace_session WHERE until_ms > ?",
    ("id", "connection_id", "number", "left", "until_ms"),
)
ROOM_OF_TRACE = Query("SELECT most_entries - entries FROM trace_session WHERE id = ? FOR UPDATE", ("left",))
INSERT_TRACE_ENTRIES = Insert(
    "trace_entry",
    (
        Column("session_id"),
        Column("at_ms"),
        Column("direction", "text"),
        Column("kind", "text"),
        Column("slot", "integer"),
        Column("role", "text"),
        Column("link"),
        Column("sender", "text"),
        Column("recipient", "text"),
        Column("content", "bytea"),
    ),
)
COUNT_TRACE_ENTRIES = Query("UPDATE trace_session SET entries = entries + ?, left_out = left_out + ? WHERE id = ?")
END_TRACE = Query("UPDATE trace_session SET until_ms = ? WHERE id = ? AND until_ms > ?")
