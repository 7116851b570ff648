"""What a provider's `command_status` means for the message that got it (SMPP 3.4, section 5.1.3)."""

from collections.abc import Mapping

import msgspec

from chappe.messaging import Deferred, ErrorKind, Refused

OK = 0


class SmppStatus(msgspec.Struct, frozen=True):
    """A status: `words` for people, `kind` for the number; `slows_down` asks to send less for a while."""

    value: int
    name: str
    words: str
    kind: ErrorKind
    is_retried: bool
    slows_down: bool = False

    @property
    def code(self) -> str:
        return f"0x{self.value:08X}"


def _never(value: int, name: str, words: str, kind: ErrorKind = ErrorKind.IGNORED) -> SmppStatus:
    return SmppStatus(value, name, words, kind, is_retried=False)


def _later(value: int, name: str, words: str, kind: ErrorKind = ErrorKind.IGNORED) -> SmppStatus:
    return SmppStatus(value, name, words, kind, is_retried=True)


def _full(value: int, name: str, words: str) -> SmppStatus:
    return SmppStatus(value, name, words, ErrorKind.SOFT, is_retried=True, slows_down=True)


_HARD = ErrorKind.HARD
_SOFT = ErrorKind.SOFT

STATUSES: Mapping[int, SmppStatus] = {
    status.value: status
    for status in (
        _never(0x01, "ESME_RINVMSGLEN", "the message is too long or too short for the provider"),
        _never(0x02, "ESME_RINVCMDLEN", "the provider could not read the request: wrong length"),
        _never(0x03, "ESME_RINVCMDID", "the provider does not know this kind of request"),
        _later(0x04, "ESME_RINVBNDSTS", "the connection may not send: it is bound as a receiver, or not bound"),
        _later(0x05, "ESME_RALYBND", "the connection is bound already"),
        _never(0x06, "ESME_RINVPRTFLG", "the provider refuses the priority"),
        _never(0x07, "ESME_RINVREGDLVFLG", "the provider refuses the request for a receipt"),
        _later(0x08, "ESME_RSYSERR", "the provider has an internal error", _SOFT),
        _never(0x0A, "ESME_RINVSRCADR", "the provider refuses the sender"),
        _never(0x0B, "ESME_RINVDSTADR", "the number is not valid", _HARD),
        _never(0x0C, "ESME_RINVMSGID", "the provider does not know the message id"),
        _later(0x0D, "ESME_RBINDFAIL", "the provider refuses the log-in"),
        _later(0x0E, "ESME_RINVPASWD", "the provider refuses the password"),
        _later(0x0F, "ESME_RINVSYSID", "the provider does not know the account"),
        _later(0x11, "ESME_RCANCELFAIL", "the message could not be cancelled"),
        _later(0x13, "ESME_RREPLACEFAIL", "the message could not be replaced"),
        _full(0x14, "ESME_RMSGQFUL", "the provider's queue is full"),
        _never(0x15, "ESME_RINVSERTYP", "the provider refuses the service type"),
        _never(0x33, "ESME_RINVNUMDESTS", "the provider refuses the number of recipients"),
        _never(0x34, "ESME_RINVDLNAME", "the provider does not know the distribution list"),
        _never(0x40, "ESME_RINVDESTFLAG", "the provider refuses the kind of recipient"),
        _never(0x42, "ESME_RINVSUBREP", "the provider refuses to replace a message"),
        _never(0x43, "ESME_RINVESMCLASS", "the provider refuses this form of message (esm_class)"),
        _never(0x44, "ESME_RCNTSUBDL", "the provider refuses the distribution list"),
        _later(0x45, "ESME_RSUBMITFAIL", "the provider could not take the message", _SOFT),
        _never(0x48, "ESME_RINVSRCTON", "the provider refuses the sender's TON"),
        _never(0x49, "ESME_RINVSRCNPI", "the provider refuses the sender's NPI"),
        # TON and NPI are the connection's settings: when they are wrong, every number gets this answer.
        _never(0x50, "ESME_RINVDSTTON", "the provider refuses the recipient's TON"),
        _never(0x51, "ESME_RINVDSTNPI", "the provider refuses the recipient's NPI"),
        _never(0x53, "ESME_RINVSYSTYP", "the provider refuses the system type"),
        _never(0x54, "ESME_RINVREPFLAG", "the provider refuses the replace flag"),
        _never(0x55, "ESME_RINVNUMMSGS", "the provider refuses the number of messages"),
        _full(0x58, "ESME_RTHROTTLED", "messages come faster than the provider allows"),
        _never(0x61, "ESME_RINVSCHED", "the provider refuses the time of sending"),
        _never(0x62, "ESME_RINVEXPIRY", "the provider refuses the end of validity"),
        _never(0x63, "ESME_RINVDFTMSGID", "the provider does not have this prepared message"),
        _later(0x64, "ESME_RX_T_APPN", "the provider has a passing error", _SOFT),
        _never(0x65, "ESME_RX_P_APPN", "the provider has a lasting error", _SOFT),
        _never(0x66, "ESME_RX_R_APPN", "the provider refuses the message", _SOFT),
        _later(0x67, "ESME_RQUERYFAIL", "the message could not be looked up"),
        _never(0xC0, "ESME_RINVOPTPARSTREAM", "the provider could not read the optional parameters"),
        _never(0xC1, "ESME_ROPTPARNOTALLWD", "the provider refuses an optional parameter"),
        _never(0xC2, "ESME_RINVPARLEN", "the provider refuses the length of a parameter"),
        _never(0xC3, "ESME_RMISSINGOPTPARAM", "the provider misses an optional parameter"),
        _never(0xC4, "ESME_RINVOPTPARAMVAL", "the provider refuses the value of an optional parameter"),
        _later(0xFE, "ESME_RDELIVERYFAILURE", "the provider could not deliver the message", _SOFT),
        _later(0xFF, "ESME_RUNKNOWNERR", "the provider has an error it does not name", _SOFT),
    )
}

STATUSES_BY_NAME: Mapping[str, SmppStatus] = {status.name: status for status in STATUSES.values()}


def status_of(value: int, default_kind: ErrorKind = ErrorKind.SOFT) -> SmppStatus:
    """What is known of a status; one that is not of the standard has the kind given, and is retried unless hard."""
    known = STATUSES.get(value)
    if known is not None:
        return known
    code = f"0x{value:08X}"
    return SmppStatus(value, code, f"the provider's own error {code}", default_kind, default_kind is not ErrorKind.HARD)


def outcome_of(value: int, *, after_s: float = 60.0, default_kind: ErrorKind = ErrorKind.SOFT) -> Refused | Deferred:
    """The outcome of a submit answered with this status, which is not 0."""
    status = status_of(value, default_kind)
    if status.is_retried:
        return Deferred(status.words, after_s, status.code)
    return Refused(status.words, status.code)
