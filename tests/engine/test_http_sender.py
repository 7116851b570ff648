"""Tokens: fetched once for all who wait, in time, again when taken back; and where they cannot be got, nothing is sent."""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.engine.certificate import issue
from tests.engine.house import in_loop
from tests.engine.http_peer import OK, Peer, Script, answering, hang, pem, server_context
from tests.engine.link_end import LOOPBACK

from chappe.engine.net.egress import EgressPolicy
from chappe.engine.net.http_client import HttpClient, NoAnswer, NotSent, Unwritable
from chappe.engine.net.http_sender import HttpSender, NoToken
from chappe.engine.net.verification import Subject, verify
from chappe.providers.auth import Basic, Header, OAuth, client_credentials
from chappe.providers.http import Auth, HttpRequest, HttpResponse, Token

SECRET = "s3cr3t-of-the-client"


def http(status: int, body: Any = None, **headers: str) -> bytes:
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Answer", f"Content-Length: {len(octets)}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + octets


@dataclass
class Endpoint:
    """A token endpoint: numbers its tokens, unless it has answers of its own."""

    lifetime: Any = 3600
    same: bool = False
    answers: list[bytes] = field(default_factory=list)
    hangs: bool = False
    given: int = 0

    async def script(self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await peer.read(reader):
            if self.hangs:
                continue
            await asyncio.sleep(0.01)  # while others ask for one, too
            self.given += 1
            name = "token-same" if self.same else f"token-{self.given}"
            answer = (
                self.answers.pop(0) if self.answers else http(200, {"access_token": name, "expires_in": self.lifetime})
            )
            writer.write(answer)
            await writer.drain()


class Provider:
    """Takes the tokens that are good, and turns the others away."""

    def __init__(self, *good: str) -> None:
        self.good = set(good)
        self.seen: list[str] = []

    async def script(self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await peer.read(reader):
            line = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"authorization:"))
            self.seen.append(line.split()[-1].decode())
            await asyncio.sleep(0.01)
            writer.write(OK if not self.good or self.seen[-1] in self.good else http(401, {}))
            await writer.drain()


class Clock:
    now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Stage:
    endpoint: Endpoint
    provider: Provider
    sender: HttpSender
    clock: Clock
    peer: Peer
    tokens: Peer

    async def send(self) -> HttpResponse:
        return await self.sender.send(HttpRequest("POST", self.peer.url, (), b"{}"))


@asynccontextmanager
async def stage(
    endpoint: Endpoint, provider: Provider | None = None, *, egress: EgressPolicy = LOOPBACK
) -> AsyncIterator[Stage]:
    provider, clock = provider or Provider(), Clock()
    async with Peer(endpoint.script) as tokens, Peer(provider.script) as peer:
        auth = OAuth(client_credentials(f"{tokens.url}/token", "client", SECRET))
        clients = HttpClient(LOOPBACK, connections=100), HttpClient(egress, connections=2, connect_s=2.0)
        sender = HttpSender(auth, *clients, response_s=5.0, clock=clock)
        yield Stage(endpoint, provider, sender, clock, peer, tokens)
        await sender.close()


def test_a_hundred_senders_fetch_one_token() -> None:
    @in_loop
    async def run() -> None:
        async with stage(Endpoint()) as on:
            answers = await asyncio.gather(*(on.send() for _ in range(100)))
            assert {answer.status for answer in answers} == {200}
            assert on.endpoint.given == 1
            assert set(on.provider.seen) == {"token-1"}

    run()


def test_a_token_is_used_until_a_minute_before_its_end() -> None:
    @in_loop
    async def run() -> None:
        async with stage(Endpoint(lifetime=3600)) as on:
            for later_s, token in ((0, "token-1"), (3539, "token-1"), (3541, "token-2"), (3600, "token-2")):
                on.clock.now_s = Clock.now_s + later_s
                await on.send()
                assert on.provider.seen[-1] == token

    run()


def test_of_a_short_life_the_last_fifth_is_not_used() -> None:
    @in_loop
    async def run() -> None:
        async with stage(Endpoint(lifetime=10)) as on:
            for later_s in (0, 7.9, 8.1):
                on.clock.now_s = Clock.now_s + later_s
                await on.send()
            assert on.provider.seen == ["token-1", "token-1", "token-2"]

    run()


@pytest.mark.parametrize(
    "lifetime", [0, -1, None, "", "soon", "nan", "inf", "-inf", [], {}, 1e308, "1e999", 10**30, True]
)
def test_a_lifetime_that_is_none_does_not_make_every_message_fetch(lifetime: Any) -> None:
    @in_loop
    async def run() -> None:
        async with stage(Endpoint(lifetime=lifetime)) as on:
            for _ in range(5):
                await on.send()
            assert on.endpoint.given == 1
            assert await on.sender.ready() > 0

    run()


def test_a_token_that_was_taken_back_is_fetched_again_once_for_all() -> None:
    @in_loop
    async def run() -> None:
        async with stage(Endpoint(), Provider("token-1")) as on:
            await on.send()
            on.provider.good = {"token-2"}
            answers = await asyncio.gather(*(on.send() for _ in range(100)))
            assert {answer.status for answer in answers} == {200}
            assert on.endpoint.given == 2

    run()


def test_a_token_that_never_does_is_fetched_again_once_for_a_message() -> None:
    @in_loop
    async def run() -> None:
        async with stage(Endpoint(), Provider("another")) as on:
            assert (await on.send()).status == 401
            assert (on.endpoint.given, len(on.provider.seen)) == (2, 2)

    run()


def test_an_endpoint_that_gives_the_same_token_again_is_not_asked_by_each_sender() -> None:
    @in_loop
    async def run() -> None:
        async with stage(Endpoint(same=True), Provider("another")) as on:
            answers = await asyncio.gather(*(on.send() for _ in range(50)))
            assert {answer.status for answer in answers} == {401}
            assert on.endpoint.given == 2

    run()


REFUSALS = {
    "down": (http(503, b"away"), "answered 503"),
    "of a wrong secret": (http(401, {"error": "invalid_client"}), "answered 401 (invalid_client)"),
    "by RFC 6749": (http(400, {"error": "invalid_client"}), "check the client id and the client secret"),
    "of a wrong scope": (http(400, {"error": "invalid_scope"}), "answered 400 (invalid_scope)"),
    "elsewhere": (http(302, b"", Location="http://127.0.0.1:1/"), "answered 302"),
    "garbage": (http(200, b"<html>"), "has no text at access_token"),
    "no text": (http(200, {"access_token": 5}), "has no text at access_token"),
    "empty": (http(200, {"access_token": ""}), "has no text at access_token"),
    "a list": (http(200, [[[[]]]]), "has no text at access_token"),
    "deep": (http(200, b"[" * 200_000), "has no text at access_token"),
    "two lines": (http(200, {"access_token": "a\r\nX-Evil: 1"}), "characters that no header may have"),
    "cut off": (b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{", "no token: "),
    "no HTTP": (b"hello\r\n\r\n", "no token: "),
}


@pytest.mark.parametrize("how", REFUSALS)
def test_without_a_token_nothing_is_sent_and_it_is_said_why_until_there_is_one(how: str) -> None:
    @in_loop
    async def run() -> None:
        answer, words = REFUSALS[how]
        async with stage(Endpoint(answers=[answer])) as on:
            if how in ("cut off", "no HTTP"):
                on.endpoint.answers = []
                told = await failing(on, answering(answer, then_close=True))
            else:
                with pytest.raises(NoToken) as raised:
                    await on.send()
                told = raised.value.reason
            assert words in told
            assert SECRET not in told
            assert on.provider.seen == []
            assert (await on.send()).status == 200, "the next one gets its token"

    run()


async def failing(on: Stage, script: Script) -> str:
    good, on.tokens._script = on.tokens._script, script
    with pytest.raises(NoToken) as raised:
        await on.send()
    on.tokens._script = good
    return raised.value.reason


def test_a_token_endpoint_that_hangs_is_waited_for_so_long_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chappe.engine.net.http_sender.TOKEN_TIMEOUT_S", 0.2)

    @in_loop
    async def run() -> None:
        async with stage(Endpoint(hangs=True)) as on:
            outcomes = await asyncio.gather(*(on.send() for _ in range(20)), return_exceptions=True)
            assert {type(one) for one in outcomes} == {NoToken}
            assert (len(on.tokens.requests), on.provider.seen) == (1, [])

    run()


def test_one_sender_that_gives_up_does_not_take_the_token_from_the_others() -> None:
    @in_loop
    async def run() -> None:
        async with stage(Endpoint()) as on:
            first, second = asyncio.create_task(on.send()), asyncio.create_task(on.send())
            await asyncio.sleep(0)
            first.cancel()
            assert (await second).status == 200
            assert on.endpoint.given == 1

    run()


def test_a_token_endpoint_that_leads_inwards_is_not_called() -> None:
    @in_loop
    async def run() -> None:
        async with stage(Endpoint(), egress=EgressPolicy()) as on:
            with pytest.raises(NoToken) as raised:
                await on.send()
            assert "private" in raised.value.reason
            assert (on.tokens.connections, on.peer.connections) == (0, 0)

    run()


def test_a_fetch_of_ever_more_steps_ends() -> None:
    class Endless(OAuth):
        def fetch(self, now_s: float) -> Generator[HttpRequest, HttpResponse, Token]:
            while True:
                yield self.request

    @in_loop
    async def run() -> None:
        async with Peer(answering(OK)) as peer:
            auth = Endless(HttpRequest("POST", peer.url))
            sender = HttpSender(auth, HttpClient(LOOPBACK), HttpClient(LOOPBACK), response_s=5.0)
            with pytest.raises(NoToken):
                await sender.send(HttpRequest("POST", peer.url))
            await sender.close()
            assert len(peer.requests) < 5

    run()


# -- certificates ----------------------------------------------------------------------------------------------------


def test_the_token_endpoint_does_not_see_the_certificate_that_the_provider_demands(tmp_path: Path) -> None:
    ca = issue("Authority", is_authority=True)
    (certificate, key), authority = pem(issue("us", by=ca)), pem(ca)[0]
    curious = server_context(tmp_path, issue("127.0.0.1", by=ca), client_authority=ca)
    curious.verify_mode = ssl.CERT_OPTIONAL
    shown: dict[str, bool] = {}

    def looking(place: str, answer: bytes) -> Script:
        async def script(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            shown[place] = bool(writer.get_extra_info("peercert"))
            await answering(answer)(peer, reader, writer)

        return script

    @in_loop
    async def run() -> None:
        token = looking("tokens", http(200, {"access_token": "t"}))
        demanding = server_context(tmp_path, issue("127.0.0.1", by=ca), client_authority=ca)
        message = looking("provider", http(200, {"id": "1"}))
        async with Peer(token, curious) as tokens, Peer(message, demanding) as provider:
            settings = {
                "url": f"{provider.url}/messages",
                "auth_type": "oauth2",
                "token_url": f"{tokens.url}/token",
                "client_id": "client",
                "client_certificate": certificate,
                "certificate_authority": authority,
                "allowed_networks": "127.0.0.0/8",
                "message_id_field": "id",
            }
            secrets = {"client_secret": SECRET, "client_key": key}
            found = await verify(Subject("esp", settings, secrets), test_number="a@example.org", test_text="{}")
            assert found.is_usable, found.findings
            assert shown == {"tokens": False, "provider": True}

    run()


# -- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", [Header("X-API-Key", f"{SECRET}\n"), Header("X-API-Key", f"{SECRET}\r\nX-Evil: 1")])
def test_a_secret_that_no_header_can_hold_is_no_fault_of_the_message(auth: Auth) -> None:
    """It would be the same for all of them, and they would all be lost."""

    @in_loop
    async def run() -> None:
        async with Peer(answering(OK)) as peer:
            sender = HttpSender(auth, HttpClient(LOOPBACK), HttpClient(LOOPBACK), response_s=5.0)
            with pytest.raises(NotSent) as raised:
                await sender.send(HttpRequest("POST", peer.url))
            assert type(raised.value) is NotSent
            assert SECRET not in raised.value.reason
            with pytest.raises(Unwritable):
                await sender.send(HttpRequest("POST", peer.url, (("X-Reference", "a\nb"),)))
            await sender.close()
            assert peer.requests == []

    run()


def test_no_secret_is_in_what_is_said_logged_or_shown_of_a_sender(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []

    def note(sender: HttpSender, *errors: BaseException) -> None:
        said.extend([repr(sender), repr(vars(sender)["_auth"]), *(f"{error!r} {error}" for error in errors)])

    @in_loop
    async def run() -> None:
        request = HttpRequest("POST", "http://127.0.0.1:1/")
        ways = Basic("client", SECRET), OAuth(client_credentials("http://127.0.0.1:1/token", "client", SECRET))
        for auth in ways:
            sender = HttpSender(auth, HttpClient(LOOPBACK), HttpClient(LOOPBACK), response_s=5.0)
            with pytest.raises((NotSent, NoToken)) as raised:
                await sender.send(request)
            note(sender, raised.value)
            await sender.close()
        async with Peer(hang) as peer:
            sender = HttpSender(ways[0], HttpClient(LOOPBACK), HttpClient(LOOPBACK), response_s=0.2)
            with pytest.raises(NoAnswer) as unanswered:
                await sender.send(HttpRequest("POST", peer.url))
            note(sender, unanswered.value)
            await sender.close()

    with structlog.testing.capture_logs() as logs:
        run()
    everything = " ".join([*said, caplog.text, repr(logs)])
    encoded = Basic("client", SECRET).sign(HttpRequest("GET", ""), "", 0).headers[0][1].split()[1]
    assert not [one for one in (SECRET, encoded, SECRET.encode().hex()) if one in everything]


# -- the check of a connection ---------------------------------------------------------------------------------------


def esp(url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    settings = {"auth_type": "oauth2", "url": f"{url}/send", "token_url": f"{url}/token", "client_id": "client"}
    return settings, {"client_secret": SECRET}


def custom(url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    body = json.dumps({"client_id": "client", "client_secret": SECRET})
    return {"auth_type": "oauth", "url": f"{url}/send", "oauth_url": f"{url}/token"}, {"oauth_body": body}


def sinch(url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    settings = {"base_url": url, "token_url": f"{url}/token", "client_id": "client", "project_id": "p", "app_id": "a"}
    return {**settings, "sender": "33600000000"}, {"client_secret": SECRET, "webhook_secret": "hook-secret"}


@pytest.mark.parametrize("provider", [esp, custom, sinch])
def test_a_wrong_client_secret_is_told_with_the_status_of_the_token_endpoint(
    provider: Callable[[str], tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    @in_loop
    async def run() -> None:
        echo = {"error": "invalid_client", "error_description": f"no such secret: {SECRET}"}
        async with Peer(answering(http(401, echo))) as peer:
            settings, secrets = provider(peer.url)
            settings["allowed_networks"] = "127.0.0.0/8"
            found = await verify(Subject(provider.__name__, settings, secrets))
            told = [one.text for one in found.findings if one.level == "error"]
            assert told == [
                "The token endpoint gives no token: the token endpoint answered 401 (invalid_client): check the client id and "
                "the client secret."
            ]
            assert not [one for one in peer.requests if b"/send" in one.split(b"\r\n")[0]]

    run()


def test_a_token_that_does_not_last_until_the_message_does_not_stop_the_check() -> None:
    @in_loop
    async def run() -> None:
        token = http(200, {"access_token": "t", "expires_in": 0.000001})
        async with Peer(answering(http(200, {"id": "1"}))) as peer, Peer(answering(token, http(503, b""))) as tokens:
            settings, secrets = esp(peer.url)
            settings |= {"allowed_networks": "127.0.0.0/8", "token_url": tokens.url}
            found = await verify(Subject("esp", settings, secrets), test_number="a@example.org", test_text="{}")
            assert "503" in " ".join(one.text for one in found.findings)
            assert peer.requests == []

    run()


def test_a_port_that_is_none_is_told() -> None:
    settings = {"url": "https://api.example:99999/", "auth_type": "none"}
    found = asyncio.run(verify(Subject("esp", settings, {}), test_number="a@example.org", test_text="{}"))
    assert [one.text for one in found.findings if "port" in one.text]


def test_the_check_says_that_a_client_certificate_is_wanted(tmp_path: Path) -> None:
    from tests.engine.test_http_client import CA, Strict, demanding

    server = Strict(demanding(tmp_path, ssl.TLSVersion.TLSv1_3))
    server.start()
    settings = {"url": server.url, "allowed_networks": "127.0.0.0/8", "certificate_authority": pem(CA)[0]}
    found = asyncio.run(verify(Subject("esp", settings, {})))
    server.join(10)
    assert [one.text for one in found.findings if one.level == "error" and "client certificate" in one.text]


def test_the_check_shows_nothing_of_a_secret_that_lies_across_the_end_of_what_is_shown() -> None:
    @in_loop
    async def run() -> None:
        echo = http(400, b"x" * (20_000 - 10) + SECRET.encode() + b"y" * 50_000)
        async with Peer(answering(echo)) as peer:
            settings = {"url": peer.url, "auth_type": "basic", "basic_user": "u", "allowed_networks": "127.0.0.0/8"}
            subject = Subject("esp", settings, {"basic_password": SECRET})
            found = await verify(subject, test_number="a@example.org", test_text="{}")
            assert "s3cr" not in found.exchanges[-1].response

    run()
