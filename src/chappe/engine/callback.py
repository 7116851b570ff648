"""Callbacks as the recorder has them: what happened becomes rows in its transaction, and due rows become calls.

Where no organisation wants to be called, all of this is one look at an empty table for a transaction.
"""

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from chappe.engine.store import callback_catalogue as catalogue
from chappe.engine.store.callback_frame import (
    CallbackCall,
    CallbackCalls,
    CallbackEndpoints,
    CallbacksDue,
    CallbackWork,
)
from chappe.engine.store.statement import Row
from chappe.engine.store.store import Store
from chappe.engine.traffic import passed
from chappe.messaging import ENDS, Category, DeliveryState
from chappe.rules.callback import CONSENT, INBOUND, STATE_EVENTS, TRIED_FOR_MS

if TYPE_CHECKING:
    from chappe.engine.change import MessageNow, Policy
    from chappe.engine.store.frame import Received

LEASE_MS = 120_000
KEPT_MS = 30 * 86_400_000
"""How long a dead letter is kept."""
MOST_DEAD = 100_000
"""Dead letters of an endpoint that are kept."""
SWEEP_MS = 10_000
SWEPT = 5_000
"""Rows that a sweep changes of an endpoint; where there are more, the next one follows at once."""
GONE = "it answered 410: it wants no more calls"
NEVER_TRIED = "it was not tried: the endpoint was switched off, or took less than was due"

SENT, DELIVERED, READ = DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ
STATES = {event: state for state, event in STATE_EVENTS.items()}
_write = msgspec.json.encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Happening = tuple[int, str, int, int, bytes | None]
"""Organisation, event, id of the message or text, when, and JSON of what that row will not say any more."""


def of_messages(messages: "Iterable[MessageNow]", now_ms: int) -> Iterator[Happening]:
    """The states that messages went through in a transaction, with the reason of the last."""
    for message in messages:
        if message.was == message.state or message.state not in STATE_EVENTS:
            continue
        data = _write({"reason": message.reason}) if message.reason else None
        for state in passed(message.was, message.state):
            at_ms = message.sent_ms if state is SENT else message.done_ms if state in ENDS else now_ms
            own = data if state is message.state else None
            yield message.organisation_id, STATE_EVENTS[state], message.id, at_ms or now_ms, own


def of_text(organisation_id: int, inbound_id: int, at_ms: int) -> Happening:
    """A text from a phone."""
    return organisation_id, INBOUND, inbound_id, at_ms, None


def of_consent(rows: Iterable[Row]) -> Iterator[Happening]:
    """What people said of being written to, from the lines of the ledger, as `INSERT_CONSENT_EVENTS` takes them."""
    for organisation_id, channel, address, sender, is_given, at_ms, source, _, _ in rows:
        told = {"channel": channel, "address": address, "sender": sender, "is_given": is_given, "source": source}
        yield organisation_id, CONSENT, 0, at_ms, _write(told)


class Callbacks:
    """One per recorder. `load` keeps what it knows of endpoints fresh; what it gathers belongs to the transaction."""

    def __init__(self, store: Store) -> None:
        self._database = store.database
        self._is_loaded = False
        self._wanted: dict[int, dict[str, list[int]]] = {}
        """By organisation and event, the endpoints that want to hear of it."""
        self._ids: list[int] = []
        self._deleted: dict[int, int] = {}
        self._sweep_ms = 0

    def load(self) -> CallbackEndpoints:
        """Read the endpoints. What happens from now on is for those."""
        rows = self._database.query(catalogue.CALLBACK_ENDPOINTS)
        wanted: dict[int, dict[str, list[int]]] = {}
        for endpoint_id, organisation_id, _, events, _, _, _, is_enabled, _, deleted_ms in rows:
            if is_enabled and not deleted_ms:
                for event in json.loads(events) if isinstance(events, str) else events:
                    wanted.setdefault(organisation_id, {}).setdefault(event, []).append(endpoint_id)
        self._wanted = wanted
        self._ids = [row[0] for row in rows if not row[-1]]
        self._deleted = {row[0]: row[-1] for row in rows if row[-1]}
        self._is_loaded = True
        return CallbackEndpoints([row for row in rows if not row[-1]])

    # -- what happens ------------------------------------------------------------------------------------------------

    def sent(
        self,
        sent: Sequence[tuple[int, int, int]],
        segments: Iterable[tuple[int, int, str, int, int]],
        policies: "Mapping[int, Policy]",
    ) -> list[Happening]:
        """Messages that were taken as they mostly are, with the segments that were taken with them."""
        event = STATE_EVENTS[SENT]
        wanting = self._wanting(event, policies) if sent else {}
        if not wanting:
            return []
        through = {segment[0] >> 8: segment[1] for segment in segments}
        lone = [turn >> 4 for turn, _, _ in sent if turn not in through]
        if lone:  # their segments were taken before an interruption
            found = self._database.query(catalogue.CALLBACK_MESSAGES, (lone,))
            through |= {row[0] << 4 | row[1]: row[2] for row in found}
        return [
            (wanting[connection_id], event, turn >> 4, at_ms, None)
            for turn, _, at_ms in sent
            if (connection_id := through.get(turn, 0)) in wanting
        ]

    def delivered(
        self, delivered: "Sequence[tuple[Received, tuple[int, int]]]", policies: "Mapping[int, Policy]"
    ) -> list[Happening]:
        """Messages whose receipts simply say so, with their segments."""
        event = STATE_EVENTS[DELIVERED]
        wanting = self._wanting(event, policies) if delivered else {}
        return [
            (wanting[receipt.connection_id], event, segment_id >> 12, receipt.at_ms, None)
            for receipt, (segment_id, _) in (delivered if wanting else ())
            if receipt.connection_id in wanting
        ]

    def _wanting(self, event: str, policies: "Mapping[int, Policy]") -> dict[int, int]:
        """By connection, the organisations that want to hear of `event`."""
        self._know()
        if not self._wanted:
            return {}
        of = {connection_id: policy.organisation_id for connection_id, policy in policies.items()}
        return {connection_id: one for connection_id, one in of.items() if event in self._wanted.get(one, ())}

    def _know(self) -> None:
        """A recorder just started may have something to write before it was first told to load."""
        if not self._is_loaded:
            self.load()

    def write(self, happened: Sequence[Happening], now_ms: int) -> list[CallbacksDue]:
        """Insert what is to be told of; to be answered once it is committed, so that it is told soon."""
        if not happened:
            return []
        self._know()
        if not self._wanted:
            return []
        give_up_ms = now_ms + TRIED_FOR_MS
        rows = [
            (endpoint_id, event, subject_id, data, at_ms, now_ms, give_up_ms, 0, 0, 0, 0, "")
            for organisation_id, event, subject_id, at_ms, data in happened
            for endpoint_id in self._wanted.get(organisation_id, {}).get(event, ())
        ]
        self._database.run(catalogue.INSERT_CALLBACK_EVENTS, rows)
        return [CallbacksDue(sorted({row[0] for row in rows}))] if rows else []

    # -- what is told ------------------------------------------------------------------------------------------------

    def work(self, work: CallbackWork, now_ms: int) -> CallbackCalls:
        """Write what came of calls, and lease the next ones."""
        self._database.run(catalogue.DELETE_CALLBACK_EVENTS, [(event_id,) for event_id in sorted(work.done)])
        self._database.run(catalogue.CALLBACK_EVENTS_TRIED, sorted(work.tried, key=lambda row: row[-2]))
        self._database.run(catalogue.PUT_BACK_CALLBACK_EVENTS, sorted(work.back, key=lambda row: row[1]))
        for endpoint_id, version in work.gone:
            self._database.query(catalogue.DISABLE_ENDPOINT, (False, GONE, now_ms, endpoint_id, version))
        found = [(endpoint_id, most, self._due(endpoint_id, now_ms, most)) for endpoint_id, most in work.wants]
        token = secrets.randbits(62) | 1
        until_ms = now_ms + LEASE_MS
        taken = sorted(row[0] for _, _, rows in found for row in rows)
        self._database.run(catalogue.TAKE_CALLBACK_EVENTS, [(until_ms, token, event_id) for event_id in taken])
        told = Told(self._database, [row for _, _, rows in found for row in rows])
        return CallbackCalls(
            work.number,
            [
                (endpoint_id, [_call(row, token, until_ms, told) for row in rows], len(rows) == most)
                for endpoint_id, most, rows in found
            ],
        )

    def _due(self, endpoint_id: int, now_ms: int, most: int) -> list[Row]:
        return self._database.query(catalogue.DUE_CALLBACK_EVENTS, (endpoint_id, now_ms, most))

    def sweep(self, now_ms: int) -> None:
        """Give up what was due for too long, and forget dead letters past their time and what was of deleted endpoints."""
        self._know()
        if self._sweep_ms > now_ms or not (self._ids or self._deleted):
            return
        is_full = False
        for endpoint_id in self._ids:
            # What was never tried has been due since it happened; the others are given up when they are tried.
            values = (now_ms, NEVER_TRIED, endpoint_id, now_ms - TRIED_FOR_MS, now_ms, SWEPT)
            is_full |= len(self._database.query(catalogue.BURY_CALLBACK_EVENTS, values)) == SWEPT
            kept = self._database.query(catalogue.OLDEST_KEPT_DEAD_LETTER, (endpoint_id, MOST_DEAD))
            before_ms = max([now_ms - KEPT_MS, *(dead_ms for (dead_ms,) in kept)])
            dropped = self._database.query(catalogue.DROP_DEAD_LETTERS, (endpoint_id, before_ms, SWEPT))
            is_full |= len(dropped) == SWEPT
        for endpoint_id, deleted_ms in self._deleted.items():
            left = self._database.query(catalogue.DROP_CALLBACK_EVENTS, (endpoint_id, SWEPT))
            is_full |= len(left) == SWEPT
            if not left and deleted_ms < now_ms - LEASE_MS:
                self._database.query(catalogue.DROP_ENDPOINT, (endpoint_id, now_ms))
        self._sweep_ms = 0 if is_full else now_ms + SWEEP_MS


class Told:
    """What calls say of messages and texts, read for all of them at once."""

    def __init__(self, database: Any, rows: Sequence[Row]) -> None:
        messages = sorted({row[2] for row in rows if row[1] in STATES})
        texts = sorted({row[2] for row in rows if row[1] == INBOUND})
        found = database.query(catalogue.CALLBACK_MESSAGES, (messages,)) if messages else []
        names = catalogue.CALLBACK_MESSAGES.columns
        self._messages = {row[0]: dict(zip(names, row, strict=True)) for row in found}
        firsts = [row[0] << 12 | row[1] << 8 for row in found]
        said = database.query(catalogue.CALLBACK_SEGMENTS, (firsts,)) if firsts else []
        self._segments = {segment_id: (status, code) for segment_id, status, code in said}
        found = database.query(catalogue.CALLBACK_INBOUND, (texts,)) if texts else []
        self._texts = {row[0]: dict(zip(catalogue.CALLBACK_INBOUND.columns, row, strict=True)) for row in found}

    def data(self, event: str, subject_id: int, own: dict[str, Any], at_ms: int) -> dict[str, Any]:
        """Of a message or text that is no more, there is little left to say."""
        if event in STATES:
            return self._message(STATES[event], subject_id, own, at_ms)
        if event == INBOUND:
            return self._text(subject_id)
        return own

    def _message(self, state: int, message_id: int, own: dict[str, Any], at_ms: int) -> dict[str, Any]:
        told = {"id": message_id, "state": DeliveryState(state).name.lower(), "reason": "", **own}
        message = self._messages.get(message_id)
        if message is None:
            return told
        is_end = state in ENDS
        first = message_id << 12 | message["attempt"] << 8
        status, code = self._segments.get(first, ("", "")) if is_end else ("", "")
        return told | {
            "recipient": message["recipient"],
            "sender": message["sender"],
            "channel": message["channel"],
            "category": Category(message["category"]).name.lower(),
            "connection_id": message["connection_id"],
            "delivery_id": message["delivery_id"] or None,
            "client_reference": message["client_reference"],
            "segments": message["segments"],
            "is_possible_duplicate": bool(message["is_possible_duplicate"]),
            "status": status,
            "code": code,
            "created_at": _time(message["created_ms"]),
            "sent_at": _time(at_ms if state == SENT else message["sent_ms"]),
            "done_at": _time(at_ms) if is_end else None,
        }

    def _text(self, inbound_id: int) -> dict[str, Any]:
        text = self._texts.get(inbound_id)
        if text is None:
            return {"id": inbound_id}
        told = {name: value for name, value in text.items() if name not in ("received_ms", "reply_message_id")}
        return told | {
            "is_complete": bool(text["is_complete"]),
            "reply_message_id": text["reply_message_id"] or None,
            "received_at": _time(text["received_ms"]),
        }


def _call(row: Row, token: int, until_ms: int, told: Told) -> CallbackCall:
    event_id, event, subject_id, data, at_ms, attempts, give_up_ms = row
    own = msgspec.json.decode(bytes(data)) if data is not None else {}
    content = {"type": event, "timestamp": _time(at_ms), "data": told.data(event, subject_id, own, at_ms)}
    body = _write(content)
    return CallbackCall(event_id, token, webhook_id(event_id, at_ms), body, attempts, give_up_ms, until_ms)


def webhook_id(event_id: int, at_ms: int) -> str:
    """The same for every try. With the time, for a database that is restored from a backup gives its numbers again."""
    return f"evt_{event_id}_{at_ms:x}"


def _time(ms: int) -> str | None:
    """As the API writes instants; None where there is none."""
    if not ms:
        return None
    moment = _EPOCH + timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
