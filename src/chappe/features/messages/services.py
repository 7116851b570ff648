"""Finding messages and texts from phones. The store's rows are read here and never written: the engine does that."""

from collections.abc import Sequence
from typing import TypeVar

from django.db.models import Model, QuerySet

from chappe.features.clock import now_ms
from chappe.features.connections.models import Connection
from chappe.features.messages.handed import handed_over
from chappe.features.messages.models import Inbound, MessageNow, Segment
from chappe.features.page import LARGEST_ID, Page, newest_first, page_of, read_cursor, size_of_page
from chappe.features.refusal import InvalidInput, NotFound
from chappe.features.settings import quiet_wait
from chappe.messaging import DeliveryState, FieldError
from chappe.rules.email_address import read_email

# A provider's id may come back on another day's message; past this many the search is for something else.
SAME_PROVIDER_ID = 1000

Row = TypeVar("Row", bound=Model)


def find_message(organisation_id: int, message_id: int) -> MessageNow:
    """Raises NotFound."""
    found = MessageNow.objects.filter(pk=min(message_id, LARGEST_ID), organisation_id=organisation_id).first()
    if found is None:
        raise NotFound("message", message_id)
    return with_reasons(organisation_id, [found])[0]


def search_messages(
    organisation_id: int, recipient: str, provider_message_id: str, cursor: str, limit: int
) -> Page[MessageNow]:
    """A page of the messages to a recipient, or with a segment that the provider gave this id; newest first.

    One of both must be given: the table has no other way in. Raises InvalidInput.
    """
    if bool(recipient) == bool(provider_message_id):
        message = "is needed, or provider_message_id, and not both"
        raise InvalidInput([FieldError("recipient", message)])
    if provider_message_id:
        return _with_provider_id(organisation_id, provider_message_id, cursor, limit)
    rows = MessageNow.objects.filter(organisation_id=organisation_id)
    page = _merged([rows.filter(recipient=spelling) for spelling in spellings(recipient)], cursor, limit)
    return Page(with_reasons(organisation_id, page.items), page.next)


def with_reasons(organisation_id: int, messages: list[MessageNow]) -> list[MessageNow]:
    """Messages that quiet hours put off together do not say so themselves: one row says it of all of them. Those that wait on
    mid are told by their segments."""
    for message_id, handed in handed_over(messages).items():
        next(one for one in messages if one.pk == message_id).reason = handed.reason
    unexplained = [one for one in messages if one.state == DeliveryState.WAITING and not one.reason]
    reasons = quiet_wait.reasons(organisation_id, unexplained, now_ms()) if unexplained else {}
    for message in unexplained:
        message.reason = reasons.get(message.pk, "")
    return messages


def _with_provider_id(organisation_id: int, provider_message_id: str, cursor: str, limit: int) -> Page[MessageNow]:
    connections = list(Connection.objects.filter(organisation_id=organisation_id).values_list("pk", flat=True))
    segments = Segment.objects.filter(connection_id__in=connections, provider_message_id=provider_message_id)
    ids = {segment_id >> 12 for segment_id in segments.values_list("pk", flat=True)[:SAME_PROVIDER_ID]}
    return newest_first(MessageNow.objects.filter(organisation_id=organisation_id, pk__in=ids), cursor, limit)


def _merged(sources: "Sequence[QuerySet[Row]]", cursor: str, limit: int) -> Page[Row]:
    """A page of several short walks of an index; asked for as one, all rows of a busy number would be sorted."""
    before, most = read_cursor(cursor), size_of_page(limit) + 1
    found = [row for rows in sources for row in rows.filter(pk__lt=before).order_by("-pk")[:most]]
    return page_of(sorted(found, key=lambda row: -row.pk)[:most], limit, lambda row: str(row.pk))


def spellings(number: str) -> tuple[str, ...]:
    """How a number may have been written: numbers are kept with their plus, and a plus in a URL arrives as a space.

    E-mail addresses are kept in one way.
    """
    number = number.strip()
    if "@" in number:
        return (read_email(number) or number,)
    digits = number.removeprefix("+")
    return (f"+{digits}", digits) if digits.isdigit() else (number,)


def inbound_page(organisation_id: int, sender: str, cursor: str, limit: int) -> Page[Inbound]:
    """A page of the texts from phones, newest first; `sender` "" is all. Raises InvalidInput."""
    rows = Inbound.objects.filter(organisation_id=organisation_id)
    if not sender:
        return newest_first(rows, cursor, limit)
    return _merged([rows.filter(sender=spelling) for spelling in spellings(sender)], cursor, limit)


def find_inbound(organisation_id: int, inbound_id: int) -> Inbound:
    """Raises NotFound."""
    found = Inbound.objects.filter(pk=min(inbound_id, LARGEST_ID), organisation_id=organisation_id).first()
    if found is None:
        raise NotFound("inbound message", inbound_id)
    return found


def segments_of(message_id: int) -> "list[Segment]":
    """Every segment of every attempt, in order; a segment's id begins with its message's."""
    return list(Segment.objects.filter(pk__range=(message_id << 12, (message_id << 12) + 4095)).order_by("pk"))
