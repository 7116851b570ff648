"""The statements on the tables of mid-sourcing: see docs/explanation/mid-sourcing.md.

On mid, everything of an account has its connection's number above `RELAY_BITS`, and the number that it has on the other side
below. So a delivery of an account is told from one of our own, and its account is known, without a look.
"""

from chappe.engine.store.statement import Column, Delete, Insert, Query

RELAY_BITS = 40

_ID = Column("id")


def relayed(connection_id: int, number: int) -> int:
    """What `number` of the other side is called here."""
    return connection_id << RELAY_BITS | number


def account_of(number: int) -> int:
    """The account that something relayed belongs to; 0: it is our own."""
    return number >> RELAY_BITS


def number_there(number: int) -> int | None:
    """What something relayed is called on the other side; None: it is our own."""
    return number & ((1 << RELAY_BITS) - 1) if account_of(number) else None


# -- mid: taking messages --------------------------------------------------------------------------------------------

_RELAYED = ("id", "message_id", "digest")
RELAYED_IN_RANGE = Query("SELECT id, message_id, digest FROM relayed WHERE id BETWEEN ? AND ?", _RELAYED)
RELAYED_AMONG = Query("SELECT id, message_id, digest FROM relayed WHERE id IN ??", _RELAYED)
INSERT_RELAYED = Insert("relayed", (_ID, Column("message_id"), Column("digest")))
INSERT_RELAY_DELIVERIES = Insert(
    "relay_delivery",
    (
        _ID,
        Column("organisation_id"),
        Column("status", "text"),
        Column("paused_by", "text"),
        Column("created_ms"),
        Column("changed_ms"),
    ),
    on_conflict="ON CONFLICT (id) DO NOTHING",
)

# -- mid: telling what became of them --------------------------------------------------------------------------------

INSERT_RELAY_PAGES = Insert("relay_page", (_ID, Column("at_ms"), Column("size", "integer"), Column("told", "bytea")))
RELAY_CONNECTIONS = Query("SELECT connection_id FROM relay_account", ("connection_id",))
RELAY_ACCOUNTS = Query(
    # Only an operator that may sign in still, and whose account the connection is by its name, is called.
    "SELECT account.connection_id, account.organisation_id, push_url, account.secrets, allowed_networks, account.version "
    "FROM relay_account AS account JOIN connection AS way ON way.id = account.connection_id "
    "JOIN operator AS owner ON owner.organisation_id = account.organisation_id AND owner.login = account.operator "
    "WHERE owner.is_relay AND owner.is_enabled "
    "AND substr(way.internal_name, 1, length(owner.login) + 1) = owner.login || '_'",
    ("connection_id", "organisation_id", "push_url", "secrets", "allowed_networks", "version"),
)
LEASE_RELAY_ACCOUNT = Query(
    # Numbers of pushes go by the clock, so that they rise also where the database is restored from a backup.
    "UPDATE relay_account SET lease_owner = ?, lease_until_ms = ?, "
    "push_number = CASE WHEN push_number < ? THEN ? ELSE push_number + 1 END "
    "WHERE connection_id = ? AND (lease_owner = ? OR lease_until_ms <= ?) RETURNING told, push_number",
    ("told", "push_number"),
)
RELAY_PAGES = Query(
    "SELECT id, size, told FROM relay_page WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", ("id", "size", "told")
)
RELAY_PUSHED = Query(
    "UPDATE relay_account SET told = ?, told_ms = ?, error = '' WHERE connection_id = ? AND told < ?",
)
RELAY_PUSH_FAILED = Query("UPDATE relay_account SET error = ? WHERE connection_id = ? AND lease_owner = ?")
DROP_RELAY_PAGES = Query(
    "DELETE FROM relay_page WHERE id IN (SELECT id FROM relay_page WHERE at_ms < ? ORDER BY at_ms LIMIT ?) RETURNING id",
    ("id",),
)

# -- marketing: heeding it -------------------------------------------------------------------------------------------

_LINK = (
    "INSERT INTO relay_link (connection_id, page, push_number, clock_ms, pushed_ms, heard_ms, reread_ms, quarantine_ms, "
    "deliveries_ms, mid_quarantine_ms, told_push, mid_version, error) "
    "VALUES (?, 0, ?, ?, ?, ?, 0, 0, 0, 0, '', '', '') ON CONFLICT (connection_id) DO UPDATE SET "
)
RELAY_PUSH_TAKEN = Query(
    f"{_LINK} push_number = excluded.push_number, pushed_ms = excluded.pushed_ms "
    "WHERE relay_link.push_number < excluded.push_number RETURNING connection_id",
    ("connection_id",),
)
RELAY_PAGE_NOW = Query(f"{_LINK} clock_ms = excluded.clock_ms, heard_ms = excluded.heard_ms RETURNING page", ("page",))
RELAY_PAGE_HEEDED = Query("UPDATE relay_link SET page = ? WHERE connection_id = ?")


# -- marketing: keeping in step --------------------------------------------------------------------------------------

RELAY_LINK = Query(
    "SELECT page, clock_ms, reread_ms, quarantine_ms, deliveries_ms, mid_quarantine_ms, pushed_ms, mid_link_base "
    "FROM relay_link WHERE connection_id = ?",
    (
        *("page", "clock_ms", "reread_ms", "quarantine_ms", "deliveries_ms"),
        *("mid_quarantine_ms", "pushed_ms", "mid_link_base"),
    ),
)
MID_LINK_BASES = Query("SELECT connection_id, mid_link_base FROM relay_link", ("connection_id", "mid_link_base"))
BEGIN_RELAY_LINK = Query(f"{_LINK} page = relay_link.page")
QUARANTINE_TO_TELL = Query(
    "SELECT id, address, short_code, status, reason, changed_ms FROM quarantine "
    "WHERE changed_ms >= ? AND (changed_ms > ? OR id > ?) AND organisation_id = ? AND channel = 'sms' "
    "AND status <> 'with_errors' ORDER BY changed_ms, id LIMIT ?",
    ("id", "address", "short_code", "status", "reason", "changed_ms"),
)
DELIVERIES_TO_TELL = Query(
    # Nothing of one that is finished waits on mid, so that it does not matter how it stands there.
    "SELECT id, status, changed_ms FROM delivery WHERE changed_ms >= ? AND (changed_ms > ? OR id > ?) "
    "AND connection_id = ? AND status IN ('sending', 'paused', 'cancelled') ORDER BY changed_ms, id LIMIT ?",
    ("id", "status", "changed_ms"),
)
RELAY_OPEN_DELIVERIES = Query(
    "SELECT id FROM delivery WHERE connection_id = ? AND (status IN ('sending', 'paused') OR changed_ms >= ?) "
    "ORDER BY id DESC LIMIT ?",
    ("id",),
)
QUARANTINE_AT = Query(
    "SELECT status, changed_ms FROM quarantine "
    "WHERE organisation_id = ? AND channel = 'sms' AND address = ? AND short_code = ?",
    ("status", "changed_ms"),
)
RELAY_LINK_IS = Query(
    # Unless pages were read again, that stays: somebody may just have asked for it, by putting it back to 0.
    "UPDATE relay_link SET reread_ms = CASE WHEN ? > 0 THEN ? ELSE reread_ms END, quarantine_ms = ?, "
    "deliveries_ms = ?, mid_quarantine_ms = ?, told_push = ?, mid_version = ?, mid_link_base = ?, error = ?, "
    "heard_ms = CASE WHEN ? > 0 THEN ? ELSE heard_ms END WHERE connection_id = ?"
)
SET_RELAY_FIGURES = Insert(
    "relay_figure",
    (
        Column("connection_id"),
        Column("delivery_id"),
        Column("state", "smallint"),
        Column("messages"),
        Column("at_ms"),
    ),
    on_conflict="ON CONFLICT (connection_id, delivery_id, state) "
    "DO UPDATE SET messages = excluded.messages, at_ms = excluded.at_ms",
)

# -- marketing: mending ----------------------------------------------------------------------------------------------

HANDED_OVER = Query(  # the first segments of messages that wait on mid
    "SELECT id FROM segment WHERE id BETWEEN ? AND ? AND connection_id = ? AND delivery_id = ? AND state = 10 "
    "AND id & 255 = 0 ORDER BY id",
    ("id",),
)
DROP_HANDED_OVER = Delete("segment", (_ID,))
