"""The vocabulary that both halves speak: plain values without I/O, database or framework."""

from chappe.messaging.error import (
    BadSignature,
    ChappeError,
    ConfigError,
    FieldError,
    HookRejected,
    LeaseLost,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreUnsure,
    UnreadableBody,
)
from chappe.messaging.message import MessageOptions, OutboundMessage, OutgoingTlv
from chappe.messaging.outcome import Accepted, Deferred, Refused, SendOutcome, Unknown
from chappe.messaging.receipt import InboundMessage, Receipt, ReceiptKind
from chappe.messaging.state import ENDS, Category, Channel, DeliveryState, ErrorKind, may_become

__all__ = [
    "ENDS",
    "Accepted",
    "BadSignature",
    "Category",
    "Channel",
    "ChappeError",
    "ConfigError",
    "Deferred",
    "DeliveryState",
    "ErrorKind",
    "FieldError",
    "HookRejected",
    "InboundMessage",
    "LeaseLost",
    "MessageOptions",
    "OutboundMessage",
    "OutgoingTlv",
    "Receipt",
    "ReceiptKind",
    "Refused",
    "SendOutcome",
    "StoreBusy",
    "StoreError",
    "StoreFull",
    "StoreUnsure",
    "Unknown",
    "UnreadableBody",
    "may_become",
]
