"""What a simulated vendor takes, and what it has to say of it later."""

import msgspec

from ..http_quirks import VendorRefusal


class Text(msgspec.Struct):
    """One message to one recipient, as the request has it. `status_url` is the address that it names for its reports;
    `reference` is the sender's own and comes back in them; `more` holds what else the vendor gives back. `refusal` says
    that a vendor who answers for each message of a request by itself does not take this one."""

    recipient: str
    sender: str
    text: str
    status_url: str = ""
    reference: str = ""
    message_id: str = ""
    ids: tuple[str, ...] = ()
    """Those of its segments, where the vendor gives each one of its own."""
    wants_status: bool = True
    more: dict[str, str] = msgspec.field(default_factory=dict)
    refusal: VendorRefusal | None = None
    is_forged: bool = False
    """Whether its hooks are signed wrongly."""


class Report(msgspec.Struct):
    """A status report that is due."""

    text: Text
    status: str
    code: str = ""


class Reply(msgspec.Struct):
    """A text from a phone that is due."""

    sender: str
    recipient: str
    text: str
    is_forged: bool = False
    answers: Text | None = None


Due = Report | Reply
