"""What crosses between an engine's main process and its store process about callbacks: see `frame`."""

from typing import Any

import msgspec

Row = tuple[Any, ...]


class CallbackWork(msgspec.Struct, array_like=True, tag="callback_work", gc=False):
    """What came of calls, and whose calls there is room for.

    `wants`: (endpoint id, most). `done`: ids of events that were taken. `tried`: (due ms, dead ms, attempts, status, error,
    event id, lease token) of those that failed. `back`: (due ms, event id, lease token) of those that were not made. `gone`:
    (endpoint id, version) of those that want no more.
    """

    number: int
    wants: list[tuple[int, int]] = []
    done: list[int] = []
    tried: list[tuple[int, int, int, int, str, int, int]] = []
    back: list[tuple[int, int, int]] = []
    gone: list[tuple[int, int]] = []


class CallbackCall(msgspec.Struct, array_like=True, gc=False):
    """A call to be made, ours until `until_ms`; `attempts` were made before."""

    id: int
    token: int
    webhook_id: str
    body: bytes
    attempts: int
    give_up_ms: int
    until_ms: int


class CallbackCalls(msgspec.Struct, array_like=True, tag="callback_calls", gc=False):
    """For each endpoint that was asked for: its id, its calls, and whether more are due."""

    number: int
    calls: list[tuple[int, list[CallbackCall], bool]]


class CallbackEndpoints(msgspec.Struct, array_like=True, tag="callback_endpoints", gc=False):
    """The endpoints there are: rows of `callback_catalogue.CALLBACK_ENDPOINTS`."""

    endpoints: list[Row]


class CallbacksDue(msgspec.Struct, array_like=True, tag="callbacks_due", gc=False):
    """These endpoints have calls that were not there before."""

    endpoint_ids: list[int]
