"""The four outcomes of a send."""

import msgspec


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The provider took it; one id a segment, "" where it gave none."""

    ids: tuple[str, ...]


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Never again as it is. `reason` is shown to people, `code` is the provider's own."""

    reason: str
    code: str = ""


class Deferred(msgspec.Struct, frozen=True, gc=False):
    """Not taken; try again after `after_s` seconds."""

    reason: str
    after_s: float
    code: str = ""


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """May have been taken; sent again only where the connection's policy says so, and then marked."""

    reason: str


SendOutcome = Accepted | Refused | Deferred | Unknown
