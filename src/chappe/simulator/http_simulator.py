"""The HTTP simulator: a server, the vendors behind it, and what can be asked of it while it runs."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

from chappe.messaging import ConfigError, FieldError

from .calendar import Calendar
from .http_control import control
from .http_hooks import HookCaller
from .http_profile import change, load, of_vendor
from .http_quirks import AT_START, HttpQuirks, config_error
from .http_server import Answer, Connection, Request, json_answer
from .http_tally import HttpRecord, HttpStats, HttpTally
from .vendors import VENDORS
from .vendors.message import Due, Reply
from .vendors.vendor import Vendor

VENDORS_PORT: Final = 2790
"""Where the HTTP simulator listens when it runs by itself and nobody says otherwise."""
CONTROL: Final = "simulator"
IDS_PER_SECOND: Final = 1 << 20


class HttpSimulator:
    """Scriptable HTTP providers within the running loop, each under /<its name>/. Port 0 takes a free one, which is in
    `port` then."""

    def __init__(self, quirks: HttpQuirks | str = "plain", *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.quirks = load(quirks) if isinstance(quirks, str) else change(quirks, {})
        self.host = host
        self.port = port
        self.tally = HttpTally(self.quirks, tuple(VENDORS))
        self.hooks = HookCaller(self.quirks, self.tally)
        self.calendar: Calendar[Vendor, Due] = Calendar(Vendor.hand_over)
        self.doors: set[Connection] = set()
        self._next_id = int(time.time()) * IDS_PER_SECOND
        self.vendors = {
            name: kind(self, of_vendor(self.quirks, name), self.quirks.seed) for name, kind in VENDORS.items()
        }
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Open the port."""
        context = _tls(self.quirks)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self.handle, self.doors), self.host, self.port, ssl=context, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self.hooks.start()
        for vendor in self.vendors.values():
            vendor.start()

    async def stop(self) -> None:
        """Close everything at once."""
        for vendor in self.vendors.values():
            vendor.stop()
        self.calendar.clear()
        await self.hooks.stop()
        if self._server is not None:
            self._server.close()
            for door in list(self.doors):
                door.close()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # What can be asked

    def url(self, vendor: str) -> str:
        """The base URL of a vendor, without a slash at its end."""
        scheme = "https" if self.quirks.tls_certificate else "http"
        return f"{scheme}://{self.host}:{self.port}/{vendor}"

    def stats(self) -> HttpStats:
        """Everything counted."""
        return self.tally.snapshot()

    def messages(self, destination: str = "", limit: int = 100) -> list[HttpRecord]:
        """The latest messages, to one recipient or to all."""
        return list(islice(self.tally.records(destination), limit))

    def change(self, values: Mapping[str, Any]) -> HttpQuirks:
        """Set knobs while running. Raises ConfigError; then nothing changes."""
        if fixed := sorted(AT_START.intersection(values)):
            raise ConfigError([FieldError(name, "is read when the simulator starts") for name in fixed])
        self.quirks = self.hooks.quirks = change(self.quirks, values)
        self.tally.follow(self.quirks)
        changed = values.get("vendors", {})
        for name, vendor in self.vendors.items():
            knobs = {**changed.get("*", {}), **changed.get(name, {})}
            vendor.follow(of_vendor(self.quirks, name))
            if "token_refusals" in knobs:
                vendor.token_refusals = vendor.quirks.token_refusals
            if "inbound" in knobs:
                vendor.stop()
                vendor.start()
        return self.quirks

    def send_text(self, vendor: str, sender: str, recipient: str, text: str, count: int = 1) -> int:
        """Texts from a phone now; how many. Raises ConfigError where they have nowhere to go."""
        one = self.vendors.get(vendor)
        if one is None:
            raise config_error("vendor", f"{vendor!r} is none of {', '.join(self.vendors)}")
        if not one.quirks.inbound_url:
            raise config_error("vendor", f"vendors.{vendor}.inbound_url is empty: there is nobody to send it to")
        for _ in range(count):
            one.later(0.0, Reply(sender, recipient, text))
        return count

    def public_keys(self) -> dict[str, dict[str, str]]:
        """The public keys of vendors that sign with private ones, by vendor."""
        return {name: keys for name, vendor in self.vendors.items() if (keys := vendor.public_key())}

    def reset(self) -> None:
        """Count from zero. Hooks that are planned stay, and count."""
        before = self.tally
        self.tally = self.hooks.tally = HttpTally(self.quirks, tuple(VENDORS))
        self.tally.carry(before.statuses.stats.held, before.texts.stats.held)

    # What connections and vendors need

    def handle(self, request: Request) -> Answer:
        """What a request is answered."""
        first, *path = request.segments
        if first == CONTROL:
            return control(self, request, path)
        vendor = self.vendors.get(first)
        if vendor is None:
            return json_answer(404, {"errors": {"path": f"begins with one of {', '.join(self.vendors)}, {CONTROL}"}})
        return vendor.handle(request, path)

    def take_id(self) -> int:
        """A number for a message id."""
        self._next_id += 1
        return self._next_id


def _tls(quirks: HttpQuirks) -> ssl.SSLContext | None:
    if not quirks.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(quirks.tls_certificate, quirks.tls_key)
    if quirks.client_ca:
        context.load_verify_locations(quirks.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
