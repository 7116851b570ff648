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
from chappe.messaging.outcome import About, Accepted, Deferred, Refused, SendOutcome, Unknown
from chappe.messaging.receipt import HookEvent, InboundMessage, OptIn, OptOut, Receipt, ReceiptKind
from chappe.messaging.relay import ClickTold, Pages, StateTold, TextTold, Told, WishTold
from chappe.messaging.state import ENDS, Category, Channel, DeliveryState, ErrorKind, may_become
from chappe.messaging.traffic import TrafficKind

__all__ = [
    "ENDS",
    "About",
    "Accepted",
    "BadSignature",
    "Category",
    "Channel",
    "ChappeError",
    "ClickTold",
    "ConfigError",
    "Deferred",
    "DeliveryState",
    "ErrorKind",
    "FieldError",
    "HookEvent",
    "HookRejected",
    "InboundMessage",
    "LeaseLost",
    "MessageOptions",
    "OptIn",
    "OptOut",
    "OutboundMessage",
    "OutgoingTlv",
    "Pages",
    "Receipt",
    "ReceiptKind",
    "Refused",
    "SendOutcome",
    "StateTold",
    "StoreBusy",
    "StoreError",
    "StoreFull",
    "StoreUnsure",
    "TextTold",
    "Told",
    "TrafficKind",
    "Unknown",
    "UnreadableBody",
    "WishTold",
    "may_become",
]
