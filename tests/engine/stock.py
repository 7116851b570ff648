"""A message store with messages in it, as the web half leaves them, and an engine's recorder at work on it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from chappe.engine.recorder import Recorder
from chappe.engine.store import catalogue
from chappe.engine.store.frame import (
    Answer,
    Configure,
    Fates,
    InboundPiece,
    Leased,
    Leases,
    News,
    ProviderError,
    PutOff,
    Received,
    Record,
    Recorded,
    Request,
    Settled,
    Want,
)
from chappe.engine.store.statement import Query, Row
from chappe.engine.store.store import OutboxBatch, Store, open_store
from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection
from chappe.features.contacts.models import ContactList
from chappe.features.deliveries.models import Delivery
from chappe.messaging import Category, DeliveryState

NOW_MS = 1_767_225_600_000  # 2026-01-01 00:00:00 UTC
DAY_MS = 86_400_000
NAMES = [column.name for column in catalogue.MESSAGE_COLUMNS]
BLANK = dict.fromkeys(NAMES, 0) | {
    "organisation_id": 1,
    "channel": "sms",
    "category": int(Category.MARKETING),
    "sender": "",
    "body": "Your parcel is here",
    "options": None,
    "segments": 1,
    "state": int(DeliveryState.WAITING),
    "reason": "",
    "is_possible_duplicate": False,
    "client_reference": "",
}


class Stock:
    """The store at `url`, and rows read back from it."""

    def __init__(self, url: str, connection_id: int = 1, organisation_id: int = 1) -> None:
        self.store: Store = open_store(url)
        self.connection_id = connection_id
        self.organisation_id = organisation_id

    def close(self) -> None:
        self.store.database.close()

    def enqueue(
        self,
        count: int,
        *,
        delivery: int = 0,
        priority: int = 5,
        due_ms: int = NOW_MS,
        is_held: bool = False,
        each: Iterable[dict[str, Any]] = (),
        gap: int = 0,
        **values: Any,
    ) -> list[int]:
        """Messages in one batch; `each` are values of single ones, in order, `gap` ids are left out after each."""
        with self.store.transaction():
            ids = list(self.store.take_ids("message", count * (1 + gap)))[:: 1 + gap]
            single = [*each, *({} for _ in range(count))]
            rows = [self.row(i, delivery, due_ms, **{**values, **own}) for i, own in zip(ids, single, strict=False)]
            batch = OutboxBatch(self.connection_id, delivery, priority, due_ms, rows, is_held)
            self.store.enqueue([batch])
        return ids

    def row(self, message_id: int, delivery: int = 0, due_ms: int = NOW_MS, **values: Any) -> Row:
        own = {
            "id": message_id,
            "organisation_id": self.organisation_id,
            "connection_id": self.connection_id,
            "delivery_id": delivery,
            "recipient": f"+336{message_id:08d}",
            "created_ms": NOW_MS,
            "due_ms": due_ms,
        }
        filled = BLANK | own | values
        return tuple(filled[name] for name in NAMES)

    def query(self, sql: str, *values: Any) -> list[Row]:
        return self.store.database.query(Query(sql), values)

    def message(self, message_id: int) -> dict[str, Any]:
        (row,) = self.query(f"SELECT {', '.join(NAMES)} FROM message_now WHERE id = ?", message_id)
        return dict(zip(NAMES, row, strict=True))

    def state(self, message_id: int) -> DeliveryState:
        return DeliveryState(self.message(message_id)["state"])

    def states(self, ids: Iterable[int]) -> list[DeliveryState]:
        return [self.state(message_id) for message_id in ids]

    def counts(self, delivery: int) -> dict[DeliveryState, int]:
        """A delivery's counts that are not 0."""
        rows = self.query("SELECT state, messages FROM delivery_count WHERE delivery_id = ?", delivery)
        return {DeliveryState(state): messages for state, messages in rows if messages}

    def counted(self, delivery: int) -> dict[DeliveryState, int]:
        """What the counts should be: the messages themselves, counted."""
        rows = self.query("SELECT state FROM message_now WHERE delivery_id = ?", delivery)
        return dict(Counter(DeliveryState(state) for (state,) in rows))

    def events(self, message_id: int) -> list[tuple[str, str]]:
        return self.query("SELECT kind, text FROM message_event WHERE message_id = ? ORDER BY id", message_id)  # type: ignore[return-value]

    def segment(self, message_id: int, attempt: int = 0, index: int = 0) -> Row:
        """State, provider's id, status, code, done_ms."""
        (row,) = self.query(
            "SELECT state, provider_message_id, status, code, done_ms FROM segment WHERE id = ?",
            message_id << 12 | attempt << 8 | index,
        )
        return row

    def outbox(self) -> int:
        """Rows of the outbox."""
        return int(self.query("SELECT count(*) FROM outbox")[0][0])

    def quarantine(self, address: str, short_code: str = "") -> Row | None:
        """Status, reason, error count."""
        rows = self.query(
            "SELECT status, reason, error_count FROM quarantine WHERE address = ? AND short_code = ?",
            address,
            short_code,
        )
        return rows[0] if rows else None

    def inbound(self) -> list[tuple[str, str, str, bool]]:
        """Sender, recipient, text, whether it is complete; in the order of their ids."""
        rows = self.query("SELECT sender, recipient, body, is_complete FROM inbound ORDER BY id")
        return [(row[0], row[1], row[2], bool(row[3])) for row in rows]


def policy(stock: Stock, **values: Any) -> Configure:
    given: dict[str, Any] = {
        "number": 0,
        "connection_id": stock.connection_id,
        "organisation_id": stock.organisation_id,
        "implementation_name": "Generic",
        "short_code": "36180",
        "full_phone_number": False,
        "default_error_kind": "soft",
        "retry_delay_s": 60.0,
        "retry_limit": 3,
        "unknown_receipt_wait_s": 30.0,
        "automatic_replies": [],
    }
    return Configure(**(given | values))


class Desk:
    """One engine's recorder, driven by hand on a clock of its own. What it answered is kept."""

    def __init__(self, stock: Stock, owner: str = "engine-1", **values: Any) -> None:
        self.stock = stock
        self.owner = owner
        self.now_ms = NOW_MS
        self.recorder = Recorder(stock.store, owner)
        self.taken: list[int] = []
        self.unknown: dict[int, int] = {}
        self.lost: list[int] = []
        self.news: list[News] = []
        self._number = 0
        self._token = 0
        self.handle(policy(stock, **values))

    def handle(self, *requests: Request) -> list[Answer]:
        return self._keep(self.recorder.handle(requests, self.now_ms))

    def tick(self, after_ms: int = 0) -> list[Answer]:
        self.now_ms += after_ms
        return self._keep([*self.recorder.tick(self.now_ms), *self.recorder.news(self.now_ms)])

    def _keep(self, answers: list[Answer]) -> list[Answer]:
        for answer in answers:
            match answer:
                case Fates(taken, unknown):
                    self.taken += taken
                    self.unknown.update({token: times for _, token, times in unknown})
                case Recorded(_, lost):
                    self.lost += lost
                case News():
                    self.news.append(answer)
        return answers

    @property
    def blocked(self) -> list[tuple[str, str, str]]:
        """Address, short code, status: all that was told so far, in order."""
        return [(address, code, status) for news in self.news for _, address, code, status in news.blocked]

    @property
    def heard(self) -> list[tuple[int, str]]:
        """Deliveries and their statuses: all that was told so far, in order."""
        return [told for news in self.news for told in news.deliveries]

    def number(self) -> int:
        self._number += 1
        return self._number

    def record(self, **lists: Any) -> list[Answer]:
        return self.handle(Record(self.number(), **lists))

    def want(
        self,
        messages: int = 10_000,
        horizon: int = 10,
        *,
        resend: bool = True,
        short_code: str = "",
        despite_stop: bool = False,
    ) -> Want:
        head = (self.number(), self.stock.connection_id, self.stock.organisation_id, short_code)
        return Want(*head, messages, horizon, resend, despite_stop)

    def lease(self, messages: int = 10_000, horizon: int = 10, *, resend: bool = True) -> list[Leased]:
        answers = self.handle(self.want(messages, horizon, resend=resend))
        return [leased for answer in answers if isinstance(answer, Leases) for leased in answer.leases]

    def accepted(self, message_id: int, attempt: int = 0, segments: int = 1, delivery: int = 0) -> dict[str, Any]:
        """The lists of a record for a message whose every segment the provider took."""
        connection_id = self.stock.connection_id
        return {
            "segments": [
                (
                    message_id << 12 | attempt << 8 | i,
                    connection_id,
                    theirs(message_id, attempt, i),
                    self.now_ms,
                    delivery,
                )
                for i in range(segments)
            ],
            "sent": [(message_id << 4 | attempt, delivery, self.now_ms)],
        }

    def send(self, ids: Sequence[int], attempt: int = 0, segments: int = 1, delivery: int = 0) -> None:
        """Commit that the provider took these, each segment with an id of its own (`theirs`)."""
        parts = [self.accepted(message_id, attempt, segments, delivery) for message_id in ids]
        self.record(**{name: [row for part in parts for row in part[name]] for name in ("segments", "sent")})

    def finish(self, leases: Iterable[Leased]) -> None:
        self.record(finished=[(leased.outbox_id, leased.token) for leased in leases])

    def received(self, provider_id: str, kind: str = "success", status: str = "", code: str = "000") -> Received:
        self._token += 1
        status = status or {"success": "DELIVRD", "error": "UNDELIV", "intermediate": "ENROUTE"}[kind]
        return Received(self._token, self.stock.connection_id, provider_id, kind, status, code, self.now_ms)

    def receipt(self, provider_id: str, kind: str = "success", status: str = "", code: str = "000") -> int:
        """A receipt comes in and is committed; its token."""
        received = self.received(provider_id, kind, status, code)
        self.record(receipts=[received])
        return received.token

    def put_off(self, message_id: int, due_ms: int, *, reason: str = "busy", is_duplicate: bool = False) -> None:
        self.record(put_off=[PutOff(message_id, self.stock.connection_id, reason, due_ms, is_duplicate)])

    def refuse(
        self, message_id: int, status: str = "ESME_RSYSERR", code: str = "0x00000008", *, is_retried: bool = True
    ) -> None:
        error = ProviderError(message_id, self.stock.connection_id, status, code, "words", self.now_ms, is_retried)
        self.record(errors=[error])

    def settle(self, message_id: int, state: DeliveryState, reason: str = "for a reason") -> None:
        self.record(settled=[Settled(message_id, int(state), reason, self.now_ms)])

    def text(self, body: str, sender: str = "33612345678", recipient: str = "36180") -> int:
        """A text from a phone, whole; its token."""
        return self.piece(body.encode("latin-1"), sender=sender, recipient=recipient)

    def piece(
        self,
        octets: bytes,
        *,
        reference: int = 0,
        total: int = 1,
        position: int = 1,
        sender: str = "33612345678",
        recipient: str = "36180",
        encoding: str = "latin1",
        connection_id: int = 0,
    ) -> int:
        self._token += 1
        where = (self._token, connection_id or self.stock.connection_id, sender, recipient, encoding, octets)
        self.record(inbound=[InboundPiece(*where, reference, total, position, self.now_ms)])
        return self._token


def theirs(message_id: int, attempt: int = 0, index: int = 0) -> str:
    """The provider's id of a segment, as `Desk.send` gives it."""
    return f"p{message_id}.{attempt}.{index}"


def delivery_row(status: str = "sending", changed_ms: int = NOW_MS, **values: Any) -> Delivery:
    """A delivery of organisation and connection 1, which are made when they are not there."""
    organisation, _ = Organisation.objects.get_or_create(pk=1, defaults={"name": "Relais"})
    connection, _ = Connection.objects.get_or_create(
        pk=1, defaults={"organisation": organisation, "name": "North", "provider": "smpp"}
    )
    people, _ = ContactList.objects.get_or_create(organisation=organisation, name="All")
    head = {"organisation": organisation, "connection": connection, "contact_list": people, "label": "June"}
    return Delivery.objects.create(**head, body="Hello", status=status, changed_ms=changed_ms, **values)
