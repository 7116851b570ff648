"""The statements on the tables of callbacks; the others are in `catalogue`."""

from chappe.engine.store.statement import Column, Delete, Insert, Query, Update

CALLBACK_ENDPOINTS = Query(
    "SELECT id, organisation_id, url, events, secrets, previous_until_ms, allowed_networks, is_enabled, version, deleted_ms "
    "FROM callback_endpoint",
    (
        "id",
        "organisation_id",
        "url",
        "events",
        "secrets",
        "previous_until_ms",
        "allowed_networks",
        "is_enabled",
        "version",
        "deleted_ms",
    ),
)
INSERT_CALLBACK_EVENTS = Insert(
    "callback_event",
    (
        Column("endpoint_id"),
        Column("type", "text"),
        Column("subject_id"),
        Column("data", "bytea"),
        Column("at_ms"),
        Column("due_ms"),
        Column("give_up_ms"),
        Column("attempts", "smallint"),
        Column("lease_token"),
        Column("dead_ms"),
        Column("last_status", "integer"),
        Column("last_error", "text"),
    ),
)
DUE_CALLBACK_EVENTS = Query(
    "SELECT id, type, subject_id, data, at_ms, attempts, give_up_ms FROM callback_event "
    "WHERE endpoint_id = ? AND dead_ms = 0 AND due_ms <= ? ORDER BY due_ms LIMIT ? FOR UPDATE SKIP LOCKED",
    ("id", "type", "subject_id", "data", "at_ms", "attempts", "give_up_ms"),
)
TAKE_CALLBACK_EVENTS = Update("callback_event", (Column("due_ms"), Column("lease_token")), (Column("id"),))
CALLBACK_EVENTS_TRIED = Update(
    "callback_event",
    (
        Column("due_ms"),
        Column("dead_ms"),
        Column("attempts", "smallint"),
        Column("last_status", "integer"),
        Column("last_error", "text"),
    ),
    (Column("id"), Column("lease_token")),
    fixed="lease_token = 0",
)
PUT_BACK_CALLBACK_EVENTS = Update(
    "callback_event", (Column("due_ms"),), (Column("id"), Column("lease_token")), fixed="lease_token = 0"
)
DELETE_CALLBACK_EVENTS = Delete("callback_event", (Column("id"),))
CALLBACK_MESSAGES = Query(
    "SELECT id, attempt, connection_id, delivery_id, channel, category, recipient, sender, segments, is_possible_duplicate, "
    "client_reference, created_ms, sent_ms FROM message_now WHERE id IN ??",
    (
        "id",
        "attempt",
        "connection_id",
        "delivery_id",
        "channel",
        "category",
        "recipient",
        "sender",
        "segments",
        "is_possible_duplicate",
        "client_reference",
        "created_ms",
        "sent_ms",
    ),
)
CALLBACK_SEGMENTS = Query("SELECT id, status, code FROM segment WHERE id IN ??", ("id", "status", "code"))
CALLBACK_INBOUND = Query(
    "SELECT id, connection_id, sender, recipient, body, segments, is_complete, linked_sms, alias, large_account, "
    "provider_message_id, keyword, action, reply_message_id, received_ms FROM inbound WHERE id IN ??",
    (
        "id",
        "connection_id",
        "sender",
        "recipient",
        "body",
        "segments",
        "is_complete",
        "linked_sms",
        "alias",
        "large_account",
        "provider_message_id",
        "keyword",
        "action",
        "reply_message_id",
        "received_ms",
    ),
)
DISABLE_ENDPOINT = Query(
    "UPDATE callback_endpoint SET is_enabled = ?, disabled_reason = ?, changed_ms = ?, version = version + 1 "
    "WHERE id = ? AND version = ?"
)

# -- what time brings ------------------------------------------------------------------------------------------------

BURY_CALLBACK_EVENTS = Query(
    "UPDATE callback_event SET dead_ms = ?, lease_token = 0, last_error = CASE WHEN last_error = '' THEN ? ELSE last_error END "
    "WHERE id IN (SELECT id FROM callback_event WHERE endpoint_id = ? AND dead_ms = 0 AND due_ms <= ? "
    "AND give_up_ms <= ? ORDER BY due_ms LIMIT ? FOR UPDATE SKIP LOCKED) RETURNING id",
    ("id",),
)
OLDEST_KEPT_DEAD_LETTER = Query(
    "SELECT dead_ms FROM callback_event WHERE endpoint_id = ? AND dead_ms > 0 ORDER BY dead_ms DESC LIMIT 1 OFFSET ?",
    ("dead_ms",),
)
DROP_DEAD_LETTERS = Query(
    "DELETE FROM callback_event WHERE id IN (SELECT id FROM callback_event WHERE endpoint_id = ? "
    "AND dead_ms BETWEEN 1 AND ? LIMIT ?) RETURNING id",
    ("id",),
)
DROP_CALLBACK_EVENTS = Query(
    "DELETE FROM callback_event WHERE id IN (SELECT id FROM callback_event WHERE endpoint_id = ? LIMIT ?) RETURNING id",
    ("id",),
)
DROP_ENDPOINT = Query("DELETE FROM callback_endpoint WHERE id = ? AND deleted_ms BETWEEN 1 AND ?")
