"""What simulated HTTP providers answer to those who send."""

import asyncio
import hmac
import json
import time
from hashlib import sha256
from typing import Any

import aiohttp
import jwt
import pytest
from tests.simulator.client import in_loop
from tests.simulator.http_client import (
    PHONE,
    REQUESTS,
    SID,
    SUCCESS,
    Ask,
    basic,
    get,
    key,
    message,
    quirks,
    send,
)

from chappe.simulator import HttpSimulator
from chappe.simulator.http_server import MOST_BODY_OCTETS, MOST_WAITING

VENDORS = list(REQUESTS)


def id_in(vendor: str, answer: Any) -> str:
    """Where each vendor's message id stands."""
    match vendor:
        case "twilio":
            return str(answer["sid"])
        case "link_mobility":
            return str(answer["messageId"])
        case "sinch":
            return str(answer["message_id"])
        case "infobip":
            return str(answer["messages"][0]["messageId"])
        case "messagemedia":
            return str(answer["messages"][0]["message_id"])
        case "vonage":
            return str(answer["messages"][0]["message-id"])
        case "vonage messages":
            return str(answer["message_uuid"])
    return str(answer["id"])


@pytest.mark.parametrize("vendor", VENDORS)
@in_loop
async def test_a_message_is_taken_and_given_an_id(vendor: str) -> None:
    async with HttpSimulator() as simulator:
        answer = await send(simulator, message(vendor, text="Ça va? #12"))
        assert answer.status == SUCCESS[vendor]
        [record] = simulator.messages()
        assert (record.vendor, record.text) == (key(vendor), "Ça va? #12")
        assert record.message_id == id_in(vendor, answer.json) != ""
        assert record.destination.lstrip("+") in (PHONE.lstrip("+"), "ana@example.org")


@pytest.mark.parametrize("vendor", [one for one in VENDORS if one not in ("custom", "vonage")])
@in_loop
async def test_wrong_credentials_are_refused(vendor: str) -> None:
    async with HttpSimulator() as simulator:
        ask = message(vendor)
        for headers in ({}, {"Authorization": "Basic AAAA"}, basic("user", "wrong"), {"Authorization": "Bearer x"}):
            ask.headers = headers
            answer = await send(simulator, ask)
            assert answer.status == 401, headers
            assert answer.json
        assert simulator.stats().vendors[key(vendor)].unauthorised == 4
        assert simulator.messages() == []


@in_loop
async def test_vonage_says_in_a_200_that_credentials_are_wrong() -> None:
    async with HttpSimulator() as simulator:
        ask = message("vonage")
        ask.headers = {}
        answer = await send(simulator, ask)
        assert (answer.status, answer.json["messages"][0]["status"]) == (200, "4")
        assert simulator.messages() == []


@pytest.mark.parametrize(
    ("vendor", "change", "status", "said"),
    [
        ("twilio", {"To": ""}, 400, "21604"),
        ("twilio", {"To": "12"}, 400, "21211"),
        ("twilio", {"From": ""}, 400, "21603"),
        ("twilio", {"Body": ""}, 400, "21602"),
        ("twilio", {"Body": "x" * 1601}, 400, "21617"),
        ("twilio", {"StatusCallback": "nowhere"}, 400, "21609"),
        ("custom", {"text": None}, 422, "missing_text"),
        ("custom", {"callback": "nowhere"}, 422, "invalid_callback"),
        ("esp", {"to": "nobody"}, 422, "invalid_to"),
        ("esp", {"subject": ""}, 422, "missing_subject"),
        ("link_mobility", {"destination": "4799999999"}, 400, "106000"),
        ("link_mobility", {"platformPartnerId": "9"}, 403, "106201"),
        ("link_mobility", {"deliveryReportGates": []}, 400, "106300"),
        ("link_mobility", {"deliveryReportGates": ["other"]}, 400, "106301"),
        ("sinch", {"app_id": "other"}, 404, "NOT_FOUND"),
        ("sinch", {"recipient": {}}, 400, "INVALID_ARGUMENT"),
        ("infobip", {"messages": []}, 400, "E400"),
        ("messagemedia", {"messages": [{"content": "x", "destination_number": "1"}]}, 400, "/messages/0/destination"),
        ("vonage", {"to": "+33612345678"}, 200, '"status":"3"'),
        ("vonage", {"text": ""}, 200, '"status":"2"'),
        ("vonage", {"callback": "https://x.test/" + "y" * 100}, 200, '"status":"23"'),
        ("vonage messages", {"to": "x"}, 422, "Invalid params"),
        ("messagebird", {"recipients": ""}, 422, "no (correct) recipients found"),
        ("messagebird", {"originator": "Alphanumerics"}, 422, '"code":10'),
    ],
)
@in_loop
async def test_what_the_vendor_would_not_take_is_refused(vendor: str, change: Any, status: int, said: str) -> None:
    async with HttpSimulator() as simulator:
        ask = message(vendor)
        ask.body |= change
        answer = await send(simulator, ask)
        assert (answer.status, said in answer.body.decode()) == (status, True), answer.body
        assert simulator.messages() == []


@pytest.mark.parametrize(
    ("vendor", "code", "status", "said"),
    [
        ("twilio", 21610, 400, '"code":21610'),
        ("custom", "barred", 422, "barred"),
        ("link_mobility", 106301, 400, '"status":106301'),
        ("sinch", "INVALID_ARGUMENT", 400, "INVALID_ARGUMENT"),
        ("infobip", 14, 200, "REJECTED_DESTINATION_BLOCKLISTED"),
        ("messagemedia", 302, 400, "302"),
        ("vonage", 15, 200, '"status":"15"'),
        ("vonage messages", 1120, 422, "1120"),
        ("messagebird", 25, 422, '"code":25'),
    ],
)
@in_loop
async def test_recipients_are_refused_by_pattern_with_the_vendor_s_code(
    vendor: str, code: str | int, status: int, said: str
) -> None:
    async with HttpSimulator(quirks(refusals=[{"pattern": "99$", "code": code}])) as simulator:
        refused = await send(simulator, message(vendor, to="+33612345699"))
        assert (refused.status, said in refused.body.decode()) == (status, True), refused.body
        assert (await send(simulator, message(vendor))).status == SUCCESS[vendor]
        stats = simulator.stats()
        assert stats.vendors[key(vendor)].refused == {str(code): 1}
        assert (stats.messages, stats.accepted) == (2, 1)


@in_loop
async def test_infobip_refuses_an_id_that_was_used() -> None:
    async with HttpSimulator() as simulator:
        ask = message("infobip")
        ask.body["messages"][0]["destinations"][0]["messageId"] = "mine"
        first, second = await send(simulator, ask), await send(simulator, ask)
        assert first.json["messages"][0]["status"]["id"] == 26
        assert (second.status, second.json["messages"][0]["status"]["id"]) == (200, 23)


@in_loop
async def test_many_messages_in_a_request_get_an_answer_each() -> None:
    async with HttpSimulator(quirks(refusals=[{"pattern": "2$", "code": 106000}])) as simulator:
        one = message("link_mobility").body
        entries = [{**one, "destination": f"+3361234567{last}", "refId": str(last)} for last in range(3)]
        ask = Ask("/link_mobility/sms/sendbatch", {"sendRequestMessages": entries}, basic("user"))
        answer = await send(simulator, ask)
        assert [entry["resultCode"] for entry in answer.json] == [1005, 1005, 106000]
        assert [entry["refId"] for entry in answer.json] == ["0", "1", "2"]
        assert simulator.stats().accepted == 2


@in_loop
async def test_a_long_text_gets_an_id_for_each_segment_at_vonage() -> None:
    async with HttpSimulator() as simulator:
        answer = await send(simulator, message("vonage", text="x" * 320))
        ids = {entry["message-id"] for entry in answer.json["messages"]}
        assert (answer.json["message-count"], len(ids)) == ("3", 3)


@pytest.mark.parametrize("vendor", [one for one in VENDORS if one != "vonage"])
@in_loop
async def test_too_many_requests_are_answered_429_and_then_taken(vendor: str) -> None:
    async with HttpSimulator(quirks(throttled_fraction=1, retry_after_s=2, unlucky_tries=1)) as simulator:
        first = await send(simulator, message(vendor))
        assert (first.status, first.headers["retry-after"]) == (429, "2")
        assert simulator.stats().accepted == 0
        assert (await send(simulator, message(vendor))).status == SUCCESS[vendor]
        assert simulator.stats().vendors[key(vendor)].throttled == 1


@in_loop
async def test_no_more_are_taken_in_a_second_than_the_limit_says() -> None:
    async with HttpSimulator(quirks("twilio", rate_limit=3, retry_after_s=None)) as simulator:
        answers = [await send(simulator, message("twilio")) for _ in range(5)]
        assert [one.status for one in answers] == [201, 201, 201, 429, 429]
        assert "retry-after" not in answers[-1].headers
        assert simulator.stats().vendors["twilio"].most_in_a_second == 3


@pytest.mark.parametrize("vendor", VENDORS)
@in_loop
async def test_server_errors_take_nothing(vendor: str) -> None:
    async with HttpSimulator(quirks(failure_fraction=1, failure_status=502, unlucky_tries=0)) as simulator:
        for _ in range(2):
            assert (await send(simulator, message(vendor))).status == 502
        stats = simulator.stats()
        assert (stats.messages, stats.accepted, stats.vendors[key(vendor)].failed) == (2, 0, 2)


@in_loop
async def test_a_message_that_is_never_answered_was_taken() -> None:
    async with HttpSimulator(quirks(hang_fraction=1, unlucky_tries=1)) as simulator:
        with pytest.raises(TimeoutError):
            await send(simulator, message("twilio"), timeout_s=0.2)
        stats = simulator.stats()
        assert (stats.accepted, stats.vendors["twilio"].unanswered) == (1, 1)
        assert (await send(simulator, message("twilio"))).status == 201
        assert simulator.stats().duplicates == 1


@in_loop
async def test_recipients_are_unlucky_again_when_the_knobs_change() -> None:
    async with HttpSimulator(quirks("twilio", throttled_fraction=1)) as simulator:
        first = [(await send(simulator, message("twilio"))).status for _ in range(2)]
        simulator.change({"vendors": {"twilio": {"retry_after_s": 5}}})
        assert [*first, (await send(simulator, message("twilio"))).status] == [429, 201, 429]


@in_loop
async def test_an_answer_that_is_cut_was_for_a_message_that_was_taken() -> None:
    async with HttpSimulator(quirks(cut_fraction=1)) as simulator:
        with pytest.raises(aiohttp.ClientPayloadError):
            await send(simulator, message("twilio"))
        assert (simulator.stats().accepted, simulator.stats().vendors["twilio"].cut) == (1, 1)


@in_loop
async def test_garbage_is_answered_to_a_message_that_was_taken() -> None:
    async with HttpSimulator(quirks(garbage_fraction=1)) as simulator:
        answer = await send(simulator, message("twilio"))
        assert answer.status == 201
        with pytest.raises(UnicodeDecodeError):
            answer.json  # noqa: B018 - reading it is what fails
        assert (simulator.stats().accepted, simulator.stats().vendors["twilio"].garbage) == (1, 1)


@in_loop
async def test_the_same_message_again_is_a_duplicate_and_what_did_not_come_is_missing() -> None:
    async with HttpSimulator(quirks()) as simulator:
        simulator.change({"identity": r"#(\d+)"})
        for number in (1, 2, 4, 2):
            await send(simulator, message("custom", text=f"Bonjour #{number}"))
        await send(simulator, message("custom", text="no number"))
        stats = simulator.stats()
        assert (stats.accepted, stats.unique, stats.duplicates, stats.without_identity) == (5, 3, 1, 1)
        assert (await get(simulator, "/simulator/missing?from=1&to=5")).json == {"count": 2, "first": [3, 5]}


@in_loop
async def test_answers_come_in_the_order_of_their_requests() -> None:
    async with HttpSimulator(quirks("custom", latency_ms=50)) as simulator:
        asks = [message("custom", text="slow"), Ask("/nowhere", {}, {}), message("custom", text="slow again")]
        reader, writer = await asyncio.open_connection(simulator.host, simulator.port)
        writer.write(b"".join(_octets(ask) for ask in asks))
        statuses = [(await _answer(reader))[0] for _ in asks]
        assert statuses == [200, 404, 200]
        writer.close()
        await writer.wait_closed()


@in_loop
async def test_more_requests_than_may_wait_are_all_answered_in_turn() -> None:
    count = 3 * MOST_WAITING
    async with HttpSimulator(quirks("custom", latency_ms=20)) as simulator:
        reader, writer = await asyncio.open_connection(simulator.host, simulator.port)
        writer.write(b"".join(_octets(message("custom", text=f"#{number}")) for number in range(count)))
        ids = [json.loads((await _answer(reader))[1])["id"] for _ in range(count)]
        taken = [(one.message_id, one.text) for one in reversed(simulator.messages(limit=count))]
        assert taken == [(one, f"#{number}") for number, one in enumerate(ids)]
        writer.close()
        await writer.wait_closed()


@in_loop
async def test_requests_may_come_in_pieces_of_any_size() -> None:
    async with HttpSimulator() as simulator:
        octets = _octets(message("twilio", text="Ça va ? ☺")) * 3
        for size in (1, 2, 7, 100, 1000):
            reader, writer = await asyncio.open_connection(simulator.host, simulator.port)
            for start in range(0, len(octets), size):
                writer.write(octets[start : start + size])
                await writer.drain()
            assert [(await _answer(reader))[0] for _ in range(3)] == [201] * 3
            writer.close()
            await writer.wait_closed()
        assert {one.text for one in simulator.messages()} == {"Ça va ? ☺"}


@in_loop
async def test_a_head_that_is_too_long_is_refused() -> None:
    async with HttpSimulator() as simulator:
        reader, writer = await asyncio.open_connection(simulator.host, simulator.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 900) for n in range(80)))
        assert (await _answer(reader))[0] == 431
        writer.close()


@in_loop
async def test_a_body_that_is_too_long_is_refused_and_the_connection_closed() -> None:
    async with HttpSimulator() as simulator:
        reader, writer = await asyncio.open_connection(simulator.host, simulator.port)
        length = MOST_BODY_OCTETS + 1
        writer.write(f"POST /custom/messages HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        writer.write(b"x" * length)
        assert (await _answer(reader))[0] == 413
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        writer.close()


@in_loop
async def test_what_is_no_http_is_refused() -> None:
    async with HttpSimulator() as simulator:
        reader, writer = await asyncio.open_connection(simulator.host, simulator.port)
        writer.write(b"\x00\x00\x00\x10bind_transceiver\r\n\r\n")
        assert (await _answer(reader))[0] == 400
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


def _octets(ask: Ask) -> bytes:
    body = ask.octets()
    head = "".join(f"{name}: {value}\r\n" for name, value in ask.all_headers().items())
    return f"POST {ask.path} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = int(head.lower().split("content-length:")[1].split()[0])
    return int(head.split()[1]), await reader.readexactly(length)


# -- who may send ----------------------------------------------------------------------------------------------------


async def _token(simulator: HttpSimulator, path: str, headers: dict[str, str] | None = None, **fields: str) -> Any:
    ask = Ask(path, {"grant_type": "client_credentials", **fields}, headers or {}, True)
    return await send(simulator, ask)


@pytest.mark.parametrize(
    ("vendor", "path", "user"),
    [("sinch", "/sinch/oauth2/token", "client"), ("link_mobility", "/link_mobility/auth/token", "user")],
)
@in_loop
async def test_tokens_are_given_and_taken(vendor: str, path: str, user: str) -> None:
    async with HttpSimulator() as simulator:
        assert (await _token(simulator, path, basic(user, "wrong"))).status == 401
        given = (await _token(simulator, path, basic(user))).json
        ask = message(vendor)
        ask.headers = {"Authorization": f"Bearer {given['access_token']}"}
        assert (await send(simulator, ask)).status == SUCCESS[vendor]
        ask.headers = {"Authorization": f"Bearer {given['access_token']}x"}
        assert (await send(simulator, ask)).status == 401


@in_loop
async def test_a_token_expires_and_its_endpoint_has_its_troubles() -> None:
    knobs = {"token_lifetime_s": 1, "token_refusals": 1, "token_refusal_status": 500, "account": {"auth": "oauth"}}
    async with HttpSimulator(quirks("custom", **knobs)) as simulator:
        names = {"client_id": "client", "client_secret": "simulator"}
        assert (await _token(simulator, "/custom/oauth/token", **names)).status == 500
        given = (await _token(simulator, "/custom/oauth/token", **names)).json
        assert given["expires_in"] == 1
        ask = message("custom")
        ask.headers = {"Authorization": f"Bearer {given['access_token']}"}
        assert (await send(simulator, ask)).status == 200
        end = time.monotonic() + 5
        while (await send(simulator, ask)).status == 200:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        assert simulator.stats().vendors["custom"].tokens == 1


API_KEY = "simulator-key-0123456789-0123456789"


def _mac(body: bytes, secret: str = "simulator") -> str:
    return f"MAC {API_KEY}:{hmac.new(secret.encode(), body, sha256).hexdigest()}"


JWT_KEY = "a key that is long enough for HS256, by far"


@pytest.mark.parametrize(
    ("account", "right", "wrong"),
    [
        ({"auth": "basic"}, lambda body: basic("user"), lambda body: basic("user", "x")),
        ({"auth": "api_key"}, lambda body: {"X-API-Key": API_KEY}, lambda body: {"X-API-Key": "x"}),
        (
            {"auth": "mac"},
            lambda body: {"Authorization": _mac(body)},
            lambda body: {"Authorization": _mac(body + b" ")},
        ),
        (
            {"auth": "jwt", "key": JWT_KEY, "issuer": "us"},
            lambda body: {"Authorization": "Bearer " + jwt.encode({"iss": "us", "exp": time.time() + 60}, JWT_KEY)},
            lambda body: {"Authorization": "Bearer " + jwt.encode({"iss": "us", "exp": time.time() - 60}, JWT_KEY)},
        ),
    ],
    ids=["basic", "api_key", "mac", "jwt"],
)
@in_loop
async def test_a_custom_provider_wants_the_proof_it_is_told_to(account: Any, right: Any, wrong: Any) -> None:
    async with HttpSimulator(quirks("custom", account=account)) as simulator:
        ask = message("custom")
        for proof, status in ((right, 200), (wrong, 401), (lambda body: {}, 401)):
            ask.headers = proof(ask.octets())
            assert (await send(simulator, ask)).status == status


@in_loop
async def test_an_api_key_may_stand_in_the_query() -> None:
    async with HttpSimulator(quirks("custom", account={"auth": "api_key", "header": ""})) as simulator:
        ask = message("custom")
        assert (await send(simulator, ask)).status == 401
        ask.path += f"?api_key={API_KEY}"
        assert (await send(simulator, ask)).status == 200


@in_loop
async def test_a_custom_body_is_read_where_the_account_says() -> None:
    account = {"to_field": "messages.0.recipient", "text_field": "content.body"}
    async with HttpSimulator(quirks("custom", account=account)) as simulator:
        body = {"messages": [{"recipient": PHONE}], "content": {"body": "deep"}, "from": "Acme"}
        assert (await send(simulator, Ask("/custom/messages", body, {}))).status == 200
        assert [(one.destination, one.text) for one in simulator.messages()] == [(PHONE, "deep")]


@in_loop
async def test_vonage_takes_a_signature_for_the_secret() -> None:
    async with HttpSimulator(quirks("vonage", account={"signature_secret": "s3cret"})) as simulator:
        fields = {"api_key": "abcd1234", "to": "33612345678", "from": "Acme", "text": "a & b=c"}
        fields["timestamp"] = str(int(time.time()))
        text = "".join(f"&{name}={fields[name].replace('&', '_').replace('=', '_')}" for name in sorted(fields))
        sig = hmac.new(b"s3cret", text.encode(), sha256).hexdigest()
        status = []
        for change in ({"sig": sig}, {"sig": sig, "text": "other"}, {"sig": sig, "api_secret": "simulator"}):
            answer = await send(simulator, Ask("/vonage/sms/json", {**fields, **change}, {}, True))
            status.append(answer.json["messages"][0]["status"])
        assert status == ["0", "14", "32"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"/twilio/2010-04-01/Accounts/{SID}.json", basic(SID), 200),
        (f"/twilio/2010-04-01/Accounts/{SID}.json", basic(SID, "x"), 401),
        ("/twilio/2010-04-01/Accounts/AC1.json", basic(SID), 404),
        ("/sinch/v1/projects/project/apps/app", basic("client"), 200),
        ("/sinch/v1/projects/project/apps/other", basic("client"), 404),
        ("/infobip/account/1/balance", {"Authorization": "App simulator"}, 200),
        ("/infobip/account/1/balance", {"Authorization": "App x"}, 401),
        ("/messagemedia/v1/messaging/credits", basic("user"), 200),
        ("/vonage/account/get-balance", basic("abcd1234"), 200),
        ("/vonage/account/get-balance?api_key=abcd1234&api_secret=simulator", {}, 200),
        ("/vonage/account/get-balance", {}, 401),
        ("/messagebird/balance", {"Authorization": "AccessKey simulator"}, 200),
        ("/messagebird/balance", {}, 401),
        ("/link_mobility/gate/partnergate/platform/COMMON_API/partner/1234/id/gate-1", basic("user"), 200),
        ("/link_mobility/gate/partnergate/platform/COMMON_API/partner/1234/id/none", basic("user"), 404),
        ("/custom/account", {}, 200),
    ],
)
@in_loop
async def test_credentials_can_be_tried_without_sending(path: str, headers: dict[str, str], status: int) -> None:
    async with HttpSimulator() as simulator:
        answer = await get(simulator, path, headers)
        assert (answer.status, isinstance(json.loads(answer.body), dict)) == (status, True)
