"""A request to send on its way into the store, and the rows that it becomes."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from chappe.engine.store import catalogue
from chappe.engine.store.statement import Row
from chappe.features.deliveries.identifier import is_personal
from chappe.features.deliveries.link import base_of
from chappe.messaging import Category, DeliveryState, MessageOptions, OutgoingTlv
from chappe.web.intake.lookup import Target
from chappe.web.intake.request import MessageIn, OptionsIn
from chappe.web.wire import BadRequest

PRIORITY = {Category.TRANSACTIONAL: 2, Category.MARKETING: 4}
CATEGORIES = {"transactional": Category.TRANSACTIONAL, "marketing": Category.MARKETING}


@dataclass(slots=True)
class Checked:
    """A message that may be stored, with what was found out about it."""

    message: MessageIn
    target: Target
    recipient: str
    due_ms: int
    segments: int
    encoding: str
    body: str = ""
    """As it goes out; set when it is stored, for then the person is known."""

    @property
    def is_personal(self) -> bool:
        return self.target.identifier is not None and is_personal(self.message.text)


class Line(msgspec.Struct, gc=False):
    """A message of another Chappe that may be stored, made ready before anybody waits for it.

    `number` is its number there, `delivery_id` that of its delivery, both as they are kept. `row` lacks its first value, the
    message's id. By `digest` another message of the same number is told from this one.
    """

    number: int
    digest: int
    delivery_id: int
    priority: int
    due_ms: int
    row: Row
    segments: int
    encoding: str
    id: int = 0
    """Ours; 0 until it is stored."""


class Answer(msgspec.Struct, omit_defaults=True):
    """What is said of one message."""

    id: Annotated[int, msgspec.Meta(description="by which its status is read")]
    state: Annotated[
        Literal["waiting", "excluded"], msgspec.Meta(description="excluded: taken note of, and not sent; see reason")
    ]
    segments: int
    reason: Annotated[
        str,
        msgspec.Meta(
            description="why it is excluded: denylisted, quarantine or no_identifier", examples=["denylisted"]
        ),
    ] = ""
    encoding: Annotated[
        str,
        msgspec.Meta(
            description="how its text goes out: gsm, latin1 or ucs2; e-mail and content of RCS or MMS: utf-8",
            examples=["gsm"],
        ),
    ] = ""


def answer(message_id: int, reason: str, segments: int, encoding: str) -> Answer:
    """For a message that waits, or is excluded for a reason."""
    if not reason:  # it may be a member of an enumeration, and such are written though they are empty
        return Answer(message_id, "waiting", segments, "", encoding)
    return Answer(message_id, "excluded", segments, reason, encoding)


@dataclass(slots=True)
class Submission:
    """One request: its messages are stored together or not at all. Another Chappe's are in `lines`."""

    organisation_id: int
    messages: list[Checked]
    key: str = ""
    digest: str = ""
    accepted: list[Answer] = field(default_factory=list)
    is_replay: bool = False
    error: BadRequest | None = None
    lines: list[Line] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.messages) + len(self.lines)

    def forget(self) -> None:
        """As it was before anybody tried to store it."""
        self.accepted, self.is_replay, self.error = [], False, None


def message_row(
    message_id: int,
    organisation_id: int,
    checked: Checked,
    category: Category,
    state: DeliveryState,
    reason: str,
    now_ms: int,
    delivery_id: int = 0,
) -> Row:
    message, options, channel = checked.message, None, checked.target.way.channel
    if message.options is not None:
        options = _options(message.options, checked.target)
        channel = checked.target.way.channel_of(message.options.content)
    # `_value_` and not `value`, which is a look-up of its own for each: thousands come in a request.
    return catalogue.new_message(
        message_id,
        organisation_id,
        checked.target.id,
        delivery_id,
        category=category._value_,
        recipient=checked.recipient,
        sender=message.sender,
        body=checked.body or message.text,
        channel=channel._value_,
        options=options,
        segments=checked.segments,
        state=state._value_,
        reason=reason,
        client_reference=message.client_reference,
        created_ms=now_ms,
        due_ms=checked.due_ms,
        expires_ms=checked.due_ms + message.validity_s * 1000,
        done_ms=now_ms if state is DeliveryState.EXCLUDED else 0,
    )


def _options(given: OptionsIn, target: Target) -> bytes | None:
    options = MessageOptions(
        transmission_mode=given.transmission_mode,
        maximum_segments=given.maximum_segments,
        service_id=given.service_id,
        short_code=given.short_code,
        tlvs=tuple(OutgoingTlv(one.tag, bytes.fromhex(one.value)) for one in given.tlvs),
        content=target.way.carried(given.content),
        link_base=base_of(target.way) if given.follow_links else "",
    )
    return None if options == MessageOptions() else msgspec.json.encode(options)
