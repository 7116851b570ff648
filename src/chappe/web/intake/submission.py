"""A request to send on its way into the store, and the rows that it becomes."""

from dataclasses import dataclass, field

import msgspec

from chappe.engine.store import catalogue
from chappe.engine.store.statement import Row
from chappe.features.deliveries.identifier import is_personal
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


@dataclass(slots=True)
class Accepted:
    """The answer for one message."""

    id: int
    state: DeliveryState
    reason: str
    segments: int
    encoding: str


@dataclass(slots=True)
class Submission:
    """One request: its messages are stored together or not at all."""

    organisation_id: int
    messages: list[Checked]
    key: str = ""
    digest: str = ""
    accepted: list[Accepted] = field(default_factory=list)
    is_replay: bool = False
    error: BadRequest | None = None
    is_relayed: bool = False
    """Its messages have numbers of another Chappe, which hands each of them over once or more often."""

    def forget(self) -> None:
        """As it was before anybody tried to store it."""
        self.accepted, self.is_replay, self.error = [], False, None


def message_row(
    message_id: int,
    submission: Submission,
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
        submission.organisation_id,
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
    )
    return None if options == MessageOptions() else msgspec.json.encode(options)
