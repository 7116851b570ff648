"""How often an address may come with what proves nothing: keys, tokens and signatures that are none."""

import ipaddress
import time
from collections.abc import Callable

MOST_FAILURES = 20
"""From one address at once; then one more every `FAILURE_MS`."""
FAILURE_MS = 1_000
MOST_ADDRESSES = 10_000

Client = tuple[str, int] | None
"""Address and port, as ASGI has them; None where there are none, as for a socket in the file system."""


class Failures:
    """What came from each address, as the instant up to which it counts."""

    def __init__(self, now_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000) -> None:
        self._now_ms = now_ms
        self._until: dict[str, int] = {}

    def add(self, address: str) -> int:
        """Count one more and return 0; or, where there were too many, the ms until there may be one again."""
        now_ms = self._now_ms()
        # Those that came last are at the end, so that the others are forgotten first.
        until_ms = max(self._until.pop(address, 0), now_ms) + FAILURE_MS
        wait_ms = max(0, until_ms - now_ms - MOST_FAILURES * FAILURE_MS)
        if len(self._until) >= MOST_ADDRESSES:
            del self._until[next(iter(self._until))]
        self._until[address] = until_ms - FAILURE_MS if wait_ms else until_ms
        return wait_ms

    def take_back(self, address: str) -> None:
        """It was none after all."""
        until_ms = self._until.pop(address, 0) - FAILURE_MS
        if until_ms > self._now_ms():
            self._until[address] = until_ms

    def __len__(self) -> int:
        return len(self._until)


def address_of(client: Client) -> str:
    """Of an IPv6 address the network, for one machine may have as many addresses of it as it likes."""
    host = client[0] if client else ""
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    mapped = address.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.IPv6Address(int(address) >> 64 << 64))
