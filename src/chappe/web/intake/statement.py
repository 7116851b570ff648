"""Statements of the intake alone; those that it shares with the engine are in the store's catalogue."""

from chappe.engine.store.statement import Column, Insert, Query

INSERT_IDEMPOTENCY = Insert(
    "idempotency",
    (
        Column("organisation_id"),
        Column("key", "text"),
        Column("request_digest", "text"),
        Column("first_message_id"),
        Column("count", "integer"),
        Column("answers", "bytea"),
        Column("created_ms"),
    ),
)
FIND_IDEMPOTENCY = Query(
    "SELECT key, request_digest, first_message_id, count, answers FROM idempotency "
    "WHERE organisation_id = ? AND key IN ??",
    ("key", "request_digest", "first_message_id", "count", "answers"),
)
API_KEYS = Query(
    "SELECT digest, id, organisation_id, scopes, last_used_ms FROM api_key WHERE digest IN ?? AND revoked_ms = 0",
    ("digest", "id", "organisation_id", "scopes", "last_used_ms"),
)
