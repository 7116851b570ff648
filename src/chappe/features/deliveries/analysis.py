"""From a draft to messages: the audience in the order of its numbers, a batch at a time, each batch one transaction.

Everybody of the audience gets a message: WAITING in a held outbox, or EXCLUDED with the reason. An analysis that was
interrupted starts anew: what it had written is taken away first.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chappe.engine.store import catalogue
from chappe.engine.store.statement import Column, Insert, Query, Row, Update
from chappe.engine.store.store import OutboxBatch, Store
from chappe.features.clock import now_ms
from chappe.features.deliveries.measure import Measure
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.options import Options
from chappe.features.deliveries.template import BadTemplate, RenderError, Template, check
from chappe.features.message_store import open_store
from chappe.features.page import LARGEST_ID
from chappe.gsm import Encoding
from chappe.messaging import Category, ConfigError, DeliveryState, FieldError, LeaseLost, MessageOptions
from chappe.providers.contract import Settings
from chappe.providers.parameter import ParameterRow, encode_row
from chappe.providers.registry import PROVIDERS
from chappe.rules.consent import exclusion

BATCH = 5000
PRIORITY = 5
CACHE_MIB = 48

BAD_NUMBER, DUPLICATE, RENDER_ERROR, EMPTY = "bad_number", "duplicate", "render_error", "empty"

AUDIENCE = Query(
    "SELECT m.phone, m.contact_id, CAST(c.attributes AS text), c.phone_raw FROM contact_list_member m "
    "JOIN contact c ON c.id = m.contact_id WHERE m.list_id = ? AND (m.phone, m.contact_id) > (?, ?) "
    "ORDER BY m.phone, m.contact_id LIMIT ?",
    ("phone", "contact_id", "attributes", "phone_raw"),
)
# The guard is the first statement of every transaction here: it holds the delivery's row until the end of it.
TAKE = Update("delivery", (Column("analysis_token"), Column("audience")), (Column("id"),), where="status = 'analysing'")
COUNT_IN = Update(
    "delivery", (Column("audience"),), (Column("id"), Column("analysis_token")), where="status = 'analysing'"
)
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
Member = tuple[str, int, str, str]


@dataclass
class Findings:
    """What an analysis has found so far."""

    audience: int = 0
    segments: int = 0
    encodings: Counter[str] = field(default_factory=Counter)
    exclusions: Counter[str] = field(default_factory=Counter)


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """A message that can go out. `body` is as rendered: the connection transliterates."""

    contact_id: int
    recipient: str
    body: str
    options: bytes | None
    encoding: Encoding
    segments: int


class Excluded(msgspec.Struct, frozen=True, gc=False):
    """Somebody of the audience who gets no message. `recipient` is what was given where it is no number."""

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
        writer = _Writer(store, delivery)
        writer.start(beat)
        at: tuple[str, int] = ("", 0)
        while members := store.database.query(AUDIENCE, (delivery.contact_list_id, *at, batch_size)):
            blocked = store.blocked(delivery.organisation_id, [phone for phone, *_ in members if phone])
            writer.write(*planner.plan(members, blocked))
            at = (members[-1][0], members[-1][1])
            if beat is not None:
                beat()
        writer.finish(planner.findings)
    return planner.findings


def preview(delivery: Delivery, people: int) -> list[Prepared | Excluded]:
    """What the first people with a number would get. Raises ConfigError as `analyse` does."""
    planner = Planner(delivery)
    with open_store() as store:
        first = ("", LARGEST_ID, people)  # behind those without a number
        members = store.database.query(AUDIENCE, (delivery.contact_list_id, *first))
        blocked = store.blocked(delivery.organisation_id, [phone for phone, *_ in members])
    found: list[Prepared | Excluded] = []
    for member in members:
        prepared, excluded = planner.plan([(member[0], member[1], member[2], member[3])], blocked)
        found += [*prepared, *excluded]
    return found


class Planner:
    """Decides for each person, in the order of the numbers; keeps the counts and the last number with a message."""

    def __init__(self, delivery: Delivery) -> None:
        settings = settings_of(delivery)
        options = Options.of(delivery)
        self.findings = Findings()
        self._template = _template(delivery)
        self._measure = Measure.of(settings, options.maximum_segments)
        self._constant = self._measured(delivery.body) if self._template.is_constant else None
        self._parameters = Parameters(options, delivery.short_code)
        self._category = Category(delivery.category)
        self._short_code = delivery.short_code or settings.text("short_code")
        self._despite_stop = settings.flag("transactional_despite_stop")
        self._last = ""

    def plan(
        self, members: Sequence[Member], blocked: dict[str, list[tuple[str, str]]]
    ) -> tuple[list[Prepared], list[Excluded]]:
        """Who gets a message, and who none and why."""
        prepared: list[Prepared] = []
        excluded: list[Excluded] = []
        findings = self.findings
        for phone, contact_id, attributes, phone_raw in members:
            entries = blocked.get(phone)
            planned = self._reason(phone, entries) or self._prepare(phone, contact_id, attributes)
            if isinstance(planned, str):
                excluded.append(Excluded(contact_id, phone or phone_raw, planned))
                findings.exclusions[planned] += 1
            else:
                prepared.append(planned)
                findings.segments += planned.segments
                self._last = phone
        findings.audience += len(members)
        return prepared, excluded

    def _reason(self, phone: str, entries: list[tuple[str, str]] | None) -> str:
        """Why nothing is sent to this number, whatever the text; "" when it may be."""
        if not phone:
            return BAD_NUMBER
        if phone == self._last:
            return DUPLICATE
        if not entries:
            return ""
        return exclusion(entries, self._category, self._short_code, transactional_despite_stop=self._despite_stop).value

    def _prepare(self, phone: str, contact_id: int, attributes: str) -> Prepared | str:
        """The message for one person, or why there is none."""
        values: dict[str, Any] = {}
        body = self._template.source
        try:
            if self._constant is None or self._parameters.is_personal:
                values = _decode(attributes)
                values["phone"] = phone
                body = self._template.render(values)
            options = self._parameters.options(values)
        except RenderError:
            return RENDER_ERROR
        measured = self._constant or self._measured(body)
        if isinstance(measured, str):
            return measured
        encoding, segments = measured
        self.findings.encodings[encoding] += 1
        return Prepared(contact_id, phone, body, options, encoding, segments)

    def _measured(self, body: str) -> tuple[Encoding, int] | str:
        return self._measure(body) if body.strip() else EMPTY


class Parameters:
    """What a message is sent with beside its text: the same for all, unless a parameter's value mentions the person."""

    def __init__(self, options: Options, short_code: str) -> None:
        self._base = MessageOptions(
            transmission_mode=options.transmission_mode,
            maximum_segments=options.maximum_segments,
            service_id=options.service_id,
            short_code=short_code,
        )
        self._rows = [(row, Template(row.value)) for row in options.tlvs]
        self.is_personal = any(not template.is_constant for _, template in self._rows)
        self._same = None if self.is_personal else self._encoded({})

    def options(self, values: dict[str, Any]) -> bytes | None:
        """As the store keeps them. Raises RenderError for a value that the parameter cannot hold."""
        return self._encoded(values) if self.is_personal else self._same

    def _encoded(self, values: dict[str, Any]) -> bytes | None:
        tlvs = []
        for row, template in self._rows:
            rendered: ParameterRow = msgspec.structs.replace(row, value=template.render(values))
            try:
                tlv = encode_row(rendered)
            except ValueError as error:
                raise RenderError(f"{row.label or row.tag}: {error}") from None
            if tlv is not None:
                tlvs.append(tlv)
        options = msgspec.structs.replace(self._base, tlvs=tuple(tlvs))
        return None if options == MessageOptions() else _encode(options)


class _Writer:
    """Writes what was planned, for as long as the delivery is ours to analyse."""

    def __init__(self, store: Store, delivery: Delivery) -> None:
        self._store = store
        self._delivery = delivery
        self._token = secrets.randbits(62) | 1
        self._audience = 0

    def start(self, beat: Beat | None) -> None:
        """Make the delivery ours and empty. From here on nobody who analysed it before can write."""
        delivery_id = self._delivery.pk
        database = self._store.database
        with self._store.transaction():
            self._hold(TAKE, (self._token, 0, delivery_id))
            for statement in FORGET:
                database.query(statement, (delivery_id,))
        forget_messages(self._store, delivery_id, beat)

    def write(self, prepared: Sequence[Prepared], excluded: Sequence[Excluded]) -> None:
        audience = self._audience + len(prepared) + len(excluded)
        delivery = self._delivery
        with self._store.transaction():
            self._hold(COUNT_IN, (audience, delivery.pk, self._token))
            ids = self._store.take_ids("message", len(prepared) + len(excluded))
            rows = _rows(delivery, ids, prepared, excluded, now_ms())
            self._store.enqueue(
                [OutboxBatch(delivery.connection_id, delivery.pk, PRIORITY, now_ms(), rows, is_held=True)]
            )
        self._audience = audience

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


def settings_of(delivery: Delivery) -> Settings:
    """The settings of the delivery's connection. Raises ConfigError."""
    connection = delivery.connection
    spec = PROVIDERS.get(connection.provider)
    if spec is None:
        raise ConfigError([FieldError("connection_id", f"there is no provider {connection.provider}")])
    return spec.parse(connection.settings)


def _template(delivery: Delivery) -> Template:
    """The text, checked again: the list's people may have changed since it was saved."""
    names = [*delivery.contact_list.attributes, "phone"]
    if errors := check(delivery.body, names, "body"):
        raise ConfigError(errors)
    try:
        return Template(delivery.body)
    except BadTemplate as error:
        raise ConfigError([FieldError("body", str(error))]) from None


def _rows(
    delivery: Delivery, ids: range, prepared: Sequence[Prepared], excluded: Sequence[Excluded], now: int
) -> list[Row]:
    """Rows of messages. Those to be sent have neighbouring ids, so their outbox rows are ranges."""
    organisation_id, connection_id, delivery_id = delivery.organisation_id, delivery.connection_id, delivery.pk
    category, sender, left_out = delivery.category, delivery.sender, DeliveryState.EXCLUDED.value
    numbers: Iterable[int] = iter(ids)
    row = catalogue.new_message
    # fmt: off
    return [
        row(number, organisation_id, connection_id, delivery_id, one.contact_id, category=category,
            recipient=one.recipient, sender=sender, body=one.body, options=one.options, segments=one.segments,
            created_ms=now, due_ms=now)
        for one, number in zip(prepared, numbers, strict=False)
    ] + [
        row(number, organisation_id, connection_id, delivery_id, one.contact_id, category=category,
            recipient=one.recipient, sender=sender, body="", segments=0, state=left_out, reason=one.reason,
            created_ms=now, due_ms=now, done_ms=now)
        for one, number in zip(excluded, numbers, strict=True)
    ]
    # fmt: on
