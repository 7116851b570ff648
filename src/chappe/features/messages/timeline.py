"""A message's life in plain words: from its row, its segments, what was out of the ordinary, and its links."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chappe.engine.store.relay_catalogue import number_there
from chappe.features.clock import instant
from chappe.features.connections.link import Link, links_of
from chappe.features.connections.models import Connection
from chappe.features.deliveries.models import Delivery
from chappe.features.messages.handed import Handed, handed_over, handing_over
from chappe.features.messages.models import MessageEvent, MessageNow, Segment
from chappe.features.messages.services import segments_of
from chappe.features.relay.models import RelayDelivery
from chappe.features.settings import quiet_wait
from chappe.features.tracking.services import MessageClick, clicks_of
from chappe.features.words import localised
from chappe.messaging import ENDS, DeliveryState, MessageOptions

# Between accepting a message and its being due; nearer than this nobody planned it.
PLANNED_MS = 1_000
EVENTS_SHOWN = 200
OPENED, LOOKED_AT = "opened", "looked_at"
TOLD_BY_THE_END = [state.name.lower() for state in ENDS]
_read_options = msgspec.json.Decoder(MessageOptions).decode


@dataclass(frozen=True)
class Entry:
    """One thing that happened; `kind` is for programs, `text` for people."""

    at_ms: int
    kind: str
    text: str


def timeline(message: MessageNow, now_ms: int) -> list[Entry]:
    """What happened to the message, oldest first, ending with why it waits where it does."""
    entries = [*_beginning(message), *_segments(message), *_events(message), *_quiet_hours(message), *_end(message)]
    entries += _opened(message)
    entries.sort(key=lambda entry: entry.at_ms)
    if message.state not in ENDS:
        entries += [Entry(now_ms, "now", text) for text in why_it_waits(message, now_ms)]
    return entries


def why_it_waits(message: MessageNow, now_ms: int) -> list[str]:
    """Everything that keeps the message where it is; empty at its end."""
    state = DeliveryState(message.state)
    if state in ENDS:
        return []
    if state is DeliveryState.SENT:
        return [
            _("Waiting for the provider's receipt.")
            if _wants_receipt(message)
            else _("The provider took it. No receipt was asked for, so what became of it will not be known.")
        ]
    if state is DeliveryState.UNCONFIRMED:
        return [_unconfirmed(message)]
    handed = handed_over([message]).get(message.pk)
    if handed is not None:
        return [_waits_there(handed), *_delivery_is_paused(message)]
    reasons = list(_held_back(message, now_ms)) or list(_connection_is_not_ready(message, now_ms))
    return reasons or [_("Its turn has not come: other messages of the connection go first.")]


def _wants_receipt(message: MessageNow) -> bool:
    """Automatic replies do without."""
    return not message.options or _read_options(message.options).wants_receipt


def _unconfirmed(message: MessageNow) -> str:
    if not _wants_receipt(message):
        return _("The provider may have it and did not say. It is not sent again, and no receipt was asked for.")
    # The first segment alone asks for a receipt, and the id that a receipt names is in the answer to that segment.
    first = Segment.objects.filter(pk=message.pk << 12 | message.attempt << 8).exclude(provider_message_id="")
    if first.exists():
        return _("The provider may have it and did not say. It is not sent again; a receipt can still settle it.")
    return _(
        "The provider may have it and did not say. It is not sent again; its id was in the answer that never came, so "
        "no receipt can be matched with it."
    )


def _beginning(message: MessageNow) -> Iterator[Entry]:
    yield Entry(message.created_ms, "accepted", _accepted(message.delivery_id))
    if message.due_ms > message.created_ms + PLANNED_MS and not _was_put_off(message):
        yield Entry(message.created_ms, "planned", _("To be sent from %(time)s.") % {"time": _shown(message.due_ms)})


def _accepted(delivery_id: int) -> str:
    if not delivery_id:
        return _("Accepted.")
    number = number_there(delivery_id)
    if number is None:
        return _("Prepared by delivery %(id)s.") % {"id": delivery_id}
    if not number:
        return _("Handed over by another installation.")
    return _("Handed over by another installation, which prepared it by its delivery %(id)s.") % {"id": number}


def _was_put_off(message: MessageNow) -> bool:
    """Then it is due later, too, and its events say that."""
    return MessageEvent.objects.filter(message_id=message.pk, kind="put_off").exists()


def _segments(message: MessageNow) -> Iterator[Entry]:
    segments = segments_of(message.pk)
    relays = handing_over(segment.connection_id for segment in segments) if segments else ()
    for segment in segments:
        if segment.connection_id in relays:
            yield from _on_mid(segment)
            continue
        name = _name_of(segment, message.segments)
        if segment.sent_ms:
            yield Entry(segment.sent_ms, "segment_sent", _taken(segment, name))
        if segment.done_ms:
            reported = _("%(segment)s: the provider reports %(word)s.")
            yield Entry(segment.done_ms, "receipt", reported % {"segment": name, "word": _word(segment)})


def _on_mid(segment: Segment) -> Iterator[Entry]:
    """Of a message that was handed over, however many segments mid makes of it."""
    number = {"id": segment.provider_message_id}
    if segment.state == DeliveryState.WAITING:
        yield Entry(segment.sent_ms, "handed_over", _("Handed over to mid, which has it as number %(id)s.") % number)
    elif segment.sent_ms:
        yield Entry(segment.sent_ms, "segment_sent", _("Sent by mid, which has it as number %(id)s.") % number)
    if segment.done_ms:
        reported = _("Mid tells that its provider reports %(word)s.")
        yield Entry(segment.done_ms, "receipt", reported % {"word": _word(segment)})


def _name_of(segment: Segment, total: int) -> str:
    attempt, index = segment.pk >> 8 & 15, segment.pk & 255
    name = _("Segment %(index)s of %(total)s") % {"index": index + 1, "total": total}
    again = _("%(segment)s (attempt %(attempt)s)") % {"segment": name, "attempt": attempt + 1}
    return again if attempt else name


def _taken(segment: Segment, name: str) -> str:
    if not segment.provider_message_id:
        return _("%(segment)s was taken by the provider, which gave it no id.") % {"segment": name}
    words = {"segment": name, "id": segment.provider_message_id}
    return _("%(segment)s was taken by the provider under the id %(id)s.") % words


def _word(segment: Segment) -> str:
    return " ".join(part for part in (segment.status, segment.code) if part) or _("nothing more")


def _events(message: MessageNow) -> Iterator[Entry]:
    rows = MessageEvent.objects.filter(message_id=message.pk).exclude(kind__in=TOLD_BY_THE_END)
    for event in rows.order_by("pk")[:EVENTS_SHOWN]:
        yield Entry(event.at_ms, event.kind, localised(event.text or event.kind.replace("_", " ")))


def _quiet_hours(message: MessageNow) -> Iterator[Entry]:
    for wait in quiet_wait.waits_of(message):
        yield Entry(wait.at_ms, "put_off", _("Put off until the end of quiet hours at %(time)s.") % {"time": wait.time})


def _opened(message: MessageNow) -> Iterator[Entry]:
    """Of each address at once, by when it was opened first: some are opened over and over."""
    for one in clicks_of(message.pk):
        words = {"url": one.url, "count": one.clicks, "time": _shown(one.last_ms)}
        if not one.url:
            yield _opened_of_an_erased_text(one)
        elif one.clicks:
            text = ngettext(
                "%(url)s was opened.",
                "%(url)s was opened %(count)s times, for the last time at %(time)s.",
                one.clicks,
            )
            yield Entry(one.first_ms, OPENED, text % words)
        else:
            yield Entry(one.first_ms, LOOKED_AT, _("A program looked at %(url)s; nobody opened it.") % words)


def _opened_of_an_erased_text(one: MessageClick) -> Entry:
    """In the words for those who may not read texts."""
    if one.clicks:
        return Entry(one.first_ms, OPENED, _("A link in its text was opened."))
    return Entry(one.first_ms, LOOKED_AT, _("A program looked at a link in its text; nobody opened it."))


def _end(message: MessageNow) -> Iterator[Entry]:
    if message.state not in ENDS:
        return
    words = {
        DeliveryState.DELIVERED: _("Delivered"),
        DeliveryState.READ: _("Read"),
        DeliveryState.FAILED: _("Failed"),
        DeliveryState.EXPIRED: _("Expired"),
        DeliveryState.EXCLUDED: _("Not sent"),
        DeliveryState.CANCELLED: _("Cancelled"),
    }
    state = DeliveryState(message.state)
    told = {"state": words[state], "reason": localised(message.reason)}
    text = _("%(state)s: %(reason)s.") % told if message.reason else f"{words[state]}."
    yield Entry(message.done_ms or message.created_ms, state.name.lower(), text)


def _held_back(message: MessageNow, now_ms: int) -> Iterator[str]:
    wait = quiet_wait.current_wait(message, now_ms)
    if wait is not None:
        yield _("Waits for the end of quiet hours at %(time)s.") % {"time": wait.time}
    elif message.reason:
        yield _sentence(localised(message.reason))
    if message.due_ms > now_ms:
        yield _("It is due at %(time)s.") % {"time": _shown(message.due_ms)}
    yield from _delivery_is_paused(message)


def _waits_there(handed: Handed) -> str:
    words = {"time": handed.time, "id": handed.number}
    return _("Handed over to mid at %(time)s, and waits there under the number %(id)s.") % words


def _delivery_is_paused(message: MessageNow) -> Iterator[str]:
    if message.delivery_id:
        kind = Delivery if number_there(message.delivery_id) is None else RelayDelivery
        if kind.objects.filter(pk=message.delivery_id, status="paused").exists():
            yield _("Its delivery is paused.")


def _connection_is_not_ready(message: MessageNow, now_ms: int) -> Iterator[str]:
    connection = Connection.objects.filter(pk=message.connection_id).only("name", "is_enabled").first()
    if connection is None:
        yield _("Its connection does not exist any more.")
        return
    names = {"name": connection.name}
    if not connection.is_enabled:
        yield _("The connection %(name)s is switched off.") % names
        return
    live = [link for link in links_of([message.connection_id], now_ms) if link.is_live and link.sends]
    bound = [link for link in live if link.is_bound]
    if not live:
        yield _("No engine serves the connection %(name)s.") % names
    elif not bound:
        yield _("No link of the connection %(name)s is logged in.") % names
        yield from _link_reasons(live)
    elif all(link.is_slowed for link in bound):
        yield _("The provider asked the connection %(name)s to slow down.") % names


def _link_reasons(links: list[Link]) -> Iterator[str]:
    for link in links:
        name = _("Link %(slot)s (%(role)s)") % {"slot": link.slot + 1, "role": localised(link.role)}
        yield _sentence(_("%(link)s: %(reason)s") % {"link": name, "reason": localised(link.reason or link.state)})


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text[:1].upper()}{text[1:]}."


def _shown(ms: int) -> str:
    moment = instant(ms)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else ""
