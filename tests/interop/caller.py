"""A link of the engine without the rest of it: what comes is kept, deliveries are answered at once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from chappe.engine.net.egress import EgressPolicy
from chappe.engine.net.smpp_client import Endpoint, Link, connect
from chappe.providers.smpp import BindParameters
from chappe.smpp import BindKind, Delivery

WAIT_S = 20.0


def endpoint(
    port: int, kind: BindKind = BindKind.TRANSCEIVER, *, password: str = "s3cret", **values: object
) -> Endpoint:
    """An account at an SMSC of this machine."""
    fields: dict[str, object] = {
        "bind": BindParameters(kind, b"chappe", password.encode(), b"VMS", 0x34, 1, 1, b"^386"),
        "host": "127.0.0.1",
        "port": port,
        "window": 100,
        "response_s": 10.0,
        "bind_s": 10.0,
        "enquire_link_s": 60.0,
        "tls": "",
        "egress": EgressPolicy(hosts=("127.0.0.1",)),
    }
    return Endpoint(**{**fields, **values})  # type: ignore[arg-type]


class Caller:
    """The owner of one link."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.trace: list[tuple[bytes, bool]] = []
        """Octets as they passed; the flag says that they came from the SMSC."""
        self.results: dict[object, tuple[int, bytes]] = {}
        self.deliveries: list[Delivery] = []
        self.expired: list[object] = []
        self._changed = asyncio.Event()
        self.link = Link(endpoint, self, self._traced)

    def _traced(self, direction: str, data: bytes) -> None:
        self.trace.append((data, direction == "in"))
        self._changed.set()

    def link_bound(self, link: Link) -> None:
        self._changed.set()

    def link_results(self, link: Link, tokens: Sequence[object], statuses: Sequence[int], ids: Sequence[bytes]) -> None:
        self.results.update(zip(tokens, zip(statuses, ids, strict=True), strict=True))
        self._changed.set()

    def link_expired(self, link: Link, tokens: Sequence[object]) -> None:
        self.expired += tokens
        self._changed.set()

    def link_deliveries(self, link: Link, deliveries: Sequence[Delivery]) -> None:
        self.deliveries += deliveries
        link.answer([one.sequence_number for one in deliveries], [0] * len(deliveries))
        self._changed.set()

    def link_closed(self, link: Link, reason: str, unanswered: Sequence[object]) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something that this link brings about; TimeoutError when it does not."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def submit(self, bodies: Sequence[bytes]) -> list[tuple[int, bytes]]:
        """Send them and wait for the answers: (command_status, message_id), in the order of the bodies."""
        tokens = [object() for _ in bodies]
        self.link.submit(bodies, tokens)
        await self.until(lambda: all(token in self.results for token in tokens))
        return [self.results[token] for token in tokens]


@asynccontextmanager
async def bound(endpoint: Endpoint) -> AsyncIterator[Caller]:
    """A link that is bound, and unbound again at the end."""
    caller = Caller(endpoint)
    await connect(caller.link)
    await caller.until(lambda: caller.link.is_bound or caller.link.closed.done())
    assert caller.link.is_bound, await caller.link.closed
    try:
        yield caller
    finally:
        await caller.link.unbind()
