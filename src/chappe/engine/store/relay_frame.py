"""What crosses between an engine and its store process for mid-sourcing: see docs/explanation/mid-sourcing.md."""

from typing import Any

import msgspec

Row = tuple[Any, ...]


class PagesWanted(msgspec.Struct, array_like=True, tag="pages_wanted", gc=False):
    """On mid: lease an account for pushing, and read the pages that were not told yet."""

    number: int
    connection_id: int


class PagesTold(msgspec.Struct, array_like=True, tag="pages_told", gc=False):
    """On mid: pages up to `last` were taken; or none, and why."""

    number: int
    connection_id: int
    last: int
    error: str = ""


class PagesHeard(msgspec.Struct, array_like=True, tag="pages_heard", gc=False):
    """On marketing: pages that mid gave when it was asked; JSON of `messaging.Pages`. `is_again`: of before, to be compared."""

    number: int
    connection_id: int
    pages: bytes
    is_again: bool = False


class PagesFound(msgspec.Struct, array_like=True, tag="pages_found", gc=False):
    """Pages `first` to `first + len(told) - 1`, each as the table has it, to be told by a push of `push_number`. Empty: there
    is nothing to tell, or another engine tells it. `is_full`: there may be more."""

    number: int
    connection_id: int
    push_number: int = 0
    first: int = 0
    told: list[bytes] = []
    is_full: bool = False


class PagesDue(msgspec.Struct, array_like=True, tag="pages_due", gc=False):
    """On mid: there are pages of these accounts that were not there before."""

    connection_ids: list[int]


class PagesMissing(msgspec.Struct, array_like=True, tag="pages_missing", gc=False):
    """On marketing: mid told these accounts of pages whose predecessors did not come."""

    connection_ids: list[int]


class RelayAccounts(msgspec.Struct, array_like=True, tag="relay_accounts", gc=False):
    """On mid: rows of `relay_catalogue.RELAY_ACCOUNTS`."""

    accounts: list[Row]


class StepWanted(msgspec.Struct, array_like=True, tag="step_wanted", gc=False):
    """On marketing: how far an account is in step with mid, and what mid is to be told: of the quarantine and of deliveries
    what comes after a place, (0, 0) being where mid was told last."""

    number: int
    connection_id: int
    organisation_id: int
    after_ms: int = 0
    after_id: int = 0
    delivery_ms: int = 0
    delivery_id: int = 0


class StepFound(msgspec.Struct, array_like=True, tag="step_found", gc=False):
    """`quarantine`: rows of `relay_catalogue.QUARANTINE_TO_TELL`; `deliveries`: those of `DELIVERIES_TO_TELL`. Both reach a
    little further back than was told: see `relay_step.OVERLAP_MS`. `open_deliveries`: those whose figures are of interest."""

    number: int
    connection_id: int
    page: int
    clock_ms: int
    reread_ms: int
    quarantine_ms: int
    deliveries_ms: int
    mid_quarantine_ms: int
    pushed_ms: int
    mid_link_base: str | None
    quarantine: list[tuple[int, str, str, str, str, int]] = []
    deliveries: list[tuple[int, str, int]] = []
    open_deliveries: list[int] = []


class StepTaken(msgspec.Struct, array_like=True, tag="step_taken", gc=False):
    """On marketing: what mid was told, and said. `reread_ms` 0: no pages were read again. `entries`: mid's (address, short
    code, status, reason, changed ms by our clock); `figures`: rows of `relay_catalogue.SET_RELAY_FIGURES`. `heard_ms` 0: mid
    did not answer, and `error` says why. `mid_link_base`: see `messaging.relay.read_link_base`."""

    number: int
    connection_id: int
    organisation_id: int
    reread_ms: int
    quarantine_ms: int
    deliveries_ms: int
    mid_quarantine_ms: int
    told_push: str
    mid_version: str
    mid_link_base: str | None
    error: str
    heard_ms: int
    page: int = -1
    """Where pages begin anew; -1: they go on."""
    entries: list[tuple[str, str, str, str, int]] = []
    figures: list[Row] = []
