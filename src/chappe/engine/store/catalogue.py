"""Every statement of the message store. A test compares the columns named here with the Django models that declare them."""

from chappe.engine.store.statement import Column, Delete, Insert, Query, Row, Update
from chappe.messaging import Channel, DeliveryState

_ID = Column("id")

# -- enqueue ---------------------------------------------------------------------------------------------------------

MESSAGE_COLUMNS = (
    _ID,
    Column("organisation_id"),
    Column("connection_id"),
    Column("delivery_id"),
    Column("contact_id"),
    Column("channel", "text"),
    Column("category", "smallint"),
    Column("recipient", "text"),
    Column("sender", "text"),
    Column("body", "text"),
    Column("options", "bytea"),
    Column("segments", "smallint"),
    Column("state", "smallint"),
    Column("reason", "text"),
    Column("attempt", "smallint"),
    Column("tries", "smallint"),
    Column("is_possible_duplicate", "boolean"),
    Column("client_reference", "text"),
    Column("created_ms"),
    Column("due_ms"),
    Column("expires_ms"),
    Column("sent_ms"),
    Column("done_ms"),
)
INSERT_MESSAGES = Insert("message", MESSAGE_COLUMNS)
_SMS, _WAITING = Channel.SMS.value, DeliveryState.WAITING.value


def new_message(
    message_id: int,
    organisation_id: int,
    connection_id: int,
    delivery_id: int = 0,
    contact_id: int = 0,
    *,
    category: int,
    recipient: str,
    sender: str,
    body: str,
    segments: int,
    created_ms: int,
    due_ms: int,
    channel: str = _SMS,
    options: bytes | None = None,
    state: int = _WAITING,
    reason: str = "",
    client_reference: str = "",
    expires_ms: int = 0,
    done_ms: int = 0,
) -> Row:
    """A row of MESSAGE_COLUMNS for a message that nobody has tried to send; `options` as the column holds them."""
    # fmt: off
    return (
        message_id, organisation_id, connection_id, delivery_id, contact_id, channel, category, recipient, sender, body,
        options, segments, state, reason, 0, 0, False, client_reference, created_ms, due_ms, expires_ms, 0, done_ms,
    )
    # fmt: on


INSERT_OUTBOX = Insert(
    "outbox",
    (
        _ID,
        Column("connection_id"),
        Column("delivery_id"),
        Column("priority", "smallint"),
        Column("due_ms"),
        Column("expires_ms"),
        Column("first_id"),
        Column("last_id"),
        Column("ids", "bytea"),
        Column("horizon", "integer"),
        Column("is_held", "boolean"),
        Column("lease_token"),
        Column("lease_owner", "text"),
        Column("lease_until_ms"),
    ),
)
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
MESSAGES_IN_RANGE = Query(
    "SELECT id, state, reason, segments, created_ms, done_ms FROM message_now WHERE id BETWEEN ? AND ? ORDER BY id",
    ("id", "state", "reason", "segments", "created_ms", "done_ms"),
)
FIND_IDEMPOTENCY = Query(
    "SELECT key, request_digest, first_message_id, count, answers FROM idempotency "
    "WHERE organisation_id = ? AND key IN ??",
    ("key", "request_digest", "first_message_id", "count", "answers"),
)
API_KEYS = Query(
    "SELECT digest, api_key.id, api_key.organisation_id, COALESCE(operator.scopes, api_key.scopes), last_used_ms, "
    "COALESCE(operator.is_enabled, TRUE), COALESCE(operator.login, ''), COALESCE(operator.is_relay, FALSE) "
    "FROM api_key LEFT JOIN operator ON operator.id = operator_id WHERE digest IN ?? AND revoked_ms = 0",
    ("digest", "id", "organisation_id", "scopes", "last_used_ms", "is_enabled", "operator", "is_relay"),
)
RELAY_OPERATORS = Query(
    "SELECT login, organisation_id, password, scopes FROM operator WHERE is_relay AND is_enabled",
    ("login", "organisation_id", "password", "scopes"),
)
API_KEY_USED = Query("UPDATE api_key SET last_used_ms = ? WHERE id = ?")
TAKE_IDS = Query(
    "INSERT INTO id_block (name, next_id) VALUES (?, ? + 1) "
    "ON CONFLICT (name) DO UPDATE SET next_id = id_block.next_id + ? RETURNING next_id"
)
ADD_COUNTS = Query(
    "INSERT INTO delivery_count (delivery_id, state, messages) VALUES (?, ?, ?) "
    "ON CONFLICT (delivery_id, state) DO UPDATE SET messages = delivery_count.messages + excluded.messages "
    "RETURNING messages"
)
FINISH_DELIVERY = Query(
    "UPDATE delivery SET status = 'finished', finished_ms = ?, changed_ms = ? WHERE id = ? AND status = 'sending'"
)
BLOCKED = Query(
    "SELECT address, short_code, status, reason FROM quarantine WHERE organisation_id = ? AND channel = ? "
    "AND status IN ('quarantine', 'denylisted') AND address IN ??",
    ("address", "short_code", "status", "reason"),
)

# -- lease -----------------------------------------------------------------------------------------------------------

LEASABLE = Query(
    "SELECT id, first_id, last_id, ids, horizon, delivery_id, due_ms, connection_id FROM outbox "
    "WHERE connection_id = ? AND due_ms <= ? AND is_held = ? AND lease_until_ms <= ? "
    "ORDER BY priority, due_ms, id LIMIT ? FOR UPDATE SKIP LOCKED",
    ("id", "first_id", "last_id", "ids", "horizon", "delivery_id", "due_ms", "connection_id"),
)
SWEEPABLE = Query(
    "SELECT id, first_id, last_id, ids, horizon, delivery_id, due_ms, connection_id FROM outbox "
    "WHERE lease_until_ms <= ? "
    "AND (expires_ms BETWEEN 1 AND ? OR delivery_id IN (SELECT id FROM delivery WHERE status = 'cancelled' "
    "UNION ALL SELECT id FROM relay_delivery WHERE status = 'cancelled')) "
    "LIMIT ? FOR UPDATE SKIP LOCKED",
    ("id", "first_id", "last_id", "ids", "horizon", "delivery_id", "due_ms", "connection_id"),
)
TAKE_LEASE = Update(
    "outbox",
    (Column("lease_token"), Column("lease_owner", "text"), Column("lease_until_ms"), Column("horizon", "integer")),
    (_ID,),
)
MOVE_HORIZON = Update("outbox", (Column("horizon", "integer"), Column("lease_until_ms")), (_ID, Column("lease_token")))
RELEASE_LEASE = Update(
    "outbox",
    (),
    (_ID, Column("lease_token")),
    fixed="lease_token = 0, lease_owner = '', lease_until_ms = 0, horizon = 0",
)
FINISH_OUTBOX = Delete("outbox", (_ID, Column("lease_token")))
LEASED_COLUMNS = (  # in the field order of messaging.OutboundMessage, then what only the store looks at
    "id",
    "recipient",
    "sender",
    "body",
    "category",
    "attempt",
    "tries",
    "expires_ms",
    "delivery_id",
    "organisation_id",
    "options",
    "is_possible_duplicate",
    "segments",
    "due_ms",
)
WAITING_IN_RANGE = Query(
    f"SELECT {', '.join(LEASED_COLUMNS)} FROM message WHERE id BETWEEN ? AND ? AND state = 10 ORDER BY id",  # noqa: S608 - columns of our own
    LEASED_COLUMNS,
)
WAITING_AMONG = Query(
    f"SELECT {', '.join(LEASED_COLUMNS)} FROM message_now WHERE id IN ?? AND state = 10 ORDER BY id",  # noqa: S608 - columns of our own
    LEASED_COLUMNS,
)
SEGMENTS_OF = Query("SELECT id, state FROM segment WHERE id BETWEEN ? AND ?", ("id", "state"))
DELIVERY_STATUS = Query(
    "SELECT id, status FROM delivery WHERE id IN ?? UNION ALL SELECT id, status FROM relay_delivery WHERE id IN ??",
    ("id", "status"),
)

# -- record ----------------------------------------------------------------------------------------------------------

INSERT_SEGMENTS = Insert(
    "segment",
    (
        _ID,
        Column("connection_id"),
        Column("provider_message_id", "text"),
        Column("delivery_id"),
        Column("state", "smallint"),
        Column("status", "text"),
        Column("code", "text"),
        Column("sent_ms"),
        Column("done_ms"),
    ),
    on_conflict="ON CONFLICT (id) DO NOTHING",
)
STILL_WAITING = Query(
    "SELECT (id << 4) | attempt FROM message WHERE id IN ?? AND state = 10 ORDER BY id FOR UPDATE", ("turn",)
)
LOCK_MESSAGES = Query(
    "SELECT (id << 12) | (attempt << 8) FROM message WHERE id IN ?? ORDER BY id FOR UPDATE", ("first_segment",)
)
MESSAGE_CHANGED = Update(
    "message",
    (
        Column("state", "smallint"),
        Column("reason", "text"),
        Column("attempt", "smallint"),
        Column("tries", "smallint"),
        Column("is_possible_duplicate", "boolean"),
        Column("due_ms"),
        Column("sent_ms"),
        Column("done_ms"),
    ),
    (_ID,),
)
SEGMENT_DELIVERED = Update(
    "segment",
    (Column("status", "text"), Column("code", "text"), Column("done_ms")),
    (_ID,),
    fixed="state = 40",
    where="state = 30",
)
SEGMENT_SENT = Update("segment", (Column("sent_ms"),), (_ID,), fixed="state = 30", where="state = 10")
SEGMENT_THROUGH = Update(
    "segment",
    (Column("sent_ms"), Column("status", "text"), Column("code", "text"), Column("done_ms")),
    (_ID,),
    fixed="state = 40",
    where="state = 10",
)
CLOSE_SEGMENT = Update("segment", (Column("state", "smallint"),), (_ID,), where="state < 40")
LOCK_SEGMENTS = Query("SELECT id FROM segment WHERE id IN ?? ORDER BY id FOR UPDATE", ("id",))
SEGMENT_CHANGED = Update(
    "segment",
    (Column("state", "smallint"), Column("status", "text"), Column("code", "text"), Column("done_ms")),
    (_ID,),
)
MESSAGES_NOW = Query(
    "SELECT id, state, reason, attempt, tries, is_possible_duplicate, due_ms, sent_ms, done_ms, expires_ms, delivery_id, "
    "organisation_id, connection_id, recipient, segments FROM message_now WHERE id IN ?? ORDER BY id",
    (
        "id",
        "state",
        "reason",
        "attempt",
        "tries",
        "is_possible_duplicate",
        "due_ms",
        "sent_ms",
        "done_ms",
        "expires_ms",
        "delivery_id",
        "organisation_id",
        "connection_id",
        "recipient",
        "segments",
    ),
)
SEGMENTS_BY_PROVIDER_ID = Query(
    "SELECT provider_message_id, id, state, delivery_id FROM segment "
    "WHERE connection_id = ? AND provider_message_id IN ??",
    ("provider_message_id", "id", "state", "delivery_id"),
)
SEGMENT_TOLD = Update("segment", (Column("status", "text"), Column("code", "text")), (_ID,), where="state < 40")
INSERT_EVENTS = Insert(
    "message_event", (Column("message_id"), Column("at_ms"), Column("kind", "text"), Column("text", "text"))
)
ORPHAN_SEEN = Query(
    "INSERT INTO orphan_receipt (connection_id, provider_message_id, status, code, occurrences, first_ms, last_ms) "
    "VALUES (?, ?, ?, ?, 1, ?, ?) ON CONFLICT (connection_id, provider_message_id) DO UPDATE SET "
    "occurrences = orphan_receipt.occurrences + 1, last_ms = excluded.last_ms, status = excluded.status, "
    "code = excluded.code RETURNING occurrences",
    ("occurrences",),
)
QUALIFICATION = Query(
    "INSERT INTO error_qualification (organisation_id, text, first_text, kind, reason, status, occurrences, first_ms, "
    "last_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (organisation_id, text) DO UPDATE SET "
    "occurrences = CASE WHEN error_qualification.occurrences < 100000 "
    "THEN error_qualification.occurrences + excluded.occurrences ELSE error_qualification.occurrences END, "
    "last_ms = excluded.last_ms RETURNING kind, reason, status",
    ("kind", "reason", "status"),
)
QUARANTINE_NOW = Query(
    "SELECT status, reason, error_count, last_error_ms FROM quarantine "
    "WHERE organisation_id = ? AND channel = ? AND address = ? AND short_code = ?",
    ("status", "reason", "error_count", "last_error_ms"),
)
SET_QUARANTINE = Query(
    "INSERT INTO quarantine (organisation_id, channel, address, short_code, status, reason, error_count, last_error_ms, "
    "created_ms, changed_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (organisation_id, address, channel, short_code) DO UPDATE SET status = excluded.status, "
    "reason = excluded.reason, error_count = excluded.error_count, last_error_ms = excluded.last_error_ms, "
    "changed_ms = excluded.changed_ms",
)
DELIVERED_SINCE = Query(
    "SELECT 1 FROM message_now WHERE recipient = ? AND organisation_id = ? AND state IN (40, 45) AND done_ms > ? LIMIT 1"
)
REOPEN_DELIVERY = Query(
    "UPDATE delivery SET status = 'sending', finished_ms = 0, changed_ms = ? WHERE id = ? AND status = 'finished'"
)

# -- inbound ---------------------------------------------------------------------------------------------------------

INSERT_INBOUND = Insert(
    "inbound",
    (
        _ID,
        Column("organisation_id"),
        Column("connection_id"),
        Column("sender", "text"),
        Column("recipient", "text"),
        Column("body", "text"),
        Column("segments", "smallint"),
        Column("is_complete", "boolean"),
        Column("linked_sms", "text"),
        Column("alias", "text"),
        Column("large_account", "text"),
        Column("provider_message_id", "text"),
        Column("keyword", "text"),
        Column("action", "text"),
        Column("reply_message_id"),
        Column("received_ms"),
    ),
)
REPLIES_SINCE = Query(
    "SELECT count(*) FROM inbound WHERE organisation_id = ? AND sender = ? AND connection_id = ? AND received_ms > ? "
    "AND reply_message_id > 0"
)
KEEP_CONVERSATIONS = Insert(
    "conversation",
    (
        Column("organisation_id"),
        Column("number", "text"),
        Column("connection_id"),
        Column("recipient", "text"),
        Column("last_inbound_id"),
        Column("last_ms"),
        Column("is_open", "boolean"),
        Column("assignee_id"),
    ),
    # Closed, it opens again for a text that nothing answered; open, it stays so.
    on_conflict="ON CONFLICT (organisation_id, number) DO UPDATE SET connection_id = excluded.connection_id, "
    "recipient = excluded.recipient, last_inbound_id = excluded.last_inbound_id, last_ms = excluded.last_ms, "
    "is_open = (conversation.is_open OR excluded.is_open)",
)
INSERT_INBOUND_PARTS = Insert(
    "inbound_part",
    (
        Column("connection_id"),
        Column("sender", "text"),
        Column("recipient", "text"),
        Column("reference", "integer"),
        Column("total", "smallint"),
        Column("position", "smallint"),
        Column("body", "text"),
        Column("details", "bytea"),
        Column("received_ms"),
    ),
    on_conflict="ON CONFLICT DO NOTHING",  # another engine has stored it: a provider may send it on two links at once
)
INBOUND_PARTS_OF = Query(
    "SELECT position, body, details, received_ms FROM inbound_part WHERE connection_id = ? AND sender = ? "
    "AND recipient = ? AND reference = ? AND total = ? ORDER BY position FOR UPDATE",
    ("position", "body", "details", "received_ms"),
)
STALE_INBOUND_PARTS = Query(
    "SELECT connection_id, sender, recipient, reference, total FROM inbound_part WHERE connection_id IN ?? "
    "GROUP BY connection_id, sender, recipient, reference, total HAVING MAX(received_ms) <= ? OR COUNT(*) = total LIMIT 100",
    ("connection_id", "sender", "recipient", "reference", "total"),
)
DELETE_INBOUND_PARTS = Query(
    "DELETE FROM inbound_part WHERE connection_id = ? AND sender = ? AND recipient = ? AND reference = ? AND total = ?"
)

INBOUND_SEEN = Query(
    "SELECT provider_message_id FROM inbound WHERE connection_id = ? AND provider_message_id IN ?? "
    "AND NOT (provider_message_id = '')",  # as the index says
    ("provider_message_id",),
)

# -- hooks and consent -----------------------------------------------------------------------------------------------

INSERT_HOOK_EVENTS = Insert(
    "hook_event",
    (
        _ID,
        Column("connection_id"),
        Column("organisation_id"),
        Column("kind", "text"),
        Column("data", "bytea"),
        Column("received_ms"),
        Column("due_ms"),
    ),
)
HOOK_EVENTS_ARE_DUE = Query("SELECT id FROM hook_event WHERE due_ms <= ? AND connection_id IN ?? LIMIT 1", ("id",))
DUE_HOOK_EVENTS = Query(
    "SELECT id, connection_id, kind, data, received_ms FROM hook_event WHERE due_ms <= ? AND connection_id IN ?? "
    "ORDER BY due_ms, id LIMIT ? FOR UPDATE SKIP LOCKED",
    ("id", "connection_id", "kind", "data", "received_ms"),
)
PUT_OFF_HOOK_EVENTS = Update("hook_event", (Column("due_ms"),), (_ID,))
DELETE_HOOK_EVENTS = Delete("hook_event", (_ID,))
INSERT_CONSENT_EVENTS = Insert(
    "consent_event",
    (
        Column("organisation_id"),
        Column("channel", "text"),
        Column("address", "text"),
        Column("sender", "text"),
        Column("is_given", "boolean"),
        Column("at_ms"),
        Column("source", "text"),
        Column("evidence", "text"),
        Column("connection_id"),
    ),
)
INSERT_EXCHANGES = Insert(
    "exchange",
    (
        Column("connection_id"),
        Column("direction", "text"),
        Column("at_ms"),
        Column("took_ms", "double precision"),
        Column("method", "text"),
        Column("url", "text"),
        Column("request", "text"),
        Column("status", "integer"),
        Column("response", "text"),
        Column("outcome", "text"),
    ),
)
TRIM_EXCHANGES = Query(
    "DELETE FROM exchange WHERE connection_id = ? AND direction = ? AND id <= (SELECT id FROM exchange "
    "WHERE connection_id = ? AND direction = ? ORDER BY id DESC LIMIT 1 OFFSET ?)"
)

# -- traffic ---------------------------------------------------------------------------------------------------------

ADD_TRAFFIC = Insert(
    "traffic",
    (
        Column("organisation_id"),
        Column("connection_id"),
        Column("delivery_id"),
        Column("bucket_ms"),
        Column("width_ms"),
        Column("kind", "smallint"),
        Column("messages"),
    ),
    on_conflict="ON CONFLICT (organisation_id, bucket_ms, width_ms, connection_id, delivery_id, kind) "
    "DO UPDATE SET messages = traffic.messages + excluded.messages",
)
OLD_TRAFFIC = Query(
    "SELECT id, organisation_id, connection_id, delivery_id, bucket_ms, kind, messages FROM traffic "
    "WHERE width_ms = ? AND bucket_ms < ? ORDER BY bucket_ms LIMIT ? FOR UPDATE SKIP LOCKED",
    ("id", "organisation_id", "connection_id", "delivery_id", "bucket_ms", "kind", "messages"),
)
DELETE_TRAFFIC = Delete("traffic", (_ID,))
PLACES = Query(
    "SELECT id, connection_id, delivery_id FROM message WHERE id IN ??", ("id", "connection_id", "delivery_id")
)

# -- what the engine reads and shows ---------------------------------------------------------------------------------

CONNECTIONS = Query(
    "SELECT id, organisation_id, name, provider, settings, secrets, is_enabled, version, position, replaced_by, "
    "internal_name FROM connection",
    (
        "id",
        "organisation_id",
        "name",
        "provider",
        "settings",
        "secrets",
        "is_enabled",
        "version",
        "position",
        "replaced_by",
        "internal_name",
    ),
)
DESCRIBED_HOOKS = Query(
    "SELECT connection_id, kind, token FROM hook WHERE is_enabled = ? ORDER BY id DESC",
    ("connection_id", "kind", "token"),
)
# The latest first: where more changed than is read at once, those of before were read already.
QUARANTINE_SINCE = Query(
    "SELECT organisation_id, address, short_code, status, changed_ms FROM quarantine WHERE changed_ms >= ? "
    "ORDER BY changed_ms DESC LIMIT 10000",
    ("organisation_id", "address", "short_code", "status", "changed_ms"),
)
DELIVERIES_SINCE = Query(
    "SELECT id, status, changed_ms FROM delivery WHERE changed_ms >= ? "
    "UNION ALL SELECT id, status, changed_ms FROM relay_delivery WHERE changed_ms >= ? ORDER BY changed_ms DESC LIMIT 10000",
    ("id", "status", "changed_ms"),
)
TAKE_LINK = Query(
    "INSERT INTO link_lease (connection_id, slot, owner, until_ms) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (connection_id, slot) DO UPDATE SET owner = excluded.owner, until_ms = excluded.until_ms "
    "WHERE link_lease.owner = excluded.owner OR link_lease.until_ms <= ? RETURNING slot",
    ("slot",),
)
DROP_LINKS = Query("DELETE FROM link_lease WHERE owner = ? AND connection_id = ? AND slot >= ?")
SHOW_LINK = Query(
    'INSERT INTO link_state (connection_id, slot, role, owner, state, reason, "window", in_flight, sent_per_s, '
    "limit_per_s, round_trip_p50_ms, round_trip_p99_ms, receipts_per_s, unmatched_per_s, since_ms, changed_ms) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (connection_id, slot, role) DO UPDATE SET "
    'owner = excluded.owner, state = excluded.state, reason = excluded.reason, "window" = excluded."window", '
    "in_flight = excluded.in_flight, sent_per_s = excluded.sent_per_s, limit_per_s = excluded.limit_per_s, "
    "round_trip_p50_ms = excluded.round_trip_p50_ms, round_trip_p99_ms = excluded.round_trip_p99_ms, "
    "receipts_per_s = excluded.receipts_per_s, unmatched_per_s = excluded.unmatched_per_s, "
    "since_ms = excluded.since_ms, changed_ms = excluded.changed_ms"
)
HIDE_LINKS = Query("DELETE FROM link_state WHERE connection_id = ? AND slot >= ?")
