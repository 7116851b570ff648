"""On mid: pushes pages to the other Chappes that hand messages over, one push at a time for each account.

What is not taken is tried again, longer apart each time; the other side asks by itself meanwhile, so nothing hangs on it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from chappe.engine.net.egress import Bound, EgressPolicy
from chappe.engine.net.http_client import HttpClient, NoAnswer, NotSent
from chappe.engine.store.frame import Request
from chappe.engine.store.relay_frame import PagesDue, PagesFound, PagesTold, PagesWanted, RelayAccounts
from chappe.engine.store.statement import Row
from chappe.engine.vault import Sealed, Vault, relay_place
from chappe.messaging import StoreError
from chappe.providers.http import HttpRequest, HttpResponse, detail_of
from chappe.providers.relay import packed
from chappe.providers.standard_webhook import secret_key, signatures

log = structlog.get_logger("chappe.relay")

GATHER_S = 0.1
"""What happens within it goes in one push."""
CONNECT_S, ANSWER_S, STOP_S = 5.0, 30.0, 5.0
REST_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class StoreEnd(Protocol):
    @property
    def is_behind(self) -> bool: ...
    def number(self) -> int: ...
    def send(self, request: Request) -> None: ...


@dataclass(frozen=True)
class Ear:
    """Where an account is told, and what that is signed with."""

    connection_id: int
    url: str
    key: bytes = field(repr=False)
    egress: EgressPolicy
    version: int

    @classmethod
    def of(cls, row: Row, vault: Vault, bounds: tuple[Bound, ...]) -> "Ear":
        """Raises Sealed, ValueError or KeyError where the secret cannot be used, or the networks cannot be read."""
        connection_id, organisation_id, url, secrets, networks, version = row
        held = vault.decrypt(bytes(secrets), relay_place(organisation_id, connection_id))
        return cls(connection_id, url, secret_key(held["current"]), EgressPolicy.of(networks, bounds), version)

    def request(self, found: PagesFound, now_s: float) -> HttpRequest:
        body = packed(_pages(found, int(now_s * 1000)))
        name, timestamp = f"push_{found.push_number}", int(now_s)
        headers = (
            ("Content-Type", "application/gzip"),
            ("webhook-id", name),
            ("webhook-timestamp", str(timestamp)),
            ("webhook-signature", signatures([self.key], name, timestamp, body)),
        )
        return HttpRequest("POST", self.url, headers, body)


def _pages(found: PagesFound, now_ms: int) -> bytes:
    """As `messaging.Pages` reads it; each page stays as it was written."""
    last = found.first + len(found.told) - 1
    head = f'{{"first":{found.first},"last":{last},"now_ms":{now_ms},"told":['.encode()
    return head + b",".join(found.told) + b"]}"


class Line:
    """What is to be told to one account."""

    def __init__(self, ear: Ear) -> None:
        self.ear = ear
        self.client = HttpClient(ear.egress, connections=1, connect_s=CONNECT_S)
        self.may_have_more = True
        self.is_busy = False
        self.failures = 0
        self.rests_until_s = 0.0


class Teller:
    """One per engine. `heard` is given what the store process answers; `poll` is called every second."""

    def __init__(
        self,
        store: StoreEnd,
        vault: Vault,
        clock: Callable[[], float] = time.time,
        bounds: Callable[[int], tuple[Bound, ...]] = lambda organisation_id: (),
    ) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._bounds = bounds
        self._lines: dict[int, Line] = {}
        self._unusable: dict[int, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    # -- what the store process answers ------------------------------------------------------------------------------

    def heard(self, answer: RelayAccounts | PagesDue | PagesFound) -> None:
        match answer:
            case RelayAccounts():
                self.configure(answer)
            case PagesDue(connection_ids):
                self.due(connection_ids)
            case PagesFound():
                self.take(answer)

    def configure(self, accounts: RelayAccounts) -> None:
        """Have a line for each account that wants to be called."""
        present = set()
        for row in accounts.accounts:
            connection_id, organisation_id, url, _, _, version = row
            if not url:
                continue
            line, bounds = self._lines.get(connection_id), self._bounds(organisation_id)
            is_same = line is not None and (line.ear.version, line.ear.egress.bounds) == (version, bounds)
            if is_same or self._unusable.get(connection_id) == version:
                present.add(connection_id)
                continue
            try:
                ear = Ear.of(row, self._vault, bounds)
            except (Sealed, ValueError, KeyError) as error:
                self._unusable[connection_id] = version
                log.error("relay.unusable", connection=connection_id, reason=str(error))
                continue
            present.add(connection_id)
            self._leave(connection_id)
            self._lines[connection_id] = Line(ear)
        for connection_id in self._lines.keys() - present:
            self._leave(connection_id)
        self._plan(0.0)

    def due(self, connection_ids: Sequence[int]) -> None:
        """There are pages that were not there before."""
        for connection_id in connection_ids:
            if connection_id in self._lines:
                self._lines[connection_id].may_have_more = True
        self._plan(GATHER_S)

    def poll(self) -> None:
        """What time brings: ends of rests, and what other engines left."""
        for line in self._lines.values():
            line.may_have_more = True
        self._plan(0.0)

    def take(self, found: PagesFound) -> None:
        """Pages to tell; none where another engine tells them, or there are none."""
        line = self._lines.get(found.connection_id)
        if line is None:
            return
        if not found.told or self._is_stopping:
            line.is_busy = False
            return
        line.may_have_more = line.may_have_more or found.is_full
        task = asyncio.create_task(self._tell(line, found))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    # -- pushes ------------------------------------------------------------------------------------------------------

    def _plan(self, wait_s: float) -> None:
        if self._timer is None and not self._is_stopping and self._lines:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._ask)

    def _ask(self) -> None:
        self._timer = None
        if self._store.is_behind:
            return
        now_s = time.monotonic()
        for connection_id, line in self._lines.items():
            if line.may_have_more and not line.is_busy and now_s >= line.rests_until_s:
                line.is_busy, line.may_have_more = True, False
                self._store.send(PagesWanted(self._store.number(), connection_id))

    async def _tell(self, line: Line, found: PagesFound) -> None:
        error = ""
        try:
            request = await asyncio.to_thread(line.ear.request, found, self._clock())
            response = await line.client.exchange(request, timeout_s=ANSWER_S)
            error = "" if response.is_success else _words(response)
        except (NotSent, NoAnswer) as trouble:
            error = trouble.reason
        except Exception as trouble:
            log.exception("relay.error", connection=line.ear.connection_id)
            error = f"it could not be called: {type(trouble).__name__}"
        finally:
            line.is_busy = False
        self._told(line, found, error)

    def _told(self, line: Line, found: PagesFound, error: str) -> None:
        if error:
            line.rests_until_s = time.monotonic() + REST_S[min(line.failures, len(REST_S) - 1)]
            line.failures += 1
            line.may_have_more = True
            log.warning("relay.not_told", connection=line.ear.connection_id, reason=error)
        else:
            line.failures = 0
        last = found.first + len(found.told) - 1
        try:
            self._store.send(PagesTold(self._store.number(), line.ear.connection_id, last, error))
        except StoreError:
            log.info("relay.unrecorded")  # the store process is gone, and the engine with it: it is told again
        if line.may_have_more:
            self._plan(0.0 if found.is_full else GATHER_S)

    def _leave(self, connection_id: int) -> None:
        line = self._lines.pop(connection_id, None)
        if line is not None:
            task = asyncio.create_task(line.client.close())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def stop(self) -> None:
        """Begin nothing more; what is under way has a little time."""
        self._is_stopping = True
        if self._timer is not None:
            self._timer.cancel()
        if self._under_way:
            _, late = await asyncio.wait(set(self._under_way), timeout=STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for line in self._lines.values():
            await line.client.close()


def _words(response: HttpResponse) -> str:
    detail = detail_of(response)
    return f"it answered {response.status}" + (f": {detail}" if detail else "")
