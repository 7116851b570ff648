"""The HTTP side over real sockets."""

import asyncio
import json
from typing import Any

import pytest
from tests.simulator.client import bound, in_loop, numbers

from chappe.simulator import Quirks, Simulator
from chappe.simulator.http import ROUTES


async def ask(smsc: Simulator, method: str, path: str, body: str = "", headers: str = "") -> tuple[int, Any]:
    """Status and JSON of one request on a connection of its own."""
    request = f"{method} {path} HTTP/1.1\r\nHost: sim\r\nContent-Length: {len(body.encode())}\r\n{headers}\r\n{body}"
    return (await converse(smsc, request.encode(), 1))[0]


async def converse(smsc: Simulator, data: bytes, answers: int) -> list[tuple[int, Any]]:
    reader, writer = await asyncio.open_connection(smsc.host, smsc.http_port)
    try:
        writer.write(data)
        found = []
        for _ in range(answers):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().split("content-length:")[1].split()[0])
            found.append((int(head.split()[1]), json.loads(await reader.readexactly(length))))
        return found
    finally:
        writer.close()
        await writer.wait_closed()


@in_loop
async def test_stats_are_answered_in_json() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        client.submit(numbers(3))
        await client.answered()
        status, stats = await ask(smsc, "GET", "/stats")
        assert (status, stats["messages"], stats["unique"]) == (200, 3, 3)
        assert stats["links"][0]["system_id"] == "esme"


@in_loop
async def test_messages_and_what_is_missing_are_answered() -> None:
    async with Simulator(Quirks(identity=r"#(\d+)")) as smsc, bound(smsc) as client:
        client.submit(numbers(3), [b"#0", b"#1", b"#2"])
        client.submit(numbers(1), [b"#2"])
        await client.answered()
        _, messages = await ask(smsc, "GET", f"/messages?destination={numbers(3)[1]}&limit=5")
        assert [one["text"] for one in messages] == ["#1"]
        assert (await ask(smsc, "GET", "/missing?from=1&to=4"))[1] == {"count": 2, "first": [3, 4]}
        assert (await ask(smsc, "GET", "/duplicates"))[1] == {"count": 1, "last": ["2"]}


@in_loop
async def test_knobs_change_while_the_simulator_runs() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        body = json.dumps({"refusals": [{"pattern": "", "status": "ESME_RSYSERR"}]})
        assert (await ask(smsc, "POST", "/quirks", body))[0] == 200
        client.submit(numbers(2))
        await client.answered()
        assert set(client.statuses.values()) == {8}
        _, quirks = await ask(smsc, "GET", "/quirks")
        assert quirks["refusals"][0]["status"] == "ESME_RSYSERR"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"latency": 1}', "latency"),
        ('{"latency_ms": -1}', "latency_ms"),
        ('{"failures": [{"stat": "A", "er": "1"}]}', "failures[0].er"),
        ('{"seed": 3}', "seed"),
        ("[]", "body"),
        ("{", "body"),
    ],
)
@in_loop
async def test_a_wrong_knob_changes_nothing_and_is_named(body: str, field: str) -> None:
    async with Simulator() as smsc:
        before = smsc.quirks
        status, answer = await ask(smsc, "POST", "/quirks", body)
        assert (status, list(answer["errors"])) == (400, [field])
        assert smsc.quirks == before


@in_loop
async def test_passwords_do_not_come_out() -> None:
    async with Simulator(Quirks(accounts={"esme": "sesame"})) as smsc:
        assert "sesame" not in json.dumps(await ask(smsc, "GET", "/quirks"))
        assert "sesame" not in json.dumps(await ask(smsc, "POST", "/quirks", '{"latency_ms": 1}'))
        assert smsc.quirks.accounts == {"esme": "sesame"}


@in_loop
async def test_links_are_dropped_unbound_silenced_and_sent_nonsense_on_request() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        assert (await ask(smsc, "POST", "/garbage", '{"kind": "unknown"}'))[1] == {"links": 1}
        await client.until(lambda: client.log)
        assert (await ask(smsc, "POST", "/drop", '{"link": 7}'))[1] == {"links": 0}
        assert (await ask(smsc, "POST", "/unbind", '{"system_id": "esme"}'))[1] == {"links": 1}
        await client.until(lambda: client.is_closed)
        async with bound(smsc) as other:
            assert (await ask(smsc, "POST", "/silence"))[1] == {"links": 1}
            assert (await ask(smsc, "POST", "/drop"))[1] == {"links": 1}
            await other.until(lambda: other.is_closed)


@in_loop
async def test_throttling_texts_and_resets_are_asked_for_over_http() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        await ask(smsc, "POST", "/throttle", '{"seconds": 100}')
        client.submit(numbers(1))
        await client.answered()
        assert client.statuses == {0: 0x58}
        assert (await ask(smsc, "POST", "/inbound", '{"text": "STOP", "count": 2}'))[1] == {"deliver_sm": 2}
        await client.delivered(2)
        assert (await ask(smsc, "POST", "/inbound", '{"text": "☀"}'))[0] == 400
        assert (await ask(smsc, "POST", "/reset"))[0] == 200
        assert smsc.stats().messages == 0


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", 404),
        ("GET", "/drop", 405),
        ("PUT", "/quirks", 405),
        ("GET", "/missing?from=1", 400),
        ("GET", "/missing?from=2&to=1", 400),
        ("GET", "/missing?from=0&to=99999999999", 400),
        ("GET", "/messages?limit=many", 400),
        ("GET", "/messages?number=1", 400),
        ("POST", "/drop?link=1", 200),
    ],
)
@in_loop
async def test_bad_requests_are_told_what_is_wrong(method: str, path: str, expected: int) -> None:
    async with Simulator() as smsc:
        status, answer = await ask(smsc, method, path)
        assert status == expected
        assert status == 200 or answer["errors"]


@in_loop
async def test_requests_that_a_browser_makes_for_another_site_are_not_taken() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        assert (await ask(smsc, "POST", "/drop", headers="Origin: https://elsewhere.example\r\n"))[0] == 403
        await client.settled()


@in_loop
async def test_what_is_no_http_and_what_is_too_long_is_refused_and_the_connection_closed() -> None:
    async with Simulator() as smsc:
        assert (await converse(smsc, b"\x00\x01\x02 nonsense\r\n\r\n", 1))[0][0] == 400
        long = b"POST /quirks HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n" + b" " * 2_000_000
        assert (await converse(smsc, long, 1))[0][0] == 413
        assert (await ask(smsc, "GET", "/stats"))[0] == 200


@in_loop
async def test_several_requests_on_one_connection_are_answered_in_order() -> None:
    async with Simulator() as smsc:
        data = b"GET /nothing HTTP/1.1\r\n\r\nGET /stats HTTP/1.1\r\n\r\nGET /quirks HTTP/1.1\r\n\r\n"
        assert [status for status, _ in await converse(smsc, data, 3)] == [404, 200, 200]


def test_every_path_has_a_method() -> None:
    assert all(ROUTES.values())
