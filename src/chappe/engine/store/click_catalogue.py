"""The statements on what was opened by short links: see docs/explanation/link-tracking.md."""

from chappe.engine.store.statement import Column, Insert, Query

_DELIVERY, _URL, _PEOPLE = Column("delivery_id"), Column("url", "text"), Column("people")

LINKED_MESSAGES = Query(
    # A delivery may have been prepared long before it was sent.
    "SELECT id, body, options, CASE WHEN sent_ms > due_ms THEN sent_ms ELSE due_ms END FROM message_now WHERE id IN ??",
    ("id", "body", "options", "out_ms"),
)
CLICKED_MESSAGES = Query(
    "SELECT id, organisation_id, delivery_id, body <> '' FROM message WHERE id IN ?? ORDER BY id FOR UPDATE",
    ("id", "organisation_id", "delivery_id", "has_text"),
)
CLICKS = Query(
    "SELECT id, url, clicks, machine_clicks, first_ms, last_ms FROM link_click WHERE id IN ??",
    ("id", "url", "clicks", "machine_clicks", "first_ms", "last_ms"),
)
SET_CLICKS = Insert(
    "link_click",
    (
        Column("id"),
        Column("organisation_id"),
        _DELIVERY,
        _URL,
        Column("clicks", "integer"),
        Column("machine_clicks", "integer"),
        Column("first_ms"),
        Column("last_ms"),
    ),
    on_conflict="ON CONFLICT (id) DO UPDATE SET clicks = excluded.clicks, machine_clicks = excluded.machine_clicks, "
    "first_ms = excluded.first_ms, last_ms = excluded.last_ms",
)
COUNT_LINKS = Insert(
    "link_count",
    (_DELIVERY, _URL, _PEOPLE, Column("clicks"), Column("machine_clicks")),
    on_conflict="ON CONFLICT (delivery_id, url) DO UPDATE SET people = link_count.people + excluded.people, "
    "clicks = link_count.clicks + excluded.clicks, "
    "machine_clicks = link_count.machine_clicks + excluded.machine_clicks",
)
HOLD_LINK_COUNT = Query(
    # By its row for all addresses together a delivery is one transaction's until that is committed.
    "INSERT INTO link_count (delivery_id, url, people, clicks, machine_clicks) VALUES (?, '*', 0, 0, 0) "
    "ON CONFLICT (delivery_id, url) DO UPDATE SET people = link_count.people RETURNING delivery_id",
    ("delivery_id",),
)
COUNTED_LINKS = Query("SELECT url FROM link_count WHERE delivery_id = ? AND url <> '' AND url <> '*'", ("url",))
