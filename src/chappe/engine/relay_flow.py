"""On marketing: a connection to mid. It sends as every HTTP connection does, and keeps the account in step beside that.

One engine at a time does this: the one that holds the connection's slot. What is asked of mid, and told to it, can be asked and
told again; how far that went stands in `relay_link`.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import structlog

from chappe.engine.http_flow import HttpFlow, open_sender
from chappe.engine.net.http_client import NoAnswer, NotSent
from chappe.engine.net.http_sender import HttpSender, NoToken
from chappe.engine.relay_step import MOST_CHANGED, MOST_TOLD
from chappe.engine.store.relay_frame import PagesHeard, StepFound, StepTaken, StepWanted
from chappe.messaging import ChappeError, ConfigError, DeliveryState, UnreadableBody
from chappe.messaging.relay import read_link_base, read_pages
from chappe.providers.http import HttpRequest, HttpResponse, detail_of, read_json, said
from chappe.providers.relay import MOST_PAGES_OCTETS, account_address, unpacked

log = structlog.get_logger("chappe.relay")

TELL_S = 0.4
"""Between two looks at what mid is to be told: so a STOP here waits no longer for that."""
ASK_S = 1.5
"""Between two questions to mid, which pushes what is new by itself where it can."""
PUSHED_S, PUSHED_ASK_S = 5.0, 15.0
"""Where mid pushed a moment ago it is asked for pages less often: they are on their way already."""
FIGURES_S = 5.0
SIGN_IN_S = 60.0
"""How often mid is signed in to again: so what it says of itself then is known when it changes."""
HEARD_MS = 5_000
"""How often it is noted that mid answers."""
REST_S = (1.0, 2.0, 5.0, 10.0, 30.0)
REREAD_MS = 3_600_000
"""How often the pages of a day are read again."""
DAY_MS = 86_400_000
OVERLAP_MS = 30_000
"""How far back mid is asked again for changes: a transaction may commit later than its clock says."""
MOST_STRETCHES = 10
"""Of changes, that are asked for in a row."""
MOST_ASKED = 200
"""Questions for pages in a row."""
LAST_PAGE = "chappe-last-page"
_STATES = {state.name.lower(): state.value for state in DeliveryState}
_ACTIONS = {"paused": "pause", "cancelled": "cancel"}


class MidRefused(ChappeError):
    """Mid answered with something else than what was asked for; the words say what."""


class RelayFlow(HttpFlow):
    """`hold` begins and ends the keeping in step with the slots."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._keeping: asyncio.Task[None] | None = None
        self._keeper: Keeper | None = None

    def hold(self, numbers: Sequence[int]) -> None:
        super().hold(numbers)
        if self.slots and self._keeping is None:
            self._keeper = Keeper(self)
            self._keeping = asyncio.create_task(self._keeper.run())
        elif not self.slots:
            self._let_go()

    def ask_again(self) -> None:
        """Mid told of something whose beginning did not come."""
        if self._keeper is not None:
            self._keeper.wake()

    def step(self, found: StepFound) -> None:
        if self._keeper is not None:
            self._keeper.found(found)

    def _let_go(self) -> asyncio.Task[None] | None:
        """The task that ends now; None where there was none."""
        ending = self._keeping
        if ending is not None:
            ending.cancel()
            self._keeping = self._keeper = None
        return ending

    async def stop(self) -> None:
        ending = self._let_go()
        if ending is not None:
            await asyncio.wait([ending])  # it closes what it has open
        await super().stop()

    def open_sender(self) -> HttpSender:
        """For questions, which do not wait behind messages."""
        return open_sender(self._adapter, self._account, self.connection.bounds)

    @property
    def account(self) -> Any:
        return self._account

    def tell_store(self, make: Callable[[int], Any]) -> bool:
        """Send a request to the store process; False while that is behind."""
        if self._client.is_behind:
            return False
        self._client.send(make(self._client.number()))
        return True


class Keeper:
    """Asks and tells, again and again, resting longer each time mid does not answer."""

    def __init__(self, flow: RelayFlow) -> None:
        self._flow = flow
        self._account: Any = None
        self._sender: HttpSender | None = None
        self._found: asyncio.Future[StepFound] | None = None
        self._awake = asyncio.Event()
        self._asked_s = self._figures_s = self._pages_s = -PUSHED_ASK_S
        self._signed_in_s = 0.0
        self._heard_ms = 0
        self._told_push: str | None = None
        self._told: dict[tuple[Any, ...], int] = {}
        self._place = self._delivery_place = (0, 0)
        self._quarantine_ms = 0
        """Where mid's quarantine goes on, of which one round does not ask for all; 0: some time before what is heeded."""
        self._figures: dict[int, Mapping[str, int]] = {}
        self._version = ""
        self._failures = 0

    def wake(self) -> None:
        self._asked_s = self._pages_s = -PUSHED_ASK_S
        self._awake.set()

    def found(self, found: StepFound) -> None:
        if self._found is not None and not self._found.done():
            self._found.set_result(found)

    async def run(self) -> None:
        try:
            while True:
                wait_s = TELL_S
                step = await self._step()
                if step is not None:
                    wait_s = await self._keep(step)
                self._awake.clear()
                try:
                    await asyncio.wait_for(self._awake.wait(), wait_s)
                except TimeoutError:
                    continue
        finally:
            if self._sender is not None:
                await self._sender.close()

    async def _step(self) -> StepFound | None:
        """How far we are; None while the database does not say."""
        connection = self._flow.connection
        self._found = asyncio.get_running_loop().create_future()
        place = (connection.id, connection.organisation_id, *self._place, *self._delivery_place)
        if not self._flow.tell_store(lambda number: StepWanted(number, *place)):
            return None
        try:
            return await asyncio.wait_for(self._found, 30.0)
        except TimeoutError:
            return None

    async def _keep(self, step: StepFound) -> float:
        """One round; how long to wait for the next."""
        taken = self._as_it_was(step)
        try:
            await self._talk(step, taken)
        except (NotSent, NoAnswer, NoToken) as error:
            taken.error = error.reason
        except (MidRefused, ConfigError, UnreadableBody) as error:
            taken.error = str(error)
        except Exception as error:
            log.exception("relay.failed", connection=step.connection_id)
            taken.error = f"an error of our own: {type(error).__name__}"
        if taken.error:
            self._told_push = None
            log.warning("relay.out_of_step", connection=step.connection_id, reason=taken.error)
        if self._is_news(step, taken) and not self._flow.tell_store(
            lambda number: msgspec.structs.replace(taken, number=number)
        ):
            self._forget_all()
        self._failures = self._failures + 1 if taken.error else 0
        return REST_S[min(self._failures, len(REST_S)) - 1] if taken.error else TELL_S

    def _forget_all(self) -> None:
        """The database is behind, and does not know what was said just now: it is to be asked, and told, once more."""
        self._told.clear()
        self._figures.clear()
        self._told_push, self._heard_ms = None, 0
        self._place = self._delivery_place = (0, 0)
        self._quarantine_ms = 0

    def _is_news(self, step: StepFound, taken: StepTaken) -> bool:
        """Whether it is worth a commit, at each of which the disk is waited for."""
        before = self._as_it_was(step)
        if msgspec.structs.replace(taken, heard_ms=0) == before and taken.heard_ms < self._heard_ms + HEARD_MS:
            return False
        self._heard_ms = max(self._heard_ms, taken.heard_ms)
        return True

    def _as_it_was(self, step: StepFound) -> StepTaken:
        connection = self._flow.connection
        # fmt: off
        return StepTaken(
            0, connection.id, connection.organisation_id, 0, step.quarantine_ms, step.deliveries_ms,
            step.mid_quarantine_ms, self._told_push or "", self._version, step.mid_link_base, "", 0,
        )
        # fmt: on

    async def _talk(self, step: StepFound, taken: StepTaken) -> None:
        await self._open()
        if self._told_push is None or time.monotonic() - self._signed_in_s >= SIGN_IN_S:
            await self._sign_in(taken)
        await self._tell_quarantine(step, taken)
        await self._tell_deliveries(step, taken)
        now_s = time.monotonic()
        if now_s - self._asked_s >= ASK_S:
            self._asked_s = now_s
            is_pushed = _now_ms() - step.pushed_ms < PUSHED_S * 1000
            if not is_pushed or now_s - self._pages_s >= PUSHED_ASK_S:
                self._pages_s = now_s
                await self._ask_pages(step, taken)
            await self._ask_quarantine(step, taken)
            taken.heard_ms = _now_ms()
        if now_s - self._figures_s >= FIGURES_S:
            self._figures_s = now_s
            await self._ask_figures(step, taken)
            await self._ask_again(step, taken)

    async def _open(self) -> None:
        """A sender with the settings as they are."""
        if self._sender is None or self._account != self._flow.account:
            if self._sender is not None:
                await self._sender.close()
            self._account, self._told_push = self._flow.account, None
            self._quarantine_ms = 0
            self._sender = self._flow.open_sender()

    # -- what is told ------------------------------------------------------------------------------------------------

    async def _sign_in(self, taken: StepTaken) -> None:
        secret = self._account.settings.text("signing_secret")
        url = self._account.status_url
        answer = await self._json("PUT", "", {"push_url": url, "secret": secret})
        self._told_push, self._version = url, said(answer.get("version"))
        taken.told_push, taken.mid_version = url, self._version
        taken.mid_link_base, self._signed_in_s = read_link_base(answer.get("link_base")), time.monotonic()

    async def _tell_quarantine(self, step: StepFound, taken: StepTaken) -> None:
        new = [row for row in step.quarantine if self._told.get(("q", row[0])) != row[5]]
        if new:
            names = ("address", "short_code", "status", "reason", "changed_ms")
            entries = [dict(zip(names, row[1:], strict=True)) for row in new]
            await self._json("POST", "/quarantine", {"now_ms": _now_ms(), "entries": entries})
            self._told.update({("q", row[0]): row[5] for row in new})
            taken.quarantine_ms = max(taken.quarantine_ms, new[-1][5])
        self._place = (0, 0)
        if len(step.quarantine) >= MOST_TOLD:  # there are more of them
            self._place = (step.quarantine[-1][5], step.quarantine[-1][0])
        self._forget()

    async def _tell_deliveries(self, step: StepFound, taken: StepTaken) -> None:
        for delivery_id, status, changed_ms in step.deliveries:
            if self._told.get(("d", delivery_id)) == changed_ms:
                continue
            await self._json("POST", f"/deliveries/{delivery_id}/{_ACTIONS.get(status, 'resume')}", {})
            self._told[("d", delivery_id)] = changed_ms
            taken.deliveries_ms = max(taken.deliveries_ms, changed_ms)
        self._delivery_place = (0, 0)
        if len(step.deliveries) >= MOST_CHANGED:  # there are more of them
            self._delivery_place = (step.deliveries[-1][2], step.deliveries[-1][0])

    def _forget(self) -> None:
        if len(self._told) > 10_000:
            latest = sorted(self._told.items(), key=lambda item: item[1])[5_000:]
            self._told = dict(latest)

    # -- what is asked -----------------------------------------------------------------------------------------------

    async def _ask_pages(self, step: StepFound, taken: StepTaken) -> None:
        after = step.page
        for _ in range(MOST_ASKED):
            response = await self._send("GET", f"/pages?after={after}")
            last = _last_page(response)
            if last < after:
                # Mid's database is one of before, and its pages go on from there: what they told is told once more.
                log.warning("relay.pages_begin_again", connection=step.connection_id, heeded=after, last=last)
                await self._read_again(0)
                taken.page = last
                return
            body = unpacked(response.body, MOST_PAGES_OCTETS)
            pages = read_pages(body)
            if not pages.told:
                return
            self._hear(body, is_again=False)
            after = pages.last
            if after >= last:
                return

    async def _ask_again(self, step: StepFound, taken: StepTaken) -> None:
        """Read the pages of a day once more, now and then."""
        now_ms = _now_ms()
        if now_ms - step.reread_ms >= REREAD_MS:
            await self._read_again(max(0, now_ms + step.clock_ms - DAY_MS))
            taken.reread_ms = now_ms

    async def _read_again(self, since_ms: int) -> None:
        after = 0
        for _ in range(MOST_ASKED):
            response = await self._send("GET", f"/pages?after={after}&since_ms={since_ms}")
            body = unpacked(response.body, MOST_PAGES_OCTETS)
            pages = read_pages(body)
            if not pages.told:
                return
            self._hear(body, is_again=True)
            after = pages.last

    def _hear(self, body: bytes, *, is_again: bool) -> None:
        connection_id = self._flow.connection.id
        if not self._flow.tell_store(lambda number: PagesHeard(number, connection_id, body, is_again)):
            raise MidRefused("the database is behind; mid is asked later")

    async def _ask_quarantine(self, step: StepFound, taken: StepTaken) -> None:
        after_ms = self._quarantine_ms or max(0, step.mid_quarantine_ms - OVERLAP_MS)
        is_more = True
        for _ in range(MOST_STRETCHES):
            query = urlencode({"after_ms": after_ms, "limit": 1000})
            answer = await self._json("GET", f"/quarantine?{query}", None)
            self._take_quarantine(answer, taken)
            after_ms = max(after_ms, int(answer.get("until_ms", 0)))
            is_more = bool(answer.get("is_more"))
            if not is_more:
                break
        self._quarantine_ms = after_ms if is_more else 0
        taken.mid_quarantine_ms = max(taken.mid_quarantine_ms, after_ms)

    def _take_quarantine(self, answer: Mapping[str, Any], taken: StepTaken) -> None:
        clock_ms = int(answer.get("now_ms", 0)) - _now_ms()
        for entry in answer.get("entries", []):
            key = ("m", entry["address"], entry["short_code"], entry["status"])
            if self._told.get(key) != entry["changed_ms"]:
                self._told[key] = entry["changed_ms"]
                row = (*(str(entry[name]) for name in ("address", "short_code", "status", "reason")),)
                taken.entries.append((row[0], row[1], row[2], row[3], entry["changed_ms"] - clock_ms))

    async def _ask_figures(self, step: StepFound, taken: StepTaken) -> None:
        if not step.open_deliveries:
            return
        query = quote(",".join(map(str, step.open_deliveries)))
        answer = await self._json("GET", f"/figures?deliveries={query}", None)
        now_ms = _now_ms()
        for delivery_id in step.open_deliveries:
            counts: Mapping[str, int] = answer.get("deliveries", {}).get(str(delivery_id), {})
            if self._figures.get(delivery_id) != counts:
                self._figures[delivery_id] = counts
                for name, state in _STATES.items():
                    taken.figures.append((step.connection_id, delivery_id, state, int(counts.get(name, 0)), now_ms))

    # -- calls -------------------------------------------------------------------------------------------------------

    async def _json(self, method: str, rest: str, body: Any) -> Mapping[str, Any]:
        response = await self._send(method, rest, b"" if body is None else msgspec.json.encode(body))
        found = read_json(response.body) if response.body else {}
        if not isinstance(found, dict):
            raise MidRefused("mid's answer cannot be read")
        return found

    async def _send(self, method: str, rest: str, body: bytes = b"") -> HttpResponse:
        assert self._sender is not None
        headers = (("Content-Type", "application/json"),) if body else ()
        response = await self._sender.send(HttpRequest(method, account_address(self._account, rest), headers, body))
        if not response.is_success:
            detail = detail_of(response)
            raise MidRefused(f"mid answered {response.status}" + (f": {detail}" if detail else ""))
        return response


def _last_page(response: HttpResponse) -> int:
    text = response.headers.get(LAST_PAGE, "")
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise MidRefused("mid does not say how many pages it has")
    return int(text)


def _now_ms() -> int:
    return int(time.time() * 1000)
