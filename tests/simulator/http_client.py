"""A client of the simulated providers and a place for their hooks, by software that is not ours (aiohttp)."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from chappe.simulator import HttpQuirks, HttpSimulator
from chappe.simulator.http_profile import parse

PATIENCE_S = 10.0
PHONE = "+33612345678"
SID = "AC" + "0" * 32
FORM = "application/x-www-form-urlencoded"


def quirks(vendor: str = "*", **knobs: Any) -> HttpQuirks:
    """Quirks with some knobs of one vendor, or of all; no delays but those given."""
    return parse({"vendors": {"*": {"status_delay_ms": 0}, vendor: {"status_delay_ms": 0, **knobs}}})


def basic(user: str, password: str = "simulator") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@dataclass
class Ask:
    """A request to a vendor: `body` is a form where it is a mapping of texts and `is_form`, else JSON."""

    path: str
    body: Any
    headers: dict[str, str]
    is_form: bool = False

    def octets(self) -> bytes:
        return urlencode(self.body).encode() if self.is_form else json.dumps(self.body).encode()

    def all_headers(self) -> dict[str, str]:
        return {"Content-Type": FORM if self.is_form else "application/json", **self.headers}


@dataclass
class Said:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def send(simulator: HttpSimulator, ask: Ask, timeout_s: float = PATIENCE_S) -> Said:
    """The answer; the errors are aiohttp's."""
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(
            f"http://{simulator.host}:{simulator.port}{ask.path}", data=ask.octets(), headers=ask.all_headers()
        ) as response,
    ):
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Said(response.status, headers, await response.read())


async def get(simulator: HttpSimulator, path: str, headers: dict[str, str] | None = None) -> Said:
    url = URL(f"http://{simulator.host}:{simulator.port}{path}", encoded=True)
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return Said(response.status, {}, await response.read())


async def control(simulator: HttpSimulator, path: str, **values: Any) -> Said:
    """A POST under /simulator/."""
    return await send(simulator, Ask(f"/simulator/{path}", values, {}))


def message(vendor: str, to: str = PHONE, text: str = "Bonjour #7", url: str = "", reference: str = "r-1") -> Ask:
    """A request that the vendor takes with the account it has by default. Vendors with tokens are sent Basic, or none."""
    return REQUESTS[vendor](to, text, url, reference)


def _twilio(to: str, text: str, url: str, reference: str) -> Ask:
    more = {"StatusCallback": url} if url else {}
    path = f"/twilio/2010-04-01/Accounts/{SID}/Messages.json"
    return Ask(path, {"To": to, "From": "+15017122661", "Body": text, **more}, basic(SID), True)


def _custom(to: str, text: str, url: str, reference: str) -> Ask:
    return Ask(
        "/custom/messages", {"to": to, "from": "Acme", "text": text, "callback": url, "reference": reference}, {}
    )


def _esp(to: str, text: str, url: str, reference: str) -> Ask:
    values = {"to": "ana@example.org", "from": "us@example.org", "subject": "Hi", "html": text, "callback": url}
    return Ask("/esp/messages", values, basic("user"))


def _link(to: str, text: str, url: str, reference: str) -> Ask:
    values = {
        "source": "Acme",
        "sourceTON": "ALPHANUMERIC",
        "destination": to,
        "userData": text,
        "platformId": "COMMON_API",
        "platformPartnerId": "1234",
        "deliveryReportGates": ["gate-1"],
        "refId": reference,
        "ignoreResponse": False,
    }
    return Ask("/link_mobility/sms/send", values, basic("user"))


def _sinch(to: str, text: str, url: str, reference: str) -> Ask:
    values = {
        "app_id": "app",
        "recipient": {"identified_by": {"channel_identities": [{"channel": "SMS", "identity": to}]}},
        "message": {"text_message": {"text": text}},
        "channel_properties": {"SMS_SENDER": "Brand"},
        "correlation_id": reference,
        "message_metadata": "m1",
        **({"callback_url": url} if url else {}),
    }
    return Ask("/sinch/v1/projects/project/messages:send", values, basic("client"))


def _infobip(to: str, text: str, url: str, reference: str) -> Ask:
    hooks: dict[str, Any] = {"callbackData": reference}
    if url:
        hooks["delivery"] = {"url": url}
    one = {
        "sender": "InfoSMS",
        "destinations": [{"to": to.lstrip("+")}],
        "content": {"text": text},
        "webhooks": hooks,
    }
    return Ask("/infobip/sms/3/messages", {"messages": [one]}, {"Authorization": "App simulator"})


def _messagemedia(to: str, text: str, url: str, reference: str) -> Ask:
    one = {
        "content": text,
        "destination_number": to,
        "source_number": "+61491570100",
        "delivery_report": True,
        "metadata": {"ref": reference},
        **({"callback_url": url} if url else {}),
    }
    return Ask("/messagemedia/v1/messages", {"messages": [one]}, basic("user"))


def _vonage(to: str, text: str, url: str, reference: str) -> Ask:
    values = {"to": to.lstrip("+"), "from": "Acme", "text": text, "client-ref": reference}
    return Ask("/vonage/sms/json", {**values, **({"callback": url} if url else {})}, basic("abcd1234"), True)


def _vonage_messages(to: str, text: str, url: str, reference: str) -> Ask:
    values = {"to": to.lstrip("+"), "from": "Acme", "text": text, "channel": "sms", "message_type": "text"}
    more = {"client_ref": reference, **({"webhook_url": url} if url else {})}
    return Ask("/vonage/v1/messages", {**values, **more}, basic("abcd1234"))


def _messagebird(to: str, text: str, url: str, reference: str) -> Ask:
    values = {"originator": "Brand", "recipients": to.lstrip("+"), "body": text, "reference": reference}
    more = {"reportUrl": url} if url else {}
    return Ask("/messagebird/messages", {**values, **more}, {"Authorization": "AccessKey simulator"})


REQUESTS: dict[str, Callable[[str, str, str, str], Ask]] = {
    "twilio": _twilio,
    "custom": _custom,
    "esp": _esp,
    "link_mobility": _link,
    "sinch": _sinch,
    "infobip": _infobip,
    "messagemedia": _messagemedia,
    "vonage": _vonage,
    "vonage messages": _vonage_messages,
    "messagebird": _messagebird,
}
SUCCESS = dict.fromkeys(REQUESTS, 200) | {
    "twilio": 201,
    "messagemedia": 202,
    "vonage messages": 202,
    "messagebird": 201,
}


def key(vendor: str) -> str:
    """Under which name a vendor of these requests is mounted."""
    return vendor.split()[0]


@dataclass
class Hook:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def fields(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode() or urlsplit(self.target).query, keep_blank_values=True))


@dataclass
class Receiver:
    """Takes hooks; `statuses` are what the next ones are answered, 200 once they are used up."""

    base: str = ""
    hooks: list[Hook] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    @property
    def address(self) -> str:
        return urlsplit(self.base).netloc

    async def handle(self, request: web.BaseRequest) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.hooks.append(Hook(request.method, request.raw_path, headers, await request.read()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def got(self, count: int) -> list[Hook]:
        await until(lambda: len(self.hooks) >= count)
        return self.hooks


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, for a bounded time."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.005)


async def settled(simulator: HttpSimulator) -> None:
    """No hook is under way or to come."""
    await until(lambda: simulator.stats().statuses.held + simulator.stats().texts.held == 0)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    one = Receiver()
    runner = web.ServerRunner(web.Server(one.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield one
    finally:
        await runner.cleanup()
