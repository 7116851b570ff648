"""What goes out: one text to one recipient."""

import msgspec

from chappe.messaging.content import Content


class OutgoingTlv(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One optional parameter to send: `value` is octets already in their final form."""

    tag: int
    value: bytes


class MessageOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a delivery asks of a message beyond its text; stored as JSON with the message, absent when all is default.

    `transmission_mode` is `dest_addr_subunit` (0 unspecified-but-sent, 1 flash, 2 mobile, 3 SIM as numbered by the
    standard; None: not sent). `maximum_segments` 0 means no limit. `short_code` scopes the quarantine; empty: the connection's.
    `content` is what RCS or MMS carry; where a connection has neither, the body goes out. `profile` and `delivery_name` are
    what a custom provider's payload may say of the person and of the delivery. `link_base` is what addresses in the text
    begin with once they are short links; empty: they stay as they are.
    """

    transmission_mode: int | None = None
    maximum_segments: int = 0
    service_id: str = ""
    short_code: str = ""
    wants_receipt: bool = True
    tlvs: tuple[OutgoingTlv, ...] = ()
    content: Content | None = None
    profile: dict[str, str] | None = None
    delivery_name: str = ""
    link_base: str = ""


class OutboundMessage(msgspec.Struct, array_like=True, gc=False):
    """A message as the worker holds it, in the column order of the store's `lease` answer.

    `expires_ms` 0 means no end of validity. `accepted_segments` lists the segment indices of this attempt that the
    provider took already, so only the others are sent.
    """

    id: int
    recipient: str
    sender: str
    body: str
    category: int
    attempt: int
    tries: int
    expires_ms: int
    delivery_id: int
    organisation_id: int
    options: MessageOptions | None = None
    accepted_segments: tuple[int, ...] = ()
    is_possible_duplicate: bool = False
