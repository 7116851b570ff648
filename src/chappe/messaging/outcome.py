"""The four outcomes of a send."""

from enum import StrEnum

import msgspec

from chappe.messaging.state import ErrorKind


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The provider took it; one id a segment, "" where it gave none. One id may stand for all segments of a message.

    `echoes_ours`: its receipts will name our id of the message, in decimal, which is to be kept as the provider's then.
    """

    ids: tuple[str, ...]
    echoes_ours: bool = False


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Never again as it is. `reason` is shown to people, `code` is the provider's own.

    `kind` is what it says of the recipient: IGNORED where the sender, the text or the settings are at fault. `opts_out`:
    the provider will not write to this person, who asked for no more.
    """

    reason: str
    code: str = ""
    kind: ErrorKind = ErrorKind.IGNORED
    opts_out: bool = False


class About(StrEnum):
    """What keeps a message from being taken: itself, our speed, or our account."""

    MESSAGE = "message"
    RATE = "rate"
    ACCOUNT = "account"


class Deferred(msgspec.Struct, frozen=True, gc=False):
    """Not taken; try again after `after_s` seconds.

    About the RATE or the ACCOUNT, nothing of the connection goes out for that long, and it is no try of the message: other
    messages would fare the same. About the MESSAGE it is one, and `kind` is what it says of the recipient.
    """

    reason: str
    after_s: float
    code: str = ""
    about: About = About.MESSAGE
    kind: ErrorKind = ErrorKind.IGNORED


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """May have been taken; sent again only where the connection's policy says so, and then marked."""

    reason: str


SendOutcome = Accepted | Refused | Deferred | Unknown
