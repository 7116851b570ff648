"""Statements of the hooks: what the web process remembers of them, and what it counts."""

from chappe.engine.store.statement import Query

HOOKS = Query(
    "SELECT hook.id, hook.organisation_id, connection_id, provider, kind, token, previous_token, previous_until_ms, "
    "sender_number, keywords, payload, statuses, proof, hook.secrets, hook.is_enabled, hook.version "
    "FROM hook JOIN connection ON connection.id = connection_id",
    (
        "id",
        "organisation_id",
        "connection_id",
        "provider",
        "kind",
        "token",
        "previous_token",
        "previous_until_ms",
        "sender_number",
        "keywords",
        "payload",
        "statuses",
        "proof",
        "secrets",
        "is_enabled",
        "version",
    ),
)
COUNT_CALLS = Query(
    "INSERT INTO hook_count (organisation_id, connection_id, hook_id, outcome, calls, last_ms) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (organisation_id, connection_id, hook_id, outcome) DO UPDATE SET "
    "calls = hook_count.calls + excluded.calls, "
    "last_ms = CASE WHEN excluded.last_ms > hook_count.last_ms THEN excluded.last_ms ELSE hook_count.last_ms END"
)
