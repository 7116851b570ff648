"""Requests to real servers, with real certificates: what is known of a request that went wrong, and in which words."""

import asyncio
import logging
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.engine.certificate import Issued, issue
from tests.engine.house import in_loop, until
from tests.engine.http_peer import OK, Peer, Resolver, Script, answering, call, hang, pem, reason, server_context
from tests.engine.link_end import LOOPBACK

from chappe.engine.net.egress import EgressPolicy
from chappe.engine.net.http_client import MOST_ANSWER, HttpClient, Journey, NoAnswer, NotSent, Tls, Unwritable
from chappe.messaging import ConfigError
from chappe.providers.http import HttpRequest, HttpResponse

CA = issue("Private authority", is_authority=True)
OTHER_CA = issue("Another authority", is_authority=True)
TRUSTED = Tls(authority=pem(CA)[0])
HOST = "127.0.0.1"


def good(outcome: object) -> HttpResponse:
    assert isinstance(outcome, HttpResponse), outcome
    return outcome


# -- the provider's certificate --------------------------------------------------------------------------------------


def test_a_server_of_a_private_authority_is_called(tmp_path: Path) -> None:
    @in_loop
    async def run() -> None:
        async with Peer(answering(OK), server_context(tmp_path, issue(HOST, by=CA))) as peer:
            assert good(await call(peer.url, tls=TRUSTED)).body == b"ok"

    run()


BAD_SERVERS = {
    "certificate has expired": issue(HOST, by=CA, days=-1),
    "certificate is not yet valid": issue(HOST, by=CA, age_days=-1),
    f"certificate is not valid for '{HOST}'": issue("127.0.0.2", by=CA),
    "self-signed certificate": issue(HOST),
    "unable to get local issuer certificate": issue(HOST, by=OTHER_CA),
}


@pytest.mark.parametrize("words", BAD_SERVERS)
def test_a_server_that_cannot_be_trusted_is_sent_nothing_and_the_reason_named(tmp_path: Path, words: str) -> None:
    @in_loop
    async def run() -> None:
        async with Peer(answering(OK), server_context(tmp_path, BAD_SERVERS[words])) as peer:
            told = reason(await call(peer.url, tls=TRUSTED), NotSent)
            assert words in told
            assert told.startswith(HOST)
            assert peer.requests == []

    run()


def test_without_a_private_authority_that_of_the_server_is_not_trusted(tmp_path: Path) -> None:
    @in_loop
    async def run() -> None:
        async with Peer(answering(OK), server_context(tmp_path, issue(HOST, by=CA))) as peer:
            assert "certificate" in reason(await call(peer.url), NotSent)

    run()


def test_a_server_that_knows_tls_1_1_alone_is_sent_nothing(tmp_path: Path) -> None:
    context = server_context(tmp_path, issue(HOST, by=CA))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")

    @in_loop
    async def run() -> None:
        async with Peer(answering(OK), context) as peer:
            assert "TLS" in reason(await call(peer.url, tls=TRUSTED), NotSent)
            assert peer.requests == []

    run()


def test_a_server_without_tls_where_tls_is_wanted_is_sent_nothing() -> None:
    @in_loop
    async def run() -> None:
        async with Peer(answering(OK)) as peer:
            told = reason(await call(f"https://{HOST}:{peer.port}/", tls=TRUSTED, connect_s=1.0), NotSent)
            assert HOST in told
            assert peer.requests == []

    run()


# -- our certificate -------------------------------------------------------------------------------------------------


def mutual(issued: Issued) -> Tls:
    certificate, key = pem(issued)
    return Tls(pem(CA)[0], certificate, key)


TLS_VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def demanding(folder: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = server_context(folder, issue(HOST, by=CA), client_authority=CA)
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", TLS_VERSIONS)
def test_a_server_that_demands_a_certificate_is_shown_ours(tmp_path: Path, version: ssl.TLSVersion) -> None:
    @in_loop
    async def run() -> None:
        async with Peer(answering(OK), demanding(tmp_path, version)) as peer:
            assert good(await call(peer.url, tls=mutual(issue("us", by=CA)))).status == 200

    run()


OURS = {
    "none": TRUSTED,
    "of another authority": mutual(issue("us", by=OTHER_CA)),
    "expired": mutual(issue("us", by=CA, days=-1)),
}


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("version", TLS_VERSIONS)
def test_a_server_that_turns_our_certificate_away_took_no_message(
    tmp_path: Path, version: ssl.TLSVersion, ours: str
) -> None:
    """By TLS 1.3 it says so only when the request is on its way already."""
    server = Strict(demanding(tmp_path, version))
    server.start()

    @in_loop
    async def run() -> None:
        told = reason(await call(server.url, tls=OURS[ours]), NotSent)
        assert "client certificate" in told

    run()
    server.join(10)
    assert "certificate" in server.refusal.lower()


class Strict(threading.Thread):
    """One connection of a server in a thread of its own: asyncio's ends a handshake without the alert that says why."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(daemon=True)
        self.listening = socket.create_server((HOST, 0))
        self.listening.settimeout(10)
        self.url = f"https://{HOST}:{self.listening.getsockname()[1]}/"
        self.context = context
        self.refusal = ""

    def run(self) -> None:
        connection, _ = self.listening.accept()
        connection.settimeout(10)
        try:
            self.context.wrap_socket(connection, server_side=True).close()
        except ssl.SSLError as error:
            self.refusal = str(error)
        connection.close()
        self.listening.close()


def unusable(tls: Tls, field: str) -> str:
    with pytest.raises(ConfigError) as raised:
        tls.context()
    (error,) = raised.value.errors
    assert error.field == field
    return error.message


def test_a_key_that_does_not_fit_its_certificate_is_named() -> None:
    words = unusable(Tls("", pem(issue("us"))[0], pem(issue("us"))[1]), "client_certificate")
    assert "fits the private key" in words


@pytest.mark.parametrize(
    "text", ["nonsense", "-----BEGIN CERTIFICATE-----\né\n-----END CERTIFICATE-----", "-----BEGIN "]
)
def test_an_authority_that_is_no_certificate_is_named(text: str) -> None:
    assert "PEM" in unusable(Tls(authority=text), "certificate_authority")


@pytest.mark.parametrize("text", ["nonsense", "é", "\udcff"])
def test_a_certificate_of_ours_that_is_none_is_named(text: str) -> None:
    unusable(Tls("", text, pem(issue("us"))[1]), "client_certificate")


# -- connecting ------------------------------------------------------------------------------------------------------


def test_a_port_that_nobody_listens_at_is_named() -> None:
    @in_loop
    async def run() -> None:
        with socket.create_server((HOST, 0)) as unused:
            port = unused.getsockname()[1]
        assert "refused" in reason(await call(f"http://{HOST}:{port}/"), NotSent)

    run()


@contextmanager
def full_backlog() -> Iterator[int]:
    """The port of a socket whose queue of connections is full: whoever comes next gets no answer."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        listening.listen(0)
        place = listening.getsockname()
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(place)
            waiting.append(one)
        yield place[1]
        for one in waiting:
            one.close()


def test_a_host_that_takes_no_connection_in_time_was_sent_nothing() -> None:
    @in_loop
    async def run() -> None:
        with full_backlog() as port:
            told = reason(await call(f"http://{HOST}:{port}/", connect_s=0.3), NotSent)
        assert told == f"{HOST} could not be connected to within 0.3 s"

    run()


def test_a_handshake_that_does_not_end_counts_as_connecting() -> None:
    @in_loop
    async def run() -> None:
        async with Peer(hang) as peer:
            outcome = await call(f"https://{HOST}:{peer.port}/", connect_s=0.3, timeout_s=30)
            assert "connected to within 0.3 s" in reason(outcome, NotSent)

    run()


def test_a_name_server_that_does_not_answer_counts_as_connecting() -> None:
    @in_loop
    async def run() -> None:
        async def silent(*_: object, **__: object) -> None:
            await asyncio.Event().wait()

        asyncio.get_running_loop().getaddrinfo = silent  # type: ignore[method-assign,assignment]
        told = reason(await call("http://api.example/", connect_s=0.3, timeout_s=30), NotSent)
        assert "connected to within 0.3 s" in told

    run()


def test_even_where_answering_may_take_less_time_than_connecting_nothing_was_sent() -> None:
    @in_loop
    async def run() -> None:
        async with Peer(hang) as peer:
            reason(await call(f"https://{HOST}:{peer.port}/", connect_s=0.5, timeout_s=0.1), NotSent)

    run()


def test_a_request_that_waits_for_another_to_be_answered_was_not_sent() -> None:
    @in_loop
    async def run() -> None:
        async with Peer(hang) as peer:
            client = HttpClient(LOOPBACK, connections=1, connect_s=0.3)
            request = HttpRequest("POST", peer.url, (), b"{}")
            first = asyncio.create_task(client.exchange(request, timeout_s=5))
            await until(lambda: peer.requests, "the first request")
            with pytest.raises(NotSent):
                await client.exchange(request, timeout_s=5)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await client.close()
            assert len(peer.requests) == 1

    run()


def test_a_client_that_was_closed_sends_nothing() -> None:
    @in_loop
    async def run() -> None:
        async with Peer(answering(OK)) as peer:
            client = HttpClient(LOOPBACK)
            await client.close()
            with pytest.raises(NotSent):
                await client.exchange(HttpRequest("POST", peer.url), timeout_s=5)
            assert peer.requests == []

    run()


# -- answers that do not come, or not whole --------------------------------------------------------------------------


async def octet_by_octet(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await peer.read(reader)
    for octet in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000:
        writer.write(bytes([octet]))
        await writer.drain()
        await asyncio.sleep(0.02)


async def body_octet_by_octet(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await peer.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    for _ in range(10_000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless_1xx(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await peer.read(reader)
    while True:
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("script", [hang, octet_by_octet, body_octet_by_octet, endless_1xx])
def test_an_answer_that_is_not_whole_in_time_is_none(script: Script) -> None:
    @in_loop
    async def run() -> None:
        async with Peer(script) as peer:
            told = reason(await call(peer.url, timeout_s=0.4, connect_s=60), NoAnswer)
            assert told == f"no answer from {HOST} within 0.4 s"
            assert len(peer.requests) == 1

    run()


def test_a_server_that_reads_nothing_of_a_long_request_is_not_waited_for() -> None:
    async def deaf(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    @in_loop
    async def run() -> None:
        async with Peer(deaf) as peer:
            reason(await call(peer.url, body=b"x" * 20_000_000, timeout_s=0.4), NoAnswer)

    run()


@pytest.mark.parametrize("ends", ["in time", "when cancelled"])
def test_a_connection_whose_server_reads_nothing_is_not_kept(ends: str) -> None:
    async def deaf(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    def open_ones(port: int) -> int:
        ours = psutil.Process().net_connections(kind="tcp")
        return sum(bool(one.raddr) and one.raddr.port == port for one in ours)

    @in_loop
    async def run() -> None:
        async with Peer(deaf) as peer:
            client = HttpClient(LOOPBACK)
            request = HttpRequest("POST", peer.url, (), b"x" * 20_000_000)
            sending = asyncio.create_task(client.exchange(request, timeout_s=0.3 if ends == "in time" else 30))
            await until(lambda: peer.connections, "the connection")
            if ends == "when cancelled":
                sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await until(lambda: open_ones(peer.port) == 0, "the end of the connection")
            await client.close()

    run()


def test_an_answer_before_the_request_was_read_is_the_answer() -> None:
    async def hasty(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo long")
        await writer.drain()
        await asyncio.Event().wait()

    @in_loop
    async def run() -> None:
        async with Peer(hasty) as peer:
            assert good(await call(peer.url, body=b"x" * 20_000_000, timeout_s=3)).status == 413

    run()


BROKEN = {
    "closes after reading": (b"", "closed the connection before it answered"),
    "closes within the head": (b"HTTP/1.1 200 OK\r\nContent-", "closed the connection before it answered"),
    "closes within the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok", "broke off"),
    "closes within a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", "broke off"),
    "is no HTTP": (b"220 mail.example ESMTP\r\n", "not HTTP"),
    "has a head without end": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "not HTTP"),
    "has headers without end": (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 100_000, "not HTTP"),
    "has a size that is none": (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok", "not HTTP"),
    "has a chunk size that is none": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nok", "HTTP"),
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
def test_an_answer_that_breaks_off_leaves_open_whether_the_message_was_taken(how: str, method: str) -> None:
    """Nor is the request sent again behind our back, whatever its method."""

    @in_loop
    async def run() -> None:
        answer, words = BROKEN[how]
        async with Peer(answering(answer, then_close=True)) as peer:
            told = reason(await call(peer.url, method=method), NoAnswer)
            assert words in told
            assert len(peer.requests) == 1

    run()


def test_a_connection_that_is_reset_leaves_open_whether_the_message_was_taken() -> None:
    async def reset(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read(reader)
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    @in_loop
    async def run() -> None:
        async with Peer(reset) as peer:
            reason(await call(peer.url), NoAnswer)

    run()


# -- answers of every kind -------------------------------------------------------------------------------------------


def answered(answer: bytes, *, then_close: bool = False) -> HttpResponse:
    got: list[HttpResponse] = []

    @in_loop
    async def run() -> None:
        async with Peer(answering(answer, then_close=then_close)) as peer:
            got.append(good(await call(peer.url)))
            assert b"accept-encoding: identity" in peer.requests[0].lower()

    run()
    return got[0]


def test_a_huge_answer_is_read_up_to_the_bound() -> None:
    size = 5 * MOST_ANSWER
    response = answered(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size, then_close=True)
    assert len(response.body) == MOST_ANSWER


def test_an_answer_in_chunks_is_put_together() -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\n...\r\n0\r\n\r\n"
    assert answered(chunks).body == b"ok..."


def test_an_answer_that_ends_with_its_connection_is_whole() -> None:
    assert answered(b"HTTP/1.0 200 OK\r\n\r\nok", then_close=True).body == b"ok"


def test_an_answer_in_a_coding_that_was_not_asked_for_is_left_as_it_is() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    assert answered(answer).body == b"\x1f\x8b\x08\x00"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_is_whole(status: int) -> None:
    assert answered(b"HTTP/1.1 %d Fine\r\n\r\n" % status).status == status


def test_what_comes_before_the_answer_is_passed_over() -> None:
    assert answered(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK).status == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    @in_loop
    async def run() -> None:
        async with Peer(answering(OK)) as elsewhere:
            moved = b"HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
            async with Peer(answering(moved % (status, elsewhere.url.encode()))) as peer:
                assert good(await call(peer.url)).status == status
                assert (len(peer.requests), elsewhere.connections) == (1, 0)

    run()


def test_cookies_that_a_server_sets_are_not_sent_back() -> None:
    @in_loop
    async def run() -> None:
        answer = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n")
        async with Peer(answering(answer)) as peer:
            client = HttpClient(LOOPBACK)
            for _ in range(2):
                await client.exchange(HttpRequest("POST", peer.url, (), b"{}"), timeout_s=5)
            await client.close()
            assert peer.connections == 1, "the connection is kept"
            assert b"cookie" not in peer.requests[1].lower()

    run()


# -- what we send ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
@pytest.mark.parametrize("place", ["name", "value"])
def test_a_header_that_would_become_two_makes_the_request_unwritable(value: str, place: str) -> None:
    @in_loop
    async def run() -> None:
        header = ("X-Reference", value) if place == "value" else (f"X-{value}", "1")
        async with Peer(answering(OK)) as peer:
            told = reason(await call(peer.url, headers=[header]), Unwritable)
            assert "header" in told
            assert "Evil" not in told
            assert peer.requests == []

    run()


@pytest.mark.parametrize(
    "path", ["/a\r\nX-Evil: 1", "/a\nb", "/ HTTP/1.1\r\nHost: evil\r\n\r\n", "/a b", "/é", "/?q=\r\n"]
)
def test_no_address_becomes_two_lines(path: str) -> None:
    @in_loop
    async def run() -> None:
        async with Peer(answering(OK)) as peer:
            outcome = await call(peer.url + path)
            if peer.requests:
                line, *headers = peer.requests[0].split(b"\r\n\r\n")[0].split(b"\r\n")
                assert (line.count(b" "), line.isascii()) == (2, True)
                assert [one for one in headers if one.lower().startswith(b"host:")] == [
                    f"Host: {HOST}:{peer.port}".encode()
                ]
                assert not [one for one in headers if one.startswith(b"X-Evil")]
            else:
                assert isinstance(outcome, NotSent)

    run()


@pytest.mark.parametrize(
    "url",
    ["", "ftp://{host}/", "http://", "http:///a", "http://{host}:99999/", "http://[::1/", "file:///etc/passwd", "//x"],
)
def test_an_address_that_is_none_is_called_so(url: str) -> None:
    @in_loop
    async def run() -> None:
        reason(await call(url.replace("{host}", HOST)), NotSent)

    run()


def test_a_user_and_a_password_in_an_address_are_refused_and_not_repeated() -> None:
    @in_loop
    async def run() -> None:
        async with Peer(answering(OK)) as peer:
            address = f"http://marie:hush@{HOST}:{peer.port}/"
            for headers in ([], [("Authorization", "Bearer x")]):
                told = reason(await call(address, headers=headers), NotSent)
                assert "user" in told
                assert "hush" not in told
            assert peer.connections == 0

    run()


def test_one_header_of_a_name_goes_out_ours_giving_way() -> None:
    @in_loop
    async def run() -> None:
        async with Peer(answering(OK)) as peer:
            await call(peer.url, headers=[("user-agent", "Shop/1"), ("Accept-Encoding", "br")])
            head = peer.requests[0].lower()
            assert (head.count(b"user-agent:"), head.count(b"accept-encoding:")) == (1, 1)
            assert b"shop/1" in head

    run()


# -- connections that are kept ---------------------------------------------------------------------------------------


class KeepsThenCloses(threading.Thread):
    """A server of its own thread: answers one request of a connection, and closes that when told to, idle as it is."""

    def __init__(self, *, answer: bytes = OK, context: ssl.SSLContext | None = None) -> None:
        super().__init__(daemon=True)
        self.listening = socket.create_server((HOST, 0))
        self.listening.settimeout(10)
        self.url = f"{'https' if context else 'http'}://{HOST}:{self.listening.getsockname()[1]}"
        self.answer, self.context = answer, context
        self.may_close, self.has_closed = threading.Event(), threading.Event()
        self.requests = 0

    def run(self) -> None:
        for turn in range(2):
            connection, _ = self.listening.accept()
            connection.settimeout(10)
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            if connection.recv(65536):
                self.requests += 1
                connection.sendall(self.answer)
            if turn == 0:
                self.may_close.wait(10)
            connection.close()
            self.has_closed.set()
        self.listening.close()


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_connection_that_was_closed_while_idle_costs_no_message(tmp_path: Path, is_tls: bool, loop: str) -> None:
    """The loop was busy and has not heard of it yet when the next request is made."""
    server = KeepsThenCloses(context=server_context(tmp_path, issue(HOST, by=CA)) if is_tls else None)
    server.start()

    async def run() -> None:
        client = HttpClient(LOOPBACK, tls=TRUSTED.context())
        request = HttpRequest("POST", server.url, (), b"{}")
        await client.exchange(request, timeout_s=5)
        server.may_close.set()
        assert server.has_closed.wait(5), "meanwhile the loop stands still"
        assert (await client.exchange(request, timeout_s=5)).status == 200
        await client.close()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(run())
    assert server.requests == 2


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": _uvloop}


@pytest.mark.parametrize(
    ("hint", "connections"),
    [("timeout=1", 2), ("max=100, timeout=0", 2), ("timeout=2", 1), ("timeout=60", 1), ("x", 1)],
)
def test_a_connection_that_the_server_keeps_for_a_short_time_is_not_used_again(hint: str, connections: int) -> None:
    """Writing into one that is just being closed leaves it open whether the message was taken."""

    @in_loop
    async def run() -> None:
        answer = OK.replace(b"\r\n\r\n", f"\r\nKeep-Alive: {hint}\r\n\r\n".encode())
        async with Peer(answering(answer)) as peer:
            client = HttpClient(LOOPBACK)
            for _ in range(2):
                await client.exchange(HttpRequest("POST", peer.url, (), b"{}"), timeout_s=5)
            await client.close()
            assert peer.connections == connections

    run()


def test_a_kept_connection_that_closes_upon_the_request_leaves_it_open_whether_it_was_read() -> None:
    """A request that the server read and one that it did not look the same from here: it is not sent again."""

    async def once(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read(reader)
        writer.write(OK)
        await peer.read(reader)

    @in_loop
    async def run() -> None:
        async with Peer(once) as peer:
            client = HttpClient(LOOPBACK)
            request = HttpRequest("PUT", peer.url, (), b"{}")
            await client.exchange(request, timeout_s=5)
            with pytest.raises(NoAnswer):
                await client.exchange(request, timeout_s=5)
            await client.close()
            assert len(peer.requests) == 2

    run()


def test_a_second_request_that_does_not_leave_costs_no_kept_connection() -> None:
    """As after a 401, when the same journey goes on."""

    @in_loop
    async def run() -> None:
        async with Peer(answering(OK)) as peer:
            client, journey = HttpClient(LOOPBACK), Journey()
            good_one, bad_one = HttpRequest("POST", peer.url, (), b"{}"), HttpRequest("POST", f"http://{HOST}:1/")
            await client.exchange(good_one, timeout_s=5, journey=journey)
            with pytest.raises(NotSent):
                await client.exchange(bad_one, timeout_s=5, journey=journey)
            assert not journey.has_left
            await client.exchange(good_one, timeout_s=5, journey=journey)
            await client.close()
            assert peer.connections == 1

    run()


# -- where may be called ---------------------------------------------------------------------------------------------

STRICT = EgressPolicy()
INWARDS = [
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "0",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::1]",
    "[::]",
    "[64:ff9b::7f00:1]",
    "localhost",
    "LOCALHOST",
    "LocalHost.",
    "127.0.0.1.",
    "169.254.169.254",
    "127。0。0。1",
    "①②⑦.0.0.1",
    "%31%32%37.0.0.1",
    "api.example@127.0.0.1",
    "127.0.0.1\\@api.example",
    "127.0.0.1%00.api.example",
    "[fe80::1%25eth0]",
    "[::1%25lo]",
]


@pytest.mark.parametrize("host", INWARDS)
def test_an_inward_host_in_any_disguise_is_not_called(host: str) -> None:
    @in_loop
    async def run() -> None:
        async with Peer(answering(OK)) as peer:
            port = "" if host == "169.254.169.254" else f":{peer.port}"
            reason(await call(f"http://{host}{port}/", egress=STRICT, connect_s=2), NotSent)
            assert peer.connections == 0

    run()


@pytest.mark.parametrize("name", ["api.example", "API.example", "api.example."])
def test_a_name_that_leads_inwards_is_not_called(name: str) -> None:
    @in_loop
    async def run() -> None:
        async with Peer(answering(OK)) as peer:
            Resolver(api_example=["127.0.0.1"], API_example=["127.0.0.1"]).install()
            told = reason(await call(f"http://{name}:{peer.port}/", egress=STRICT), NotSent)
            assert "127.0.0.1" in told
            assert "Private networks allowed" in told
            assert peer.connections == 0

    run()


def test_a_name_that_leads_elsewhere_the_second_time_is_not_followed() -> None:
    """The address that was looked at is the one connected to: nothing is looked up in between."""

    @in_loop
    async def run() -> None:
        async with Peer(answering(OK)) as inside:
            # The first address is public by this policy, and nobody is there; the second is within.
            policy = EgressPolicy(networks=LOOPBACK.networks[:0], hosts=())
            resolver = Resolver(api_example=["192.0.2.1", "127.0.0.1"]).install()
            connected: list[object] = []
            loop = asyncio.get_running_loop()

            async def sock_connect(_: socket.socket, address: object) -> None:
                connected.append(address)
                raise ConnectionRefusedError(111, "nobody is there")

            loop.sock_connect = sock_connect  # type: ignore[method-assign,assignment]
            resolver._answers["api.example"][0] = "93.184.216.34"
            told = reason(await call(f"http://api.example:{inside.port}/", egress=policy), NotSent)
            assert "refused" in told
            assert connected == [("93.184.216.34", inside.port)]
            assert resolver.asked == ["api.example"]
            assert "private" in reason(await call(f"http://api.example:{inside.port}/", egress=policy), NotSent)
            assert inside.connections == 0

    run()


@pytest.mark.parametrize("allowed", ["network", "host"])
def test_what_is_allowed_may_be_called_and_what_is_beside_it_may_not(allowed: str) -> None:
    @in_loop
    async def run() -> None:
        async with Peer(answering(OK)) as peer:
            Resolver(api_intern=["127.0.0.1"], evil_example=["127.0.0.1"]).install()
            if allowed == "host":
                egress = EgressPolicy(hosts=("api.intern",))
                client = HttpClient(egress)
                request = HttpRequest("POST", f"http://API.intern:{peer.port}/")
                Resolver(API_intern=["127.0.0.1"], api_intern=["127.0.0.1"], evil_example=["127.0.0.1"]).install()
                assert (await client.exchange(request, timeout_s=5)).status == 200
                for other in ("evil.example", "127.0.0.1"):
                    with pytest.raises(NotSent):
                        await client.exchange(HttpRequest("POST", f"http://{other}:{peer.port}/"), timeout_s=5)
                await client.close()
                assert len(peer.requests) == 1
            else:
                good(await call(f"http://api.intern:{peer.port}/", egress=LOOPBACK))
                reason(await call(f"http://[::1]:{peer.port}/", egress=LOOPBACK), NotSent)

    run()


def test_no_secret_of_a_header_or_an_address_is_in_what_is_said_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Of the query, which may hold an API key, nothing is said either."""
    caplog.set_level(logging.DEBUG)

    @in_loop
    async def run() -> None:
        headers = [("Authorization", "Bearer s3cr3t-header")]
        outcomes = [
            await call(f"http://{HOST}:1/?key=s3cr3t-query", headers=headers),
            await call("http://127.0.0.1:99999/?key=s3cr3t-query", headers=headers),
            await call("nonsense?key=s3cr3t-query", headers=headers),
            await call("http://10.0.0.1/?key=s3cr3t-query", headers=headers, egress=STRICT),
        ]
        async with Peer(answering(b"s3cr3t")) as peer:
            outcomes.append(await call(f"{peer.url}/?key=s3cr3t-query", headers=headers, timeout_s=0.3))
            outcomes.append(await call(f"{peer.url}/", headers=[("X", "s3cr3t\r\n")]))
        assert not [one for one in outcomes if isinstance(one, HttpResponse)]
        assert "s3cr3t" not in " ".join(map(str, outcomes))

    run()
    assert "s3cr3t" not in caplog.text
