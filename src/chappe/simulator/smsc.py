"""The simulator: a server, its links, its accounts, and what can be asked of it while it runs."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Self

from chappe.messaging import ConfigError, FieldError
from chappe.smpp import BindKind, CommandStatus
from chappe.smpp.event import BindRequested

from .account import Account, Item, Parcel, unwrap
from .calendar import Calendar
from .http import HttpDoor
from .inbound import Script
from .intake import Intake
from .link import Link
from .profile import load
from .quirks import AT_START, Garbage, Inbound, Quirks, change, command_status
from .stats import LinkStats, Stats
from .tally import MOST_LISTED, Record, Tally

TICK_S = 0.1
MOST_CLOSED = 100
"""Closed links whose counts are still shown."""
IDS_PER_SECOND = 1 << 20


SMPP_PORT, HTTP_PORT = 2775, 2780
"""Where the simulator listens when it runs by itself and nobody says otherwise."""


class Simulator:
    """A scriptable SMSC within the running loop. Port 0 takes a free one, which is in `port` and `http_port` then."""

    def __init__(
        self, quirks: Quirks | str = "plain", *, host: str = "127.0.0.1", port: int = 0, http_port: int = 0
    ) -> None:
        self.quirks = load(quirks) if isinstance(quirks, str) else quirks
        self.host = host
        self.port = port
        self.http_port = http_port
        self.started = self.now()
        self.throttled_until = 0.0
        self.tally = Tally(self.quirks)
        self.calendar: Calendar[Account, Item] = Calendar(Account.put)
        self.links: list[Link] = []
        self.accounts: dict[str, Account] = {}
        self.intake = Intake(self, self.quirks)
        self.script = Script(self, self.quirks)
        self._unclaimed = Account("")  # texts for whoever binds first
        self._closed: deque[LinkStats] = deque(maxlen=MOST_CLOSED)
        self._next_id = self.quirks.id_start or int(time.time()) * IDS_PER_SECOND
        self._binds_to_refuse = self.quirks.bind_refusals
        self._drops = 0
        self._next_drop = 0.0
        self.doors: set[HttpDoor] = set()
        self._servers: list[asyncio.Server] = []
        self._ticker: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Open both ports."""
        loop = asyncio.get_running_loop()
        self.started = self.now()
        door = await loop.create_server(lambda: HttpDoor(self), self.host, self.http_port)
        self._servers.append(door)
        context = _tls(self.quirks)
        server = await loop.create_server(self._link, self.host, self.port, ssl=context, backlog=1024)
        self._servers.append(server)
        self.port = server.sockets[0].getsockname()[1]
        self.http_port = door.sockets[0].getsockname()[1]
        self._next_drop = self.now() + self.quirks.drop_every_s
        self.script.start()
        self._ticker = loop.call_later(TICK_S, self._tick)

    async def stop(self) -> None:
        """Close everything at once."""
        self.script.stop()
        self.calendar.clear()
        if self._ticker is not None:
            self._ticker.cancel()
        for server in self._servers:
            server.close()
        for link in list(self.links):
            link.drop(at_once=True)
        for door in list(self.doors):
            door.close()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # What can be asked

    def stats(self) -> Stats:
        """Everything counted."""
        return Stats.of(self.tally, [*self._closed, *map(LinkStats.of, self.links)], self.held)

    @property
    def held(self) -> int:
        """Receipts and texts that are not due yet, or wait for a link with room."""
        accounts = [*self.accounts.values(), self._unclaimed]
        return self.calendar.waiting + sum(len(account.waiting) for account in accounts)

    def change(self, values: dict[str, Any]) -> Quirks:
        """Set knobs while running. Raises ConfigError; then nothing changes."""
        if fixed := sorted(AT_START.intersection(values)):
            raise ConfigError([FieldError(name, "is read when the simulator starts") for name in fixed])
        self.quirks = change(self.quirks, values)
        self.intake = Intake(self, self.quirks)
        self.tally.follow(self.quirks)
        if "inbound" in values:
            self.script.stop()
            self.script = Script(self, self.quirks)
            self.script.start()
        if "bind_refusals" in values:
            self._binds_to_refuse = self.quirks.bind_refusals
        if "most_drops" in values:
            self._drops = 0
        self._next_drop = self.now() + self.quirks.drop_every_s
        return self.quirks

    def chosen(self, link: int | None = None, system_id: str | None = None) -> list[Link]:
        """The open links with this number or system_id; all of them without either."""
        return [
            one
            for one in self.links
            if (link is None or one.number == link)
            and (system_id is None or (one.account is not None and one.account.system_id == system_id))
        ]

    def drop(self, link: int | None = None, system_id: str | None = None) -> int:
        """Cut links without a word; how many."""
        links = self.chosen(link, system_id)
        for one in links:
            one.drop(at_once=True)
        return len(links)

    def unbind(self, link: int | None = None, system_id: str | None = None) -> int:
        """Unbind links; how many."""
        links = self.chosen(link, system_id)
        for one in links:
            one.unbind()
        return len(links)

    def silence(self, link: int | None = None, system_id: str | None = None) -> int:
        """Let links die without closing them; how many."""
        links = self.chosen(link, system_id)
        for one in links:
            one.is_silent = True
        return len(links)

    def send_garbage(self, kind: Garbage, link: int | None = None, system_id: str | None = None) -> int:
        """Send nonsense; on how many links."""
        links = self.chosen(link, system_id)
        for one in links:
            one.send_garbage(kind)
        return len(links)

    def throttle(self, seconds: float) -> None:
        """Answer everything ESME_RTHROTTLED for so long."""
        self.throttled_until = self.now() + seconds

    def send_text(self, rule: Inbound) -> int:
        """Texts from phones now; how many deliver_sm they make."""
        return self.script.send(rule)

    def messages(self, destination: str = "", limit: int = 100) -> list[Record]:
        """The latest messages, to one number or to all."""
        return list(islice(self.tally.records(destination), limit))

    def missing(self, first: int, last: int) -> tuple[int, list[int]]:
        """How many of these identities were not seen, and the first of them."""
        return self.tally.missing(first, last, MOST_LISTED)

    def duplicates(self) -> list[str]:
        """The latest identities seen again; nothing that means anything where `identity` is not set."""
        return [one.decode("latin-1") if isinstance(one, bytes) else str(one) for one in self.tally.twice]

    def reset(self) -> None:
        """Count from zero. Links and what they wait for stay."""
        self.tally = Tally(self.quirks)
        self._closed.clear()

    # What links and the intake need

    @staticmethod
    def now() -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def take_ids(self, count: int) -> range:
        """Numbers for message ids."""
        first = self._next_id
        self._next_id += count
        return range(first, first + count)

    @property
    def may_drop(self) -> bool:
        """Whether another link may be dropped by a knob."""
        return not self.quirks.most_drops or self._drops < self.quirks.most_drops

    def count_drop(self) -> None:
        """A knob dropped a link."""
        self._drops += 1

    def opened(self, link: Link) -> None:
        self.links.append(link)
        self.tally.links_opened += 1

    def judge(self, request: BindRequested) -> int:
        """The command_status for a bind, 0 to let it in."""
        status = self._judge(request)
        if status:
            self.tally.binds_refused[status] += 1
        return status

    def _judge(self, request: BindRequested) -> int:
        quirks = self.quirks
        if self._binds_to_refuse:
            self._binds_to_refuse -= 1
            return command_status(quirks.bind_refusal_status)
        system_id = request.system_id.decode("latin-1")
        if quirks.accounts:
            if system_id not in quirks.accounts:
                return CommandStatus.ESME_RINVSYSID
            if quirks.accounts[system_id] != request.password.decode("latin-1"):
                return CommandStatus.ESME_RINVPASWD
        if quirks.most_links and len(self.chosen(system_id=system_id)) >= quirks.most_links:
            return CommandStatus.ESME_RALYBND
        return 0

    def bound(self, link: Link, system_id: str) -> None:
        """A link belongs to an account now, and gets what waited for it."""
        self.tally.binds_accepted += 1
        account = link.account = self._account(system_id)
        account.links.append(link)
        if link.kind is BindKind.TRANSMITTER:
            return
        account.receivers.append(link)
        account.waiting.extend(self._unclaimed.waiting)
        self._unclaimed.waiting.clear()
        account.pump()

    def closed(self, link: Link, items: Sequence[Item]) -> None:
        """A link is gone, and leaves what was not answered."""
        self.links.remove(link)
        self._closed.append(LinkStats.of(link))
        account = link.account
        if account is None:
            return
        account.links.remove(link)
        if link in account.receivers:
            account.receivers.remove(link)
        if items:
            self.tally.deliveries_sent_again += len(items)
            account.put_back([_again(item, 0) for item in reversed(items)])

    def account_for_text(self, system_id: str) -> Account:
        """Whose a text is: who is named, else the first that receives, else whoever will."""
        if system_id:
            return self._account(system_id)
        return next((account for account in self.accounts.values() if account.receivers), self._unclaimed)

    def sent(self, items: Sequence[Item]) -> None:
        """deliver_sm went out."""
        texts = sum(type(item) is Parcel and item.is_text for item in items)
        self.tally.texts_sent += texts
        self.tally.receipts_sent += len(items) - texts

    def answered(self, link: Link, items: Sequence[Item], statuses: Sequence[int]) -> None:
        """deliver_sm_resp came in."""
        account = link.account
        assert account is not None
        if any(statuses):
            refused = [item for item, status in zip(items, statuses, strict=True) if status]
            self.tally.deliveries_refused.update(filter(None, statuses))
            self._send_again(account, refused)
            items = [item for item, status in zip(items, statuses, strict=True) if not status]
        texts = sum(type(item) is Parcel and item.is_text for item in items)
        self.tally.texts_acknowledged += texts
        self.tally.receipts_acknowledged += len(items) - texts
        if account.waiting:
            account.pump()

    def expired(self, link: Link, items: Sequence[Item]) -> None:
        """No deliver_sm_resp came in time."""
        assert link.account is not None
        self.tally.deliveries_unanswered += len(items)
        self._send_again(link.account, items)

    # Within

    def _send_again(self, account: Account, items: Sequence[Item]) -> None:
        parcels = [_again(item, 1) for item in items]
        again: list[Item] = [one for one in parcels if one.tries < self.quirks.redelivery_tries]
        self.tally.deliveries_given_up += len(parcels) - len(again)
        self.tally.deliveries_sent_again += len(again)
        if again:
            self.calendar.add(self.now() + self.quirks.redelivery_pause_ms / 1000, account, again)

    def _account(self, system_id: str) -> Account:
        account = self.accounts.get(system_id)
        if account is None:
            account = self.accounts[system_id] = Account(system_id)
        return account

    def _link(self) -> Link:
        return Link(self, self.tally.links_opened + 1)

    def _tick(self) -> None:
        now = self.now()
        for link in list(self.links):
            link.tick(now)
        if self.quirks.drop_every_s and now >= self._next_drop:
            self._next_drop = now + self.quirks.drop_every_s
            for link in list(self.links):
                if self.may_drop:
                    self.count_drop()
                    link.drop(at_once=True)
        self._ticker = asyncio.get_running_loop().call_later(TICK_S, self._tick)


def _again(item: Item, tries: int) -> Parcel:
    """The same deliver_sm after so many more tries."""
    if isinstance(item, Parcel):
        return item._replace(tries=item.tries + tries)
    return Parcel(unwrap(item), False, tries)


def _tls(quirks: Quirks) -> ssl.SSLContext | None:
    if not quirks.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(quirks.tls_certificate, quirks.tls_key)
    return context
