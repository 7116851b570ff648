"""What comes back: receipts and texts from phones."""

from enum import StrEnum

import msgspec


class ReceiptKind(StrEnum):
    SUCCESS = "success"
    ERROR = "error"
    INTERMEDIATE = "intermediate"


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The provider's word on a segment. `status` and `code` are theirs, kept raw."""

    provider_message_id: str
    kind: ReceiptKind
    status: str
    code: str = ""


class InboundMessage(msgspec.Struct, frozen=True, gc=False):
    """A text from a phone, put together from all of its segments."""

    sender: str
    recipient: str
    body: str
    received_ms: int
    linked_sms: str = ""
    alias: str = ""
    large_account: str = ""
    provider_message_id: str = ""
    segments: int = 1
    is_complete: bool = True
