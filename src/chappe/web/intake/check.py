"""What the decoder cannot see of a message: whether it can be kept, and sent through its connection at all."""

from collections.abc import Generator

from chappe.features.deliveries.identifier import json_problem
from chappe.features.deliveries.link import base_of
from chappe.features.deliveries.link import problem as link_problem
from chappe.features.deliveries.measure import WHOLE
from chappe.messaging import Channel, FieldError
from chappe.messaging.content import Mms
from chappe.messaging.content import check as content_errors
from chappe.rules.link import measured as with_links
from chappe.web.intake.lookup import Target, by_number
from chappe.web.intake.request import MOST_ERRORS, NOTHING_SENT, MessageIn, OptionsIn, due_ms, line_field, recipient_of
from chappe.web.intake.submission import Checked
from chappe.web.wire import BadRequest

STRETCH = 500
"""Messages that are checked in one go, before others have their turn."""


def check_all(
    messages: list[MessageIn], targets: list[Target], now_ms: int, *, has_lines: bool
) -> Generator[None, None, list[Checked]]:
    """The messages, all of them or none, in stretches. Raises BadRequest naming lines and fields."""
    by_id = by_number(targets)
    checked: list[Checked] = []
    errors: list[FieldError] = []
    for line, message in enumerate(messages, 1):
        if line % STRETCH == 0:
            yield
        found = check_message(message, by_id, now_ms)
        if isinstance(found, Checked):
            checked.append(found)
            continue
        errors += [FieldError(line_field(str(line), one.field), one.message) for one in found] if has_lines else found
        if len(errors) >= MOST_ERRORS:
            break
    if errors:
        raise BadRequest(422, NOTHING_SENT, errors[:MOST_ERRORS])
    return checked


def check_message(message: MessageIn, targets: dict[int, Target], now_ms: int) -> Checked | list[FieldError]:
    """What the decoder cannot see: whether it can be kept, and sent through the connection at all."""
    target = _target(message, targets)
    if isinstance(target, FieldError):
        return [target]
    errors = _nul_errors(message)
    recipient = recipient_of(message, target.way)
    if recipient is None:
        errors.append(FieldError("to", f"must be {_recipient_words(target)}"))
    if problem := target.way.sender_problem(message.sender):
        errors.append(FieldError("sender", problem))
    due = due_ms(message, now_ms)
    if due is None:
        errors.append(FieldError("send_at", "must be within a year"))
    if message.options is not None:
        errors += _option_errors(message.options, target, message.text)
    measured = _measured(message, target)
    if isinstance(measured, FieldError):
        return [*errors, measured]
    encoding, segments = measured
    options = message.options
    if options is not None and 0 < options.maximum_segments < segments:
        errors.append(
            FieldError("text", f"has {segments} segments; options.maximum_segments is {options.maximum_segments}")
        )
    if errors or recipient is None or due is None:
        return errors
    return Checked(message, target, recipient, due, segments, encoding)


_NUMBER = "an international number of 6 to 15 digits, such as +33612345678"


def _target(message: MessageIn, targets: dict[int, Target]) -> Target | FieldError:
    """The connection to send through: the one that is named, or the first of the channel that is wanted."""
    if message.connection_id is not None:
        named = targets.get(message.connection_id)
        return named or FieldError("connection_id", f"there is no enabled connection {message.connection_id}")
    channels = _channels(message)
    for channel in channels:
        for target in targets.values():
            if channel in target.way.spec.channels:
                return target
    words = f" for {channels[-1].value}" if targets else ""
    return FieldError("connection_id", f"there is no enabled connection{words}")


def _channels(message: MessageIn) -> tuple[Channel, ...]:
    """What the message is, as far as it says so itself; the best first."""
    if "@" in message.to:
        return (Channel.EMAIL,)
    content = message.options.content if message.options else None
    return (Channel.SMS,) if content is None or isinstance(content, Mms) else (Channel.RCS, Channel.SMS)


def _recipient_words(target: Target) -> str:
    if target.way.is_email:
        return "an e-mail address, such as jane@example.org"
    return "1 to 20 printable ASCII characters" if target.way.as_typed else _NUMBER


def _option_errors(options: OptionsIn, target: Target, text: str) -> list[FieldError]:
    """What the connection cannot do of what is asked for."""
    errors = list[FieldError]()
    if options.service_id and not target.way.has_service_tag:
        errors.append(FieldError("options.service_id", "the connection has no service id tag to send it in"))
    if options.transmission_mode is not None and not target.way.has_transmission_modes:
        errors.append(FieldError("options.transmission_mode", "the connection's provider has no transmission modes"))
    if options.follow_links and (problem := link_problem(target.way)):
        errors.append(FieldError("options.follow_links", problem))
    if options.content is not None and target.way.is_email:
        errors.append(FieldError("options.content", "is for RCS and MMS; the connection sends e-mail"))
    elif options.content is not None:
        found = content_errors(options.content, text, "options.content")
        errors += [FieldError("text" if one.field == "body" else one.field, one.message) for one in found]
    return errors


def _measured(message: MessageIn, target: Target) -> tuple[str, int] | FieldError:
    """Encoding and segments, or what is wrong with the text."""
    if target.way.is_email:
        problem = json_problem(message.text)
        return FieldError("text", problem) if problem else WHOLE
    if message.options is not None and target.way.carried(message.options.content) is not None:
        return WHOLE
    text = message.text
    if message.options is not None and message.options.follow_links:
        text = with_links(text, base_of(target.way))
    measured = target.measure(text)
    if isinstance(measured, str):
        words = {"too_long": "has more than 255 segments"}.get(measured, "has characters that no encoding here holds")
        return FieldError("text", words)
    return measured[0]._value_, measured[1]  # and not `value`, which is a look-up of its own for each


def _nul_errors(message: MessageIn) -> list[FieldError]:
    """Texts with U+0000, which PostgreSQL cannot keep: one of them would fail everything that shares its commit."""
    if "\0" not in message.text and "\0" not in message.client_reference and message.options is None:
        return []
    options = message.options
    texts = {"text": message.text, "client_reference": message.client_reference}
    if options is not None:
        texts |= {"options.service_id": options.service_id, "options.short_code": options.short_code}
    return [FieldError(field, "must be text without U+0000") for field, text in texts.items() if "\0" in text]
