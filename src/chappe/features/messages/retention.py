"""What is deleted of messages and of texts from phones once their days are over: the texts alone, or everything.

A message that still waits to be sent is never touched. One that its provider took and never reported on counts as over
once its days are. Reports stay: the counts of deliveries are rows of their own. Addresses read out of a text go with it.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec
from django.utils.translation import gettext_lazy as _

from chappe.engine.store import catalogue
from chappe.engine.store.statement import Query
from chappe.engine.store.store import Store
from chappe.features.connections.models import Connection
from chappe.features.message_store import open_store
from chappe.features.messages.models import Exchange, Inbound, Message
from chappe.features.settings import quiet_wait
from chappe.features.settings.retention import Beat, Kind, Progress, register
from chappe.features.tracking.retention import forget_addresses
from chappe.messaging import DeliveryState, MessageOptions
from chappe.rules.link import PLACE_BITS

LOOKED_AT = 5_000
"""Messages of all organisations that one look passes over: their table has no index by organisation or by age."""
BATCH = 500
"""Messages that one transaction deletes: engines wait for it on SQLite."""
SOON_RECEIPTS_DAYS = 7
"""Receipts come for days after a message: that long its row must be there to be found."""

_DELETE_MESSAGES = Query("DELETE FROM message WHERE id IN ??")
_DELETE_SEGMENTS = Query("DELETE FROM segment WHERE id BETWEEN ? AND ?")
_DELETE_CLICKS = Query("DELETE FROM link_click WHERE id BETWEEN ? AND ?")
_BLANK_CLICKS = Query("UPDATE link_click SET url = '' WHERE id BETWEEN ? AND ? AND url <> ''")
_DELETE_EVENTS = Query("DELETE FROM message_event WHERE message_id IN ??")
_DELETE_RELAYED = Query("DELETE FROM relayed WHERE message_id IN ??")
_TEXTS = Query("SELECT id, options FROM message WHERE id IN ?? AND (body <> '' OR options IS NOT NULL)")
_BLANK = Query("UPDATE message SET body = '', options = NULL WHERE id IN ??")
_BLANK_BUT_RECEIPT = Query("UPDATE message SET body = '', options = ? WHERE id IN ??")
_SILENT = msgspec.json.encode(MessageOptions(wants_receipt=False))
_decode_options = msgspec.json.Decoder(MessageOptions).decode

Act = Callable[[Store, Sequence[int]], int]
"""Do it to these messages, which are locked and over; to how many of them there was something to do."""


def forget_messages(organisation_id: int, before_ms: int, position: int, beat: Beat) -> Progress:
    """Delete messages with their segments and what happened to them."""
    done = _walk(organisation_id, before_ms, position, beat, _delete)
    forget_addresses(organisation_id, beat)
    quiet_wait.forget(organisation_id, before_ms, beat)
    return done


def forget_texts(organisation_id: int, before_ms: int, position: int, beat: Beat) -> Progress:
    """Take the texts out of messages, their addresses that were opened, and what was prepared for the person; the rest
    stays."""
    done = _walk(organisation_id, before_ms, position, beat, _blank)
    forget_addresses(organisation_id, beat)
    return done


def _walk(organisation_id: int, before_ms: int, position: int, beat: Beat, act: Act) -> Progress:
    """Look at messages by rising id, which is nearly the order they were made in, until all of a look are too young."""
    reached, kept, done = position, 0, 0
    with open_store() as store:
        while rows := _look(reached):
            beat()
            if all(created_ms > before_ms for _, _, created_ms in rows):
                break
            own = [message_id for message_id, owner, _ in rows if owner == organisation_id]
            acted, left = _act(store, own, before_ms, act, beat)
            done += acted
            kept = kept or left
            reached = rows[-1][0]
    return Progress(min(reached, kept - 1) if kept else reached, done)


def _look(after: int) -> list[tuple[int, int, int]]:
    rows = Message.objects.filter(pk__gt=after).order_by("pk")
    return list(rows.values_list("pk", "organisation_id", "created_ms")[:LOOKED_AT])


def _act(store: Store, ids: Sequence[int], before_ms: int, act: Act, beat: Beat) -> tuple[int, int]:
    """How many messages were done with, and the first that was not (yet), 0 for none."""
    done = first_left = 0
    for start in range(0, len(ids), BATCH):
        some = ids[start : start + BATCH]
        with store.transaction():
            over = _over(store, some, before_ms)
            done += act(store, over) if over else 0
        if not first_left and len(over) < len(some):
            first_left = next(message_id for message_id in some if message_id not in set(over))
        beat()
    return done, first_left


def _over(store: Store, ids: Sequence[int], before_ms: int) -> list[int]:
    """Those that do not wait, and to which nothing has happened since; locked as the recorder locks them."""
    locked = store.database.query(catalogue.LOCK_MESSAGES, (ids,))
    store.database.query(catalogue.LOCK_SEGMENTS, ([first for (first,) in locked],))
    names = catalogue.MESSAGES_NOW.columns
    state, sent, done, due = (names.index(name) for name in ("state", "sent_ms", "done_ms", "due_ms"))
    rows = store.database.query(catalogue.MESSAGES_NOW, (ids,))
    return [
        row[0]
        for row in rows
        if row[state] != DeliveryState.WAITING and max(row[sent], row[done], row[due]) <= before_ms
    ]


def _delete(store: Store, ids: Sequence[int]) -> int:
    for first, last in _runs(ids):
        store.database.query(_DELETE_SEGMENTS, (first << 12, last << 12 | 4095))
        store.database.query(_DELETE_CLICKS, _clicks_of(first, last))
    store.database.query(_DELETE_EVENTS, (ids,))
    store.database.query(_DELETE_RELAYED, (ids,))
    store.database.query(_DELETE_MESSAGES, (ids,))
    return len(ids)


def _blank(store: Store, ids: Sequence[int]) -> int:
    """Whether a receipt was asked for stays known: why a message is where it is depends on it."""
    found = store.database.query(_TEXTS, (ids,))
    silent = [row[0] for row in found if row[1] is not None and not _decode_options(row[1]).wants_receipt]
    others = [row[0] for row in found if row[0] not in set(silent)]
    if silent:
        store.database.query(_BLANK_BUT_RECEIPT, (_SILENT, silent))
    if others:
        store.database.query(_BLANK, (others,))
    for first, last in _runs(ids):
        store.database.query(_BLANK_CLICKS, _clicks_of(first, last))
    return len(found)


def _clicks_of(first: int, last: int) -> tuple[int, int]:
    """The first and the last that clicks of these messages, and of those between them, can have as their number."""
    return first << PLACE_BITS, last << PLACE_BITS | (1 << PLACE_BITS) - 1


def _runs(ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbours among rising ids, as (first, last)."""
    first = ids[0]
    for before, after in pairwise([*ids, ids[-1] + 2]):
        if after != before + 1:
            yield first, before
            first = after


# -- texts from phones -----------------------------------------------------------------------------------------------


def forget_inbound(organisation_id: int, before_ms: int, position: int, beat: Beat) -> Progress:
    done = 0
    while ids := _old_inbound(organisation_id, before_ms, 0):
        done += Inbound.objects.filter(pk__in=ids).delete()[0]
        beat()
    return Progress(0, done)


def forget_inbound_texts(organisation_id: int, before_ms: int, position: int, beat: Beat) -> Progress:
    done = 0
    while ids := _old_inbound(organisation_id, before_ms, position):
        done += Inbound.objects.filter(pk__in=ids).exclude(body="").update(body="")
        position = ids[-1]
        beat()
    return Progress(position, done)


def _old_inbound(organisation_id: int, before_ms: int, after: int) -> list[int]:
    """The next ones by rising id, as far as they are old enough."""
    rows = Inbound.objects.filter(organisation_id=organisation_id, pk__gt=after).order_by("pk")
    found = rows.values_list("pk", "received_ms")[:BATCH]
    return [inbound_id for inbound_id, received_ms in found if received_ms <= before_ms]


# -- exchanges -------------------------------------------------------------------------------------------------------


def forget_exchanges(organisation_id: int, before_ms: int, position: int, beat: Beat) -> Progress:
    """Of each connection no more than a few hundred are kept anyway."""
    done = 0
    for connection_id in Connection.objects.filter(organisation_id=organisation_id).values_list("pk", flat=True):
        done += Exchange.objects.filter(connection_id=connection_id, at_ms__lte=before_ms).delete()[0]
        beat()
    return Progress(0, done)


register(
    Kind(
        "messages",
        _("Messages"),
        _(
            "Everything of a message: number, text, segments and what happened to it. What still waits to be sent stays, "
            "and so do the figures of deliveries."
        ),
        {"messages": forget_messages},
        place=10,
        least_days=SOON_RECEIPTS_DAYS,
    )
)
register(
    Kind(
        "texts",
        _("Texts"),
        _("What was written, to people and by them, is blanked. Who got a message, when, and what became of it stays."),
        {"texts": forget_texts, "inbound_texts": forget_inbound_texts},
        place=20,
    )
)
register(
    Kind(
        "inbound",
        _("Texts from phones"),
        _("What people wrote, with their number. Their wishes to be left alone, and the ledger of consent, stay."),
        {"inbound": forget_inbound},
        place=30,
    )
)
register(
    Kind(
        "exchanges",
        _("Exchanges with providers"),
        _("The last requests and answers of each connection, kept for finding faults."),
        {"exchanges": forget_exchanges},
        place=40,
    )
)
