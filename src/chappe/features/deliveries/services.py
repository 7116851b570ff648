"""Deliveries: drafts, their analysis, sending, pausing, and the report."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from django.db import connection, transaction
from django.db.models import Manager, Model, QuerySet

from chappe.engine.store.store import unpack_ids
from chappe.features.accounts.services import checked_name
from chappe.features.audit.following import subject_of
from chappe.features.audit.record import note, unnoted
from chappe.features.clock import now_ms as clock_ms
from chappe.features.connections.models import Connection
from chappe.features.connections.services import connection_to_use, default_connection, way_of
from chappe.features.connections.way import SMPP, Way
from chappe.features.contacts.services import find_list
from chappe.features.deliveries import analysis
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.options import Options
from chappe.features.deliveries.terms import Terms, apply_terms, terms_errors
from chappe.features.jobs import services as jobs
from chappe.features.jobs.models import Job
from chappe.features.message_store import open_store
from chappe.features.messages.models import DeliveryCount, Message, MessageNow, Outbox
from chappe.features.messages.services import with_reasons
from chappe.features.page import LARGEST_ID, Page, newest_first, page_of, read_cursor, size_of_page
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.features.tracking import services as tracking
from chappe.features.tracking.models import LinkClick
from chappe.features.tracking.services import LinkFigures
from chappe.messaging import Channel, ConfigError, DeliveryState, FieldError, LeaseLost
from chappe.providers.contract import Feature
from chappe.providers.registry import PROVIDERS
from chappe.providers.sender import is_name
from chappe.rules.link import PLACE_BITS

Row = TypeVar("Row", bound=Model)

ANALYSE, RELEASE, DELETE = "deliveries.analyse", "deliveries.release", "deliveries.delete"

MOST_PREVIEWED = 50
ACTIONS = {
    "analysed": "analyse",
    "cancelled": "cancel",
    "deleted": "delete",
    "paused": "pause",
    "resumed": "resume",
    "revised": "revise",
    "sent": "send",
}
"""What was done → what the audit trail calls it."""
CHANNELS = tuple(channel.value for channel in Channel)
RELEASED_AT_ONCE = 20
"""Outbox rows of one transaction of a start: some 20,000 messages, a tenth of a second."""

READ_AT_ONCE = 2_000
LOOKED_AT = 10_000
"""Messages of a delivery that one page looks through for those of a state."""
FAILED_STATES = (DeliveryState.FAILED, DeliveryState.EXPIRED, DeliveryState.UNCONFIRMED)
MOST_MESSAGES_LOOKED_AT = 50_000
MOST_REASONS = 10


# -- drafts ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draft(Terms):
    """What a delivery is made of; None leaves it as it is.

    `channel` picks the connection of a new delivery that names none: the first of the list.
    """

    label: str | None = None
    list_id: int | None = None
    connection_id: int | None = None
    channel: str | None = None


def create_delivery(organisation_id: int, draft: Draft, now_ms: int) -> Delivery:
    """A new draft. Raises InvalidInput naming each field, NotFound for a list or connection of nobody here."""
    needed = ("label", "list_id", "body")
    if errors := [FieldError(name, "is needed") for name in needed if getattr(draft, name) is None]:
        raise InvalidInput(errors)
    delivery, errors = drafted(organisation_id, draft, now_ms)
    if errors:
        raise InvalidInput(errors)
    with transaction.atomic():
        delivery.save()
    return delivery


def drafted(organisation_id: int, draft: Draft, now_ms: int) -> tuple[Delivery, list[FieldError]]:
    """A new delivery as the draft has it, unsaved, and what is wrong with it. `draft` names a list.

    Raises InvalidInput where there is no connection to be had, NotFound for a list or connection of nobody here.
    """
    delivery = Delivery(organisation_id=organisation_id, created_ms=now_ms, changed_ms=now_ms)
    if draft.connection_id is None:
        delivery.connection = first_connection(organisation_id, draft.channel, draft.content)
    return delivery, _apply(delivery, draft)


def duplicate_delivery(organisation_id: int, delivery_id: int, label: str, now_ms: int) -> Delivery:
    """A new draft of the same, by the name `label`; what is wrong with it by now is found when it is changed or analysed.

    Raises NotFound, InvalidInput.
    """
    old = find_delivery(organisation_id, delivery_id)
    made = Delivery(
        organisation_id=organisation_id,
        label=checked_name(label),
        contact_list_id=old.contact_list_id,
        connection=connection_to_use(organisation_id, old.connection_id),
        category=old.category,
        sender=old.sender,
        body=old.body,
        options=old.options,
        short_code=old.short_code,
        validity_s=old.validity_s,
        created_ms=now_ms,
        changed_ms=now_ms,
    )
    with transaction.atomic():
        made.save()
    return made


def first_connection(organisation_id: int, channel: str | None, content: object) -> Connection:
    """The first of the list that is switched on, complete and of the channel; where none is named, of that which a content
    needs. Raises InvalidInput."""
    if channel is not None and channel not in CHANNELS:
        raise InvalidInput.at("channel", f"must be one of {', '.join(CHANNELS)}")
    channels = [Channel(channel or Channel.SMS)]
    if channel is None and isinstance(content, Mapping) and content.get("type") != "mms":
        channels.insert(0, Channel.RCS)
    for one in channels:
        try:
            return default_connection(organisation_id, one)
        except Conflict:
            continue
    raise InvalidInput.at(
        "connection_id", f"is needed: no connection for {channels[-1].value} is switched on and complete"
    )


def change_delivery(organisation_id: int, delivery_id: int, draft: Draft, now_ms: int) -> Delivery:
    """The draft as changed; one whose analysis failed is a draft again. Raises NotFound, InvalidInput, Conflict."""
    with transaction.atomic():
        delivery = _found(_deliveries(organisation_id).select_for_update(), delivery_id)
        _need(delivery, ("draft", "failed"), "changed")
        if errors := _apply(delivery, draft):
            raise InvalidInput(errors)
        delivery.status, delivery.error, delivery.changed_ms = "draft", "", now_ms
        delivery.save()
    return delivery


def revise_delivery(organisation_id: int, delivery_id: int, now_ms: int) -> Delivery:
    """Make a draft again of a delivery that is ready and was not sent; its messages stay held until the next analysis.

    Raises NotFound, Conflict.
    """
    return _move(organisation_id, delivery_id, ("ready",), "draft", "revised", changed_ms=now_ms)


def find_delivery(organisation_id: int, delivery_id: int) -> Delivery:
    """Raises NotFound."""
    return _found(_deliveries(organisation_id), delivery_id)


def deliveries_page(organisation_id: int, cursor: str, limit: int, status: str = "") -> Page[Delivery]:
    """Newest first; `status` "" is all. Raises InvalidInput."""
    rows = _deliveries(organisation_id)
    if status:
        rows = rows.filter(status=status)
    return newest_first(rows.select_related("connection", "contact_list"), cursor, limit)


def states_of(deliveries: Iterable[Delivery]) -> dict[int, dict[DeliveryState, int]]:
    """How many messages of each are in which state, by delivery: from what is counted as it happens."""
    found: dict[int, dict[DeliveryState, int]] = {one.pk: {} for one in deliveries}
    rows = DeliveryCount.objects.filter(delivery_id__in=list(found)).exclude(messages=0).order_by("state")
    for row in rows:
        found[row.delivery_id][DeliveryState(row.state)] = row.messages
    return found


def delete_delivery(organisation_id: int, delivery_id: int, now_ms: int) -> None:
    """Take away a delivery that never was sent; its messages go soon after. Raises NotFound, Conflict."""
    with transaction.atomic():
        _move(organisation_id, delivery_id, ("draft", "ready", "failed"), "deleting", "deleted", changed_ms=now_ms)
        jobs.enqueue(organisation_id, DELETE, delivery_id, now_ms)


def _deliveries(organisation_id: int) -> "QuerySet[Delivery]":
    return Delivery.objects.filter(organisation_id=organisation_id).exclude(status="deleting")


def _found(rows: "QuerySet[Delivery]", delivery_id: int) -> Delivery:
    found = rows.filter(pk=min(delivery_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("delivery", delivery_id)
    return found


def _need(delivery: Delivery, statuses: Sequence[str], done: str) -> None:
    if delivery.status not in statuses:
        listed = " or ".join(statuses)
        raise Conflict(f"The delivery is {delivery.status}; it can be {done} while it is {listed}.")


def _move(
    organisation_id: int, delivery_id: int, statuses: Sequence[str], status: str, done: str, **values: object
) -> Delivery:
    """Change the status, guarded by the status before. Raises NotFound, Conflict."""
    rows = Delivery.objects.filter(organisation_id=organisation_id, pk=min(delivery_id, LARGEST_ID))
    with transaction.atomic():
        before = rows.select_for_update().values_list("status", flat=True).first()
        moved = rows.filter(status__in=statuses).update(status=status, **values)
        delivery = rows.first() if moved else find_delivery(organisation_id, delivery_id)
        if not moved or delivery is None:
            assert delivery is not None
            _need(delivery, statuses, done)
            raise Conflict("The delivery was changed at the same moment. Try again.")
        note(subject_of(delivery), ACTIONS[done], before={"status": before}, after={"status": status})
    return delivery


def _apply(delivery: Delivery, draft: Draft) -> list[FieldError]:
    """Write the draft into the row, unsaved; what is wrong with it then."""
    errors: list[FieldError] = []
    if draft.label is not None:
        try:
            delivery.label = checked_name(draft.label)
        except InvalidInput as error:
            errors += [FieldError("label", one.message) for one in error.errors]
    if draft.list_id is not None:
        delivery.contact_list = find_list(delivery.organisation_id, draft.list_id)
    if draft.connection_id is not None:
        delivery.connection = connection_to_use(delivery.organisation_id, draft.connection_id)
    errors += apply_terms(delivery, draft)
    return errors + terms_errors(delivery, way_or_none(delivery.connection), delivery.contact_list.attributes)


def way_or_none(connection: Connection) -> Way | None:
    """None where the connection is not complete, which the analysis will say."""
    try:
        return way_of(connection)
    except ConfigError:
        return None


# -- warnings --------------------------------------------------------------------------------------------------------


NO_WAY_BACK = (
    "The sender is a name: people cannot answer, and so cannot opt out. Put a way to unsubscribe into the text."
)


def warnings_of(delivery: Delivery) -> list[str]:
    """What does not keep the delivery from being sent, and should be thought about before it is."""
    connection = delivery.connection
    spec = PROVIDERS.get(connection.provider)
    if spec is None or Channel.EMAIL in spec.channels or Feature.INBOUND not in spec.features:
        return []
    own = "source_number" if connection.provider == SMPP else "sender"
    return [NO_WAY_BACK] if is_name(delivery.sender or str(connection.settings.get(own, ""))) else []


# -- analysis --------------------------------------------------------------------------------------------------------


def analyse(organisation_id: int, delivery_id: int, now_ms: int) -> Delivery:
    """Have the delivery analysed outside this request. Raises NotFound, Conflict."""
    with transaction.atomic():
        delivery = _start_analysis(organisation_id, delivery_id, now_ms)
        jobs.enqueue(organisation_id, ANALYSE, delivery_id, now_ms)
    return delivery


def analyse_now(
    organisation_id: int, delivery_id: int, now_ms: int, beat: Callable[[], None] | None = None
) -> Delivery:
    """Analyse the delivery before returning. Raises NotFound, Conflict; ConfigError, with the delivery failed."""
    delivery = _start_analysis(organisation_id, delivery_id, now_ms)
    try:
        analysis.analyse(delivery, beat)
    except ConfigError as error:
        _fail_analysis(delivery_id, str(error))
        raise
    except BaseException:
        _fail_analysis(delivery_id, "the analysis was interrupted")
        raise
    return find_delivery(organisation_id, delivery_id)


def preview(organisation_id: int, delivery_id: int, people: int) -> "list[analysis.Prepared | analysis.Excluded]":
    """What the first people of the list would get now; nothing is kept. Raises NotFound, InvalidInput, ConfigError."""
    if not 1 <= people <= MOST_PREVIEWED:
        raise InvalidInput.at("people", f"must be from 1 to {MOST_PREVIEWED}")
    return analysis.preview(find_delivery(organisation_id, delivery_id), people)


def _start_analysis(organisation_id: int, delivery_id: int, now_ms: int) -> Delivery:
    startable = ("draft", "ready", "failed")
    return _move(organisation_id, delivery_id, startable, "analysing", "analysed", changed_ms=now_ms, error="")


def _fail_analysis(delivery_id: int, error: str) -> None:
    Delivery.objects.filter(pk=delivery_id, status="analysing").update(
        status="failed", error=error, changed_ms=clock_ms()
    )


# -- sending ---------------------------------------------------------------------------------------------------------


def send(organisation_id: int, delivery_id: int, now_ms: int) -> Delivery:
    """Let the messages go. Their validity begins now. Raises NotFound, Conflict."""
    delivery = _move(organisation_id, delivery_id, ("ready",), "sending", "sent", started_ms=now_ms, changed_ms=now_ms)
    return _release(delivery, now_ms)


def pause(organisation_id: int, delivery_id: int, now_ms: int) -> Delivery:
    """Hold what has not left yet; what a link has in hand still goes. Raises NotFound, Conflict."""
    with transaction.atomic():
        delivery = _move(organisation_id, delivery_id, ("sending",), "paused", "paused", changed_ms=now_ms)
        Outbox.objects.filter(delivery_id=delivery_id).update(is_held=True)
    return delivery


def resume(organisation_id: int, delivery_id: int, now_ms: int) -> Delivery:
    """Let a paused delivery go on; its validity went on all the time. Raises NotFound, Conflict."""
    delivery = _move(organisation_id, delivery_id, ("paused",), "sending", "resumed", changed_ms=now_ms)
    return _release(delivery, now_ms)


def cancel(organisation_id: int, delivery_id: int, now_ms: int) -> Delivery:
    """Send no more. The engine ends the messages that wait; nothing here changes one. Raises NotFound, Conflict."""
    cancellable = ("analysing", "ready", "sending", "paused")
    with transaction.atomic():
        delivery = _move(
            organisation_id,
            delivery_id,
            cancellable,
            "cancelled",
            "cancelled",
            changed_ms=now_ms,
            finished_ms=now_ms,
        )
        Outbox.objects.filter(delivery_id=delivery_id).update(is_held=False)
    return delivery


def _release(delivery: Delivery, now_ms: int) -> Delivery:
    """Let the first messages go at once and have a job do the rest: no request changes a million rows."""
    is_more = release_some(delivery.pk)
    if is_more:
        jobs.enqueue(delivery.organisation_id, RELEASE, delivery.pk, now_ms)
    _finish_if_empty(delivery.pk, now_ms)
    delivery.refresh_from_db()
    return delivery


def release_some(delivery_id: int) -> bool:
    """Let some held messages of a sending delivery go; whether there may be more."""
    with transaction.atomic():
        # The row is held to the end: whoever pauses waits, and then holds these messages, too.
        delivery = Delivery.objects.select_for_update().filter(pk=delivery_id, status="sending").first()
        if delivery is None:
            return False
        held = Outbox.objects.filter(delivery_id=delivery_id, is_held=True)
        rows = list(held.order_by("pk")[:RELEASED_AT_ONCE])
        expires_ms = delivery.started_ms + delivery.validity_s * 1000
        fresh = [row for row in rows if row.expires_ms == 0]
        for row in fresh:
            _set_expiry(row, expires_ms)
        Outbox.objects.filter(pk__in=[row.pk for row in fresh]).update(expires_ms=expires_ms)
        Outbox.objects.filter(pk__in=[row.pk for row in rows]).update(is_held=False)
    return len(rows) == RELEASED_AT_ONCE


def _set_expiry(row: Outbox, expires_ms: int) -> None:
    """The messages of an outbox row that nobody has leased yet: the only time the control plane writes to them."""
    if row.ids is not None:
        Message.objects.filter(pk__in=unpack_ids(bytes(row.ids)), state=DeliveryState.WAITING).update(
            expires_ms=expires_ms
        )
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE message SET expires_ms = %s WHERE id BETWEEN %s AND %s AND state = 10",
            [expires_ms, row.first_id, row.last_id],
        )


def _finish_if_empty(delivery_id: int, now_ms: int) -> None:
    """Finish a sending delivery that has nothing waiting: all were excluded, or the last ended while it was paused.

    In a transaction after the one that set the status: the recorder, which finishes deliveries when their last message
    goes, either sees that status or has its count seen here.
    """
    with transaction.atomic():
        counts = DeliveryCount.objects.select_for_update().filter(delivery_id=delivery_id, state=DeliveryState.WAITING)
        if not any(count.messages for count in counts):
            Delivery.objects.filter(pk=delivery_id, status="sending").update(
                status="finished", finished_ms=now_ms, changed_ms=now_ms
            )


# -- report ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """`states` add up to `audience`. `reasons` are of messages that failed or expired, the most frequent first;
    of a large delivery only the first so many messages are looked at, and then `is_sample`. `links` as `links_of` has them."""

    delivery: Delivery
    states: dict[DeliveryState, int]
    exclusions: dict[str, int]
    links: LinkFigures | None
    reasons: list[tuple[str, int]] = field(default_factory=list)
    is_sample: bool = False

    @property
    def read(self) -> int:
        return self.states.get(DeliveryState.READ, 0)

    @property
    def delivered(self) -> int:
        """Messages that arrived: who has read one got it."""
        return self.states.get(DeliveryState.DELIVERED, 0) + self.read


def report(organisation_id: int, delivery_id: int) -> Report:
    """How a delivery stands. Raises NotFound."""
    with transaction.atomic():
        delivery = find_delivery(organisation_id, delivery_id)
        counts = DeliveryCount.objects.filter(delivery_id=delivery_id).exclude(messages=0)
        states = {DeliveryState(row.state): row.messages for row in counts.order_by("state")}
        exclusions = dict(delivery.exclusions.order_by("-people", "reason").values_list("reason", "people"))
        links = links_of(delivery)
        if not any(state in states for state in FAILED_STATES):
            return Report(delivery, states, exclusions, links)
        is_sample = delivery.audience > MOST_MESSAGES_LOOKED_AT
        return Report(delivery, states, exclusions, links, _failure_reasons(delivery), is_sample)


def links_of(delivery: Delivery) -> LinkFigures | None:
    """What was opened of it; None where its links are not followed. Those of a delivery that stands for another installation's
    are, if its messages say so, and then something may have been opened of them."""
    found = tracking.figures(delivery.pk)
    return found if found.is_opened or Options.of(delivery).follow_links else None


def _failure_reasons(delivery: Delivery) -> list[tuple[str, int]]:
    looked_at = messages_of(Message.objects, delivery).values("state", "reason")[:MOST_MESSAGES_LOOKED_AT]
    with connection.cursor() as cursor:
        sql, values = looked_at.query.sql_with_params()
        cursor.execute(
            f"SELECT reason, COUNT(*) FROM ({sql}) AS looked_at WHERE state IN (%s, %s, %s) "  # noqa: S608 - our own
            "GROUP BY reason ORDER BY 2 DESC, 1 LIMIT %s",
            [*values, *FAILED_STATES, MOST_REASONS],
        )
        return [(reason, count) for reason, count in cursor.fetchall()]


def messages_of(rows: "Manager[Row]", delivery: Delivery, after: int = 0) -> "QuerySet[Row]":
    """The messages of a delivery with ids beyond `after`, in the order of their ids: some of them cost no more than they are.

    One bound on each side: with two on one, SQLite walks from the farther.
    """
    found = rows.filter(delivery_id=delivery.pk, pk__gt=max(after, delivery.first_message_id - 1)).order_by("pk")
    return found.filter(pk__lte=delivery.last_message_id) if delivery.first_message_id else found


def messages_page(delivery: Delivery, cursor: str, limit: int, state: DeliveryState | None = None) -> Page[MessageNow]:
    """In the order they were made. Those of one state are looked for among so many at a time: a page may have few or none of
    them, and still another after it. Raises InvalidInput."""
    rows = messages_of(MessageNow.objects, delivery, read_cursor(cursor) if cursor else 0)
    if state is None:
        page = page_of(list(rows[: size_of_page(limit) + 1]), limit, lambda row: str(row.pk))
        return Page(with_reasons(delivery.organisation_id, list(page.items)), page.next)
    looked_at = list(rows.values_list("pk", "state")[:LOOKED_AT])
    found = [pk for pk, now in looked_at if now == state]
    kept = found[: size_of_page(limit)]
    last = kept[-1] if len(found) > len(kept) else looked_at[-1][0] if looked_at else 0
    is_more = len(found) > len(kept) or len(looked_at) == LOOKED_AT
    items = list(MessageNow.objects.filter(pk__in=kept).order_by("pk"))
    return Page(with_reasons(delivery.organisation_id, items), str(last) if is_more else None)


def sample_messages(delivery: Delivery, most: int) -> list[MessageNow]:
    """The first messages that an analysis has made."""
    return list(messages_of(MessageNow.objects, delivery)[:most])


def every_message(delivery: Delivery, *, has_clicks: bool = False) -> Iterator[tuple[MessageNow, int]]:
    """All of them in the order of their ids, read a stretch at a time, for files; each with how often people opened its links,
    where that is asked for."""
    after = 0
    while some := list(messages_of(MessageNow.objects, delivery, after)[:READ_AT_ONCE]):
        clicks = _clicks_among(delivery, some[0].pk, some[-1].pk) if has_clicks else {}
        for row in some:
            yield row, clicks.get(row.pk, 0)
        after = some[-1].pk


def _clicks_among(delivery: Delivery, first: int, last: int) -> Counter[int]:
    """People's, by message, of those with these ids and between them."""
    found: Counter[int] = Counter()
    places = LinkClick.objects.filter(
        delivery_id=delivery.pk, pk__range=(first << PLACE_BITS, (last + 1 << PLACE_BITS) - 1)
    )
    for place, clicks in places.values_list("pk", "clicks"):
        found[place >> PLACE_BITS] += clicks
    return found


# -- jobs ------------------------------------------------------------------------------------------------------------


def _analysis_job(job: Job, lease: jobs.Lease) -> None:
    delivery = Delivery.objects.filter(pk=job.subject_id, status="analysing").first()
    if delivery is None:
        return
    try:
        analysis.analyse(delivery, lease.beat)
    except LeaseLost:
        # Cancelled meanwhile: the work is over. Taken over by somebody else: then it is not ours to say so.
        if Delivery.objects.filter(pk=job.subject_id, status="analysing").exists():
            raise


def _release_job(job: Job, lease: jobs.Lease) -> None:
    while release_some(job.subject_id):
        lease.beat()


def _delete_job(job: Job, lease: jobs.Lease) -> None:
    deleted = Delivery.objects.filter(pk=job.subject_id, status="deleting")
    if not deleted.exists():
        return
    for model in (Outbox, DeliveryCount):
        _forget(model, job.subject_id)
    with open_store() as store:
        analysis.forget_messages(store, job.subject_id, lease.beat)
    with unnoted():
        deleted.delete()


def _forget(model: type[Model], delivery_id: int) -> None:
    model._default_manager.filter(delivery_id=delivery_id).delete()


def _nothing_to_tell(job: Job, error: str) -> None:
    """Nobody waits for this job; its row says why it failed."""


jobs.KINDS[ANALYSE] = jobs.Kind(
    _analysis_job, lambda job, error: _fail_analysis(job.subject_id, error), refused=(ConfigError,)
)
jobs.KINDS[RELEASE] = jobs.Kind(_release_job, _nothing_to_tell)
jobs.KINDS[DELETE] = jobs.Kind(_delete_job, _nothing_to_tell)
