"""Conversations with people, by number: read, answered, given to somebody, closed."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db import transaction
from django.db.models import Max, QuerySet

from chappe.engine.store import catalogue
from chappe.engine.store.store import OutboxBatch
from chappe.features.accounts.models import User
from chappe.features.accounts.person import person_of
from chappe.features.accounts.right import Right
from chappe.features.audit.following import subject_of
from chappe.features.audit.record import note
from chappe.features.connections.services import connection_to_use, way_of
from chappe.features.consent import ledger
from chappe.features.deliveries.measure import Measure
from chappe.features.inbox.models import Conversation
from chappe.features.message_store import open_store
from chappe.features.messages.models import Inbound, MessageNow
from chappe.features.messages.services import spellings
from chappe.features.page import LARGEST_ID, Page, page_of, read_cursor, size_of_page
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.messaging import Category, ConfigError, FieldError

TURNS_SHOWN = 100
ANSWER_PRIORITY = 2
"""Somebody waits for it: before what deliveries have waiting."""
ANSWER_VALIDITY_MS = 24 * 3_600_000
LONGEST_ANSWER = 1_600
MOST_PEOPLE = 500


class Box(StrEnum):
    """Which conversations a list shows."""

    OPEN = "open"
    MINE = "mine"
    ALL = "all"


@dataclass(frozen=True)
class Line:
    """A conversation in a list, with the last text that came."""

    conversation: Conversation
    text: str
    action: str
    assignee: str


@dataclass(frozen=True)
class Turn:
    """A text of one side. Of ours `message` is there, of the person's `inbound`."""

    at_ms: int
    text: str
    inbound: Inbound | None = None
    message: MessageNow | None = None


def conversations_page(organisation_id: int, box: Box, person_id: int, cursor: str, limit: int) -> Page[Line]:
    """Those whose last text is the newest first. Raises InvalidInput."""
    before, most = read_cursor(cursor), size_of_page(limit) + 1
    rows = _box(organisation_id, box, person_id).filter(last_inbound_id__lt=before)
    found = list(rows.order_by("-last_inbound_id")[:most])
    page = page_of(found, limit, lambda row: str(row.last_inbound_id))
    texts = Inbound.objects.in_bulk([one.last_inbound_id for one in page.items])
    names = names_of(organisation_id, [one.assignee_id for one in page.items])
    return Page([_line(one, texts.get(one.last_inbound_id), names) for one in page.items], page.next)


def _line(row: Conversation, last: Inbound | None, names: Mapping[int, str]) -> Line:
    name = names.get(row.assignee_id, "")
    return Line(row, last.body if last else "", last.action if last else "", name)


def _box(organisation_id: int, box: Box, person_id: int) -> "QuerySet[Conversation]":
    rows = Conversation.objects.filter(organisation_id=organisation_id)
    match box:
        case Box.OPEN:
            return rows.filter(is_open=True)
        case Box.MINE:
            return rows.filter(is_open=True, assignee_id=person_id).exclude(assignee_id=0)
    return rows


def find_conversation(organisation_id: int, conversation_id: int) -> Conversation:
    """Raises NotFound."""
    rows = Conversation.objects.filter(organisation_id=organisation_id)
    found = rows.filter(pk=min(conversation_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("conversation", conversation_id)
    return found


def turns_of(row: Conversation) -> list[Turn]:
    """The last texts of both sides, oldest first."""
    came = Inbound.objects.filter(organisation_id=row.organisation_id, sender=row.number).order_by("-pk")[:TURNS_SHOWN]
    turns = [Turn(one.received_ms, one.body, inbound=one) for one in came]
    for spelling in spellings(row.number):
        went = MessageNow.objects.filter(organisation_id=row.organisation_id, recipient=spelling)
        turns += [Turn(one.created_ms, one.body, message=one) for one in went.order_by("-pk")[:TURNS_SHOWN]]
    return sorted(turns, key=lambda turn: turn.at_ms)[-TURNS_SHOWN:]


def answer(organisation_id: int, conversation_id: int, text: str, now_ms: int) -> int:
    """Write back, from the number that the person wrote to, by the connection that it came by; the message's id.

    Raises NotFound; InvalidInput naming what is wrong with the text; Conflict where the connection cannot be used. A person who
    asked to be left alone gets nothing: the engine heeds that, and the conversation shows it.
    """
    row = find_conversation(organisation_id, conversation_id)
    text = text.strip()
    if not 1 <= len(text) <= LONGEST_ANSWER or "\0" in text:
        raise InvalidInput.at("text", f"must have from 1 to {LONGEST_ANSWER} characters")
    connection = connection_to_use(organisation_id, row.connection_id)
    if not connection.is_enabled:
        raise Conflict(f"The connection {connection.name}, by which the text came, is switched off.")
    try:
        way = way_of(connection)
    except ConfigError:
        raise Conflict(f"The connection {connection.name}, by which the text came, is not set up.") from None
    measured = Measure.of(way, 0)(text)
    if isinstance(measured, str):
        raise InvalidInput(
            [FieldError("text", "cannot be sent by this connection: it is too long, or has signs it lacks")]
        )
    with open_store() as store, store.transaction():
        (message_id,) = store.take_ids("message", 1)
        message = catalogue.new_message(
            message_id,
            organisation_id,
            connection.pk,
            channel=way.channel.value,
            category=Category.TRANSACTIONAL.value,
            recipient=row.number,
            sender=row.recipient if way.sender_problem(row.recipient) is None else "",
            body=text,
            segments=measured[1],
            created_ms=now_ms,
            due_ms=now_ms,
            expires_ms=now_ms + ANSWER_VALIDITY_MS,
        )
        store.enqueue([OutboxBatch(connection.pk, 0, ANSWER_PRIORITY, now_ms, [message])])
    note(subject_of(row), "answer", after={"message": message_id})
    return message_id


def leave_alone(organisation_id: int, conversation_id: int, now_ms: int) -> Conversation:
    """Write down that the person wants no more, with their last text as the evidence, and close. Raises NotFound."""
    row = find_conversation(organisation_id, conversation_id)
    said = Inbound.objects.filter(organisation_id=organisation_id, pk=row.last_inbound_id).first()
    evidence = f"wrote: {said.body}"[: ledger.EVIDENCE_CHARACTERS] if said else ""
    wish = ledger.Wish(row.number, is_given=False, sender=row.recipient, evidence=evidence)
    with transaction.atomic():
        ledger.record_wish(organisation_id, wish, now_ms, source=ledger.CONSOLE)
        return close(organisation_id, conversation_id)


def assign(organisation_id: int, conversation_id: int, person_id: int) -> Conversation:
    """Give it to somebody who may use the inbox, or to nobody (0). Raises NotFound, InvalidInput."""
    row = find_conversation(organisation_id, conversation_id)
    if person_id and person_id not in {one.pk for one in people(organisation_id)}:
        raise InvalidInput.at("assignee", "must be somebody who may use the inbox")
    row.assignee_id = person_id
    row.save(update_fields=["assignee_id"])
    return row


def close(organisation_id: int, conversation_id: int, *, is_open: bool = False) -> Conversation:
    """Nothing is left to do, until the person writes again; or (`is_open`) there is after all. Raises NotFound."""
    row = find_conversation(organisation_id, conversation_id)
    row.is_open = is_open
    row.save(update_fields=["is_open"])
    return row


def people(organisation_id: int) -> list[User]:
    """Who may be given a conversation."""
    rows = User.objects.filter(organisation_id=organisation_id, is_active=True).prefetch_related("people_groups")
    found = ((one, person_of(one)) for one in rows.order_by("first_name", "pk")[:MOST_PEOPLE])
    return [user for user, one in found if one is not None and one.may(Right.USE_INBOX)]


def names_of(organisation_id: int, person_ids: Sequence[int]) -> dict[int, str]:
    rows = User.objects.filter(organisation_id=organisation_id, pk__in=set(person_ids) - {0})
    return {one.pk: one.name for one in rows}


def forget(organisation_id: int, _contact_id: int, addresses: Sequence[str]) -> bool:
    """A person is erased: nothing of the conversation stays, and nothing is to be asked for again."""
    numbers = {spelling for address in addresses for spelling in spellings(address)}
    Conversation.objects.filter(organisation_id=organisation_id, number__in=numbers).delete()
    return False


def fingerprint_of_all(organisation_id: int, _subject: int) -> Hashable:
    """What differs when a list would."""
    rows = Conversation.objects.filter(organisation_id=organisation_id)
    return tuple(rows.aggregate(last=Max("last_inbound_id")).values())


def fingerprint(organisation_id: int, conversation_id: int) -> Hashable:
    """What differs when a conversation would. Raises NotFound."""
    row = find_conversation(organisation_id, conversation_id)
    states = [(turn.message.pk, turn.message.state) for turn in turns_of(row) if turn.message is not None]
    return (row.last_inbound_id, row.is_open, row.assignee_id, tuple(states))
