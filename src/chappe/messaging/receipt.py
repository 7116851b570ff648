"""What comes back: receipts, texts from phones, and people's wishes."""

from enum import StrEnum

import msgspec

from chappe.messaging.relay import Pages
from chappe.messaging.state import ErrorKind


class ReceiptKind(StrEnum):
    SUCCESS = "success"
    ERROR = "error"
    INTERMEDIATE = "intermediate"
    READ = "read"
    """The person has seen it, so it was delivered as well."""


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The provider's word on a segment. `status` and `code` are theirs, kept raw.

    `error_kind` is what an error says of the recipient, where the provider's documentation settles that; None leaves it
    to the qualification of errors.
    """

    provider_message_id: str
    kind: ReceiptKind
    status: str
    code: str = ""
    error_kind: ErrorKind | None = None


class InboundMessage(msgspec.Struct, frozen=True, gc=False):
    """A text from a phone; or, with a `total` above 1, segment `position` (from 1) of one, all under one `reference`.

    `sender` is the person. `is_answered`: the provider answered already, so we do not.
    """

    sender: str
    recipient: str
    body: str
    provider_message_id: str = ""
    reference: int = 0
    total: int = 1
    position: int = 1
    is_answered: bool = False
    linked_sms: str = ""


class OptOut(msgspec.Struct, frozen=True, gc=False):
    """A person wants no more, as the provider tells it. `evidence` is in its words; `sender` the one of ours that the person
    wrote to, which limits nothing: a wish holds for every connection of the organisation.

    `provider_message_id`: of the text that said so, where it comes as an `InboundMessage` as well; told again, it is none.
    """

    address: str
    evidence: str
    sender: str = ""
    provider_message_id: str = ""


class OptIn(msgspec.Struct, frozen=True, gc=False):
    """A person wants messages (again), as the provider tells it; the fields are those of `OptOut`."""

    address: str
    evidence: str
    sender: str = ""
    provider_message_id: str = ""


HookEvent = Receipt | InboundMessage | OptOut | OptIn | Pages
