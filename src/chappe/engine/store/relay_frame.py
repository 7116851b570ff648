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


RelayRequest = PagesWanted | PagesTold | PagesHeard
RelayAnswer = PagesFound | PagesDue | PagesMissing | RelayAccounts
