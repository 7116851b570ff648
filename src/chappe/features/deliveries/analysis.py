"""From a draft to messages: the audience in the order of its numbers or addresses, in batches, each one transaction.

Everybody of the audience gets a message: WAITING in a held outbox, or EXCLUDED with the reason. An analysis that was
interrupted starts anew: what it had written is taken away first.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chappe.engine.store import catalogue
from chappe.engine.store.statement import Column, Insert, Query, Row, Update
from chappe.engine.store.store import OutboxBatch, Store
from chappe.features.clock import now_ms
from chappe.features.connections.services import way_of
from chappe.features.connections.way import Way
from chappe.features.deliveries.identifier import BAD_ADDRESS, NO_IDENTIFIER, Identifier
from chappe.features.deliveries.letter import Letter, letter_errors
from chappe.features.deliveries.measure import WHOLE, Measure
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.options import Options
from chappe.features.deliveries.parameter import Parameters
from chappe.features.deliveries.template import BadTemplate, RenderError, Template, check
from chappe.features.message_store import open_store
from chappe.features.page import LARGEST_ID
from chappe.messaging import Category, Channel, ConfigError, DeliveryState, FieldError, LeaseLost
from chappe.rules.consent import exclusion

BATCH = 5000
PRIORITY = 5
CACHE_MIB = 48

OWN = ("phone", "email")
"""What every text may mention, whatever the people of the list have."""
BAD_NUMBER, DUPLICATE, RENDER_ERROR, EMPTY = "bad_number", "duplicate", "render_error", "empty"

_MEMBER = ("address", "contact_id", "attributes", "given", "external_id", "phone", "email")
_FROM = (
    "SELECT {address}, m.contact_id, CAST(c.attributes AS text), {given}, c.external_id, m.phone, m.email "
    "FROM contact_list_member m JOIN contact c ON c.id = m.contact_id WHERE m.list_id = ? "
)
AUDIENCE = Query(
    _FROM.format(address="m.phone", given="c.phone_raw")
    + "AND (m.phone, m.contact_id) > (?, ?) ORDER BY m.phone, m.contact_id LIMIT ?",
    _MEMBER,
)
# NOT and not <>: SQLite uses an index of some rows where the condition is written as the index has it.
BY_EMAIL = Query(
    _FROM.format(address="m.email", given="c.email_raw")
    + "AND NOT (m.email = '') AND (m.email, m.contact_id) > (?, ?) ORDER BY m.email, m.contact_id LIMIT ?",
    _MEMBER,
)
# In the order of the other index: the addresses' own knows only those who have one.
WITHOUT_EMAIL = Query(
    _FROM.format(address="m.email", given="c.email_raw")
    + "AND m.email = '' AND (m.phone, m.contact_id) > (?, ?) ORDER BY m.phone, m.contact_id LIMIT ?",
    _MEMBER,
)
# The guard is the first statement of every transaction here: it holds the delivery's row until the end of it.
TAKE = Update("delivery", (Column("analysis_token"), Column("audience")), (Column("id"),), where="status = 'analysing'")
COUNT_IN = Update(
    "delivery", (Column("audience"),), (Column("id"), Column("analysis_token")), where="status = 'analysing'"
)
PLACE = Update("delivery", (Column("first_message_id"), Column("last_message_id")), (Column("id"),))
FINISH = Update(
    "delivery",
    (Column("encodings", "jsonb"), Column("segments"), Column("analysed_ms"), Column("changed_ms")),
    (Column("id"), Column("analysis_token")),
    fixed="status = 'ready', error = ''",
    where="status = 'analysing'",
)
INSERT_EXCLUSIONS = Insert("delivery_exclusion", (Column("delivery_id"), Column("reason", "text"), Column("people")))
FORGET = tuple(
    Query(f"DELETE FROM {table} WHERE delivery_id = ?")  # noqa: S608 - names of our own
    for table in ("delivery_count", "delivery_exclusion", "outbox")
)
SOME_MESSAGES = Query("SELECT id FROM message WHERE delivery_id = ? LIMIT ?", ("id",))
DELETE_MESSAGES = Query("DELETE FROM message WHERE id IN ??")

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode

Beat = Callable[[], None]
Member = tuple[str, int, str, str, str, str, str]
"""Somebody of the audience: the number or address to send to, the contact, attributes, what was given, and the rest known."""
_ADDRESS, _CONTACT, _PHONE = 0, 1, 5


@dataclass
class Findings:
    """What an analysis has found so far."""

    audience: int = 0
    segments: int = 0
    encodings: Counter[str] = field(default_factory=Counter)
    exclusions: Counter[str] = field(default_factory=Counter)


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """A message that can go out. `body` is as rendered: the connection transliterates. `encoding` is as `Measure` says."""

    contact_id: int
    recipient: str
    body: str
    options: bytes | None
    encoding: str
    segments: int


class Excluded(msgspec.Struct, frozen=True, gc=False):
    """Somebody of the audience who gets no message. `recipient` is what was given where it is no number or address."""

    contact_id: int
    recipient: str
    reason: str


def analyse(delivery: Delivery, beat: Beat | None = None, batch_size: int = BATCH) -> Findings:
    """Write the messages of a delivery that is analysing, and make it ready.

    `beat` is called after each batch; what it raises ends the analysis, to be started anew later. Raises ConfigError
    where the text or the connection's settings cannot be used, LeaseLost when the delivery is no longer analysing or
    somebody else analyses it.
    """
    planner = Planner(delivery)
    with open_store(CACHE_MIB) as store:
        writer = _Writer(store, delivery, planner.channel)
        writer.start(beat)
        for members in _walk(store, delivery, planner.way, batch_size):
            writer.write(*planner.plan(members, blocked_among(store, delivery, planner.way, members)))
            if beat is not None:
                beat()
        writer.finish(planner.findings)
    return planner.findings


def preview(delivery: Delivery, people: int) -> list[Prepared | Excluded]:
    """What the first people with a number would get. Raises ConfigError as `analyse` does."""
    planner = Planner(delivery)
    with open_store() as store:
        members = first_members(store, delivery, planner.way, people)
        blocked = blocked_among(store, delivery, planner.way, members)
    found: list[Prepared | Excluded] = []
    for member in members:
        prepared, excluded = planner.plan([member], blocked)
        found += [*prepared, *excluded]
    return found


def first_members(store: Store, delivery: Delivery, way: Way, people: int) -> list[Member]:
    """The first people of the list with a number or address."""
    query = BY_EMAIL if way.is_email else AUDIENCE
    behind = ("", LARGEST_ID, people)  # those without one
    return [_member(row) for row in store.database.query(query, (delivery.contact_list_id, *behind))]


def _walk(store: Store, delivery: Delivery, way: Way, batch_size: int) -> Iterator[list[Member]]:
    """The audience in batches; those who share a number, or an address, are side by side."""
    walks = ((WITHOUT_EMAIL, _PHONE), (BY_EMAIL, _ADDRESS)) if way.is_email else ((AUDIENCE, _ADDRESS),)
    for query, place in walks:
        at: tuple[Any, Any] = ("", 0)
        while rows := store.database.query(query, (delivery.contact_list_id, *at, batch_size)):
            yield [_member(row) for row in rows]
            at = (rows[-1][place], rows[-1][_CONTACT])


def _member(row: Row) -> Member:
    address, contact_id, attributes, given, external_id, phone, email = row
    return (address, contact_id, attributes, given, external_id, phone, email)


Blocked = dict[str, list[tuple[str, str]]]


def blocked_among(store: Store, delivery: Delivery, way: Way, members: Sequence[Member]) -> Blocked:
    addresses = [address for address, *_ in members if address]
    return store.blocked(delivery.organisation_id, addresses, way.channel.value)


class Planner:
    """Decides for each person, in the order of the addresses; keeps the counts and the last address with a message.

    Raises ConfigError where the text or the connection's settings cannot be used.
    """

    def __init__(self, delivery: Delivery) -> None:
        way = self.way = way_of(delivery.connection)
        options = Options.of(delivery)
        self.findings = Findings()
        self._identifier = Identifier.of(way)
        self._template = _template(delivery) if self._identifier is None else None
        self._letter = None if self._template else _letter(delivery)
        self._parameters = Parameters(options, way, delivery.short_code, delivery.label)
        self.link_base = self._parameters.link_base
        self.channel = way.channel_of(self._parameters.sample)
        self._measure = Measure.of(way, options.maximum_segments, self.link_base)
        is_constant = self._template is not None and self._template.is_constant
        self._constant = self._measured(delivery.body) if is_constant else None
        self._category = Category(delivery.category)
        self._short_code = delivery.short_code or way.short_code
        self._despite_stop = way.despite_stop
        self._last = ""

    def plan(self, members: Sequence[Member], blocked: Blocked) -> tuple[list[Prepared], list[Excluded]]:
        """Who gets a message, and who none and why."""
        prepared: list[Prepared] = []
        excluded: list[Excluded] = []
        findings = self.findings
        for member in members:
            address, contact_id, _, given, *_ = member
            planned = self._reason(address, blocked.get(address)) or self._prepare(member)
            if isinstance(planned, str):
                excluded.append(Excluded(contact_id, address or given, planned))
                findings.exclusions[planned] += 1
            else:
                prepared.append(planned)
                findings.segments += planned.segments
                self._last = address
        findings.audience += len(members)
        return prepared, excluded

    def sampled(self, member: Member, blocked: Blocked) -> tuple[str, Prepared | str]:
        """Why one person gets nothing, whatever the text, "" when they may get it; and the message they would get anyhow, or
        why there is none."""
        address, *_ = member
        reason, prepared = self._reason(address, blocked.get(address)), self._prepare(member)
        if not reason and isinstance(prepared, Prepared):
            self._last = address
        return reason, prepared

    def _reason(self, address: str, entries: list[tuple[str, str]] | None) -> str:
        """Why nothing is sent to this number or address, whatever the text; "" when it may be."""
        if not address:
            return BAD_ADDRESS if self.way.is_email else BAD_NUMBER
        if address == self._last:
            return DUPLICATE
        if not entries:
            return ""
        return exclusion(entries, self._category, self._short_code, transactional_despite_stop=self._despite_stop).value

    def _prepare(self, member: Member) -> Prepared | str:
        """The message for one person, or why there is none."""
        address, contact_id, attributes, _, _, phone, email = member
        values: dict[str, Any] = {}
        known: dict[str, Any] = {}
        try:
            if self._template is None:
                body = self._written(member)
                if not body:
                    return NO_IDENTIFIER
            else:
                body = self._template.source
                if self._constant is None or self._parameters.is_personal:
                    known = _decode(attributes)
                    values = {**known, "phone": phone, "email": email}
                    body = self._template.render(values)
            options = self._parameters.options(values, known, body)
        except RenderError:
            return RENDER_ERROR
        measured = self._constant or self._measured(body)
        if isinstance(measured, str):
            return measured
        encoding, segments = measured
        self.findings.encodings[encoding] += 1
        return Prepared(contact_id, address, body, options, encoding, segments)

    def _written(self, member: Member) -> str:
        """The e-mail for one person; "" where the provider does not know them. Raises RenderError."""
        _, _, attributes, _, external_id, phone, email = member
        assert self._identifier is not None
        assert self._letter is not None
        known = _decode(attributes)
        identifier = self._identifier(email, external_id, phone, known)
        return self._letter(known, identifier, email, phone) if identifier else ""

    def _measured(self, body: str) -> tuple[str, int] | str:
        if not body.strip():
            return EMPTY
        return WHOLE if self._letter is not None or self._parameters.has_content else self._measure(body)


class _Writer:
    """Writes what was planned, for as long as the delivery is ours to analyse."""

    def __init__(self, store: Store, delivery: Delivery, channel: Channel) -> None:
        self._store = store
        self._delivery = delivery
        self._channel = channel
        self._token = secrets.randbits(62) | 1
        self._audience = self._first_id = 0

    def start(self, beat: Beat | None) -> None:
        """Make the delivery ours and empty. From here on nobody who analysed it before can write."""
        delivery_id = self._delivery.pk
        database = self._store.database
        with self._store.transaction():
            self._hold(TAKE, (self._token, 0, delivery_id))
            database.run(PLACE, [(0, 0, delivery_id)])
            for statement in FORGET:
                database.query(statement, (delivery_id,))
        forget_messages(self._store, delivery_id, beat)

    def write(self, prepared: Sequence[Prepared], excluded: Sequence[Excluded]) -> None:
        audience = self._audience + len(prepared) + len(excluded)
        delivery = self._delivery
        with self._store.transaction():
            self._hold(COUNT_IN, (audience, delivery.pk, self._token))
            ids = self._store.take_ids("message", len(prepared) + len(excluded))
            first_id = self._first_id or ids.start
            self._store.database.run(PLACE, [(first_id, ids.stop - 1, delivery.pk)])
            rows = _rows(delivery, self._channel.value, ids, prepared, excluded, now_ms())
            self._store.enqueue(
                [OutboxBatch(delivery.connection_id, delivery.pk, PRIORITY, now_ms(), rows, is_held=True)]
            )
        self._audience, self._first_id = audience, first_id

    def finish(self, findings: Findings) -> None:
        delivery_id, now = self._delivery.pk, now_ms()
        encodings = _encode(dict(findings.encodings)).decode()
        with self._store.transaction():
            self._hold(FINISH, (encodings, findings.segments, now, now, delivery_id, self._token))
            self._store.database.run(
                INSERT_EXCLUSIONS, [(delivery_id, reason, people) for reason, people in findings.exclusions.items()]
            )

    def _hold(self, guard: Update, values: Row) -> None:
        if self._store.database.run(guard, [values]) != 1:
            raise LeaseLost(f"delivery {self._delivery.pk} is not ours to analyse any more")


def forget_messages(store: Store, delivery_id: int, beat: Beat | None = None) -> None:
    """Take away the messages of a delivery that never was sent, a batch at a time."""
    while some := store.database.query(SOME_MESSAGES, (delivery_id, BATCH)):
        with store.transaction():
            store.database.query(DELETE_MESSAGES, ([number for (number,) in some],))
        if beat is not None:
            beat()


def _letter(delivery: Delivery) -> Letter:
    """The text of an e-mail, checked again as `_template` does."""
    if errors := letter_errors(delivery.body, delivery.contact_list.attributes):
        raise ConfigError(errors)
    return Letter(delivery.body, delivery.pk, delivery.label)


def _template(delivery: Delivery) -> Template:
    """The text, checked again: the list's people may have changed since it was saved."""
    names = [*delivery.contact_list.attributes, *OWN]
    if errors := check(delivery.body, names, "body"):
        raise ConfigError(errors)
    try:
        return Template(delivery.body)
    except BadTemplate as error:
        raise ConfigError([FieldError("body", str(error))]) from None


def _rows(
    delivery: Delivery,
    channel: str,
    ids: range,
    prepared: Sequence[Prepared],
    excluded: Sequence[Excluded],
    now: int,
) -> list[Row]:
    """Rows of messages. Those to be sent have neighbouring ids, so their outbox rows are ranges."""
    organisation_id, connection_id, delivery_id = delivery.organisation_id, delivery.connection_id, delivery.pk
    category, sender, left_out = delivery.category, delivery.sender, DeliveryState.EXCLUDED.value
    numbers: Iterable[int] = iter(ids)
    row = catalogue.new_message
    # fmt: off
    return [
        row(number, organisation_id, connection_id, delivery_id, one.contact_id, channel=channel, category=category,
            recipient=one.recipient, sender=sender, body=one.body, options=one.options, segments=one.segments,
            created_ms=now, due_ms=now)
        for one, number in zip(prepared, numbers, strict=False)
    ] + [
        row(number, organisation_id, connection_id, delivery_id, one.contact_id, channel=channel, category=category,
            recipient=one.recipient, sender=sender, body="", segments=0, state=left_out, reason=one.reason,
            created_ms=now, due_ms=now, done_ms=now)
        for one, number in zip(excluded, numbers, strict=True)
    ]
    # fmt: on
