"""Status reports and texts from phones, as simulated HTTP providers bring them."""

import base64
import hashlib
import hmac
from typing import Any

import jwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_der_public_key
from tests.simulator.client import in_loop
from tests.simulator.http_client import (
    PHONE,
    REQUESTS,
    Hook,
    Receiver,
    basic,
    control,
    get,
    key,
    message,
    quirks,
    receiver,
    send,
    settled,
    until,
)

from chappe.simulator import HttpSimulator

HOOK_ACCOUNT = {"custom": {"hook_auth": "hmac"}, "esp": {"hook_auth": "basic"}}
PUBLIC = "https://hooks.example.org/chappe/hook?conn=42&t=a%20b"
"""What vendors are told, and sign; a proxy that is not there would have sent it on."""
DELIVERED = {
    "twilio": "delivered",
    "custom": "delivered",
    "esp": "delivered",
    "link_mobility": 1001,
    "sinch": "DELIVERED",
    "infobip": 5,
    "messagemedia": "delivered",
    "vonage": "delivered",
    "vonage messages": "delivered",
    "messagebird": "delivered",
}


def status_in(vendor: str, hook: Hook) -> Any:
    match vendor:
        case "twilio":
            return hook.fields["MessageStatus"]
        case "link_mobility":
            return hook.json["resultCode"]
        case "sinch":
            return hook.json["message_delivery_report"]["status"]
        case "infobip":
            return hook.json["results"][0]["status"]["id"]
        case "vonage" | "messagebird":
            return hook.fields["status"]
    return hook.json["status"]


def is_proven(vendor: str, hook: Hook, url: str, simulator: HttpSimulator) -> bool:
    """Whether the hook proves whose it is, told by the rules in the vendor's documents."""
    headers, account = hook.headers, simulator.vendors[key(vendor)].account
    match vendor:
        case "twilio":
            signed = url + "".join(name + hook.fields[name] for name in sorted(hook.fields))
            right = base64.b64encode(hmac.digest(b"simulator", signed.encode(), "sha1")).decode()
            return headers["x-twilio-signature"] == right
        case "link_mobility":
            return headers["authorization"] == basic("user")["Authorization"]
        case "infobip" | "esp":
            return headers["authorization"] == basic("hook")["Authorization"]
        case "sinch":
            nonce, moment = (headers[f"x-sinch-webhook-signature-{name}"] for name in ("nonce", "timestamp"))
            right_octets = hmac.digest(b"simulator", hook.body + f".{nonce}.{moment}".encode(), "sha256")
            return base64.b64decode(headers["x-sinch-webhook-signature"]) == right_octets
        case "messagemedia":
            return _is_rsa(hook, simulator)
        case "vonage":
            fields = hook.fields
            sig = fields.pop("sig")
            fields = {name: value.replace("&", "_").replace("=", "_") for name, value in fields.items()}
            text = "".join(f"&{name}={fields[name]}" for name in sorted(fields))
            return hmac.digest(account["signature_secret"].encode(), text.encode(), "sha256").hex() == sig.lower()
        case "vonage messages":
            token = headers["authorization"].removeprefix("Bearer ")
            claims = _claims(token, account["signature_secret"])
            return bool(claims) and claims["payload_hash"] == hashlib.sha256(hook.body).hexdigest()
        case "messagebird":
            claims = _claims(headers["messagebird-signature-jwt"], account["signing_key"])
            return bool(claims) and _is_of(claims, url, hook)
        case "custom":
            return headers["x-signature"] == hmac.digest(b"simulator", hook.body, "sha256").hex()
    raise AssertionError(vendor)


def _claims(token: str, secret: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(token, secret, ["HS256"], options={"require": ["iss"]})
    except jwt.InvalidSignatureError:
        return {}
    return claims


def _is_of(claims: dict[str, Any], url: str, hook: Hook) -> bool:
    """A report stands in the query, after what the URL had before."""
    full = url if hook.method == "POST" else url.partition("?")[0] + "?" + hook.target.partition("?")[2]
    body_hash = hashlib.sha256(hook.body).hexdigest() if hook.body else None
    is_right = claims["url_hash"] == hashlib.sha256(full.encode()).hexdigest()
    return is_right and claims["iss"] == "MessageBird" and claims.get("payload_hash") == body_hash


def _is_rsa(hook: Hook, simulator: HttpSimulator) -> bool:
    known = simulator.public_keys()["messagemedia"]
    assert hook.headers["x-messagemedia-key-id"] == known["key_id"]
    signed = f"POST {hook.target} HTTP/1.1{hook.headers['date']}".encode() + hook.body
    public_key: Any = load_der_public_key(base64.b64decode(known["public_key"]))
    signature = base64.b64decode(hook.headers["x-messagemedia-signature"])
    try:
        public_key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def knobs(vendor: str, hooks: Receiver, **more: Any) -> dict[str, Any]:
    """Hooks go to the receiver whatever their URL says."""
    name = key(vendor)
    account = HOOK_ACCOUNT.get(name, {})
    return {"hook_address": hooks.address, "account": account, "inbound_url": PUBLIC, **more}


@pytest.mark.parametrize("vendor", list(REQUESTS))
@in_loop
async def test_a_message_names_where_its_report_goes(vendor: str) -> None:
    async with receiver() as hooks, HttpSimulator(quirks(key(vendor), **knobs(vendor, hooks))) as simulator:
        url = PUBLIC if vendor != "link_mobility" else ""
        if not url:
            simulator.change({"vendors": {key(vendor): {"status_url": PUBLIC}}})
        await send(simulator, message(vendor, url=url))
        [hook] = await hooks.got(1)
        assert hook.target.startswith("/chappe/hook?conn=42&t=a%20b")
        assert hook.headers["host"] == "hooks.example.org"
        assert status_in(vendor, hook) == DELIVERED[vendor]
        assert is_proven(vendor, hook, PUBLIC, simulator)
        assert simulator.messages()[0].message_id in hook.body.decode() + hook.target
        await settled(simulator)
        stats = simulator.stats().statuses
        assert (stats.planned, stats.acknowledged, stats.held) == (1, 1, 0)
        assert stats.p50_ms is not None


@pytest.mark.parametrize("vendor", list(REQUESTS))
@in_loop
async def test_a_text_from_a_phone_is_brought_on_demand(vendor: str) -> None:
    async with receiver() as hooks, HttpSimulator(quirks(key(vendor), **knobs(vendor, hooks))) as simulator:
        if vendor == "vonage messages":
            simulator.change({"vendors": {"vonage": {"account": {"inbound_api": "messages"}}}})
        order: dict[str, Any] = {"vendor": key(vendor), "from": PHONE, "to": "+33700000001", "text": "Oui & là"}
        assert (await control(simulator, "inbound", **order)).json == {"texts": 1}
        [hook] = await hooks.got(1)
        assert is_proven(vendor, hook, PUBLIC, simulator)
        body = str(hook.fields) if "form" in hook.headers["content-type"] else str(hook.json)
        assert all(part in body for part in ("33612345678", "33700000001", "Oui & là"))
        await settled(simulator)
        assert simulator.stats().texts.acknowledged == 1


@pytest.mark.parametrize("vendor", list(REQUESTS))
@in_loop
async def test_a_wrong_signature_is_wrong(vendor: str) -> None:
    async with receiver() as hooks:
        more = knobs(vendor, hooks, wrong_signature_fraction=1, status_url=PUBLIC)
        async with HttpSimulator(quirks(key(vendor), **more)) as simulator:
            await send(simulator, message(vendor))
            [hook] = await hooks.got(1)
            assert not is_proven(vendor, hook, PUBLIC, simulator)


@pytest.mark.parametrize("method", ["md5hash", "md5", "sha1", "sha256", "sha512"])
@pytest.mark.parametrize("form", ["get", "post", "json"])
@in_loop
async def test_vonage_signs_by_the_method_of_the_account(method: str, form: str) -> None:
    account = {"signature_secret": "s3cret", "signature_method": method, "hook_form": form}
    async with receiver() as hooks, HttpSimulator(quirks("vonage", account=account)) as simulator:
        await send(simulator, message("vonage", url=f"{hooks.base}/dlr"))
        [hook] = await hooks.got(1)
        assert hook.method == ("GET" if form == "get" else "POST")
        fields = hook.json if form == "json" else hook.fields
        sig = fields.pop("sig")
        text = "".join(f"&{name}={fields[name]}" for name in sorted(fields))
        if method == "md5hash":
            assert hashlib.md5(f"{text}s3cret".encode()).hexdigest() == sig.lower()
        else:
            assert hmac.digest(b"s3cret", text.encode(), method).hex() == sig.lower()


async def statuses(hooks: Receiver, count: int, **more: Any) -> list[Any]:
    """What custom's reports of one message say, in the order they came."""
    values = quirks("custom", status_url=f"{hooks.base}/s", **more)
    async with HttpSimulator(values) as simulator:
        await send(simulator, message("custom"))
        await settled(simulator)
        said = [hook.json["status"] for hook in hooks.hooks]
        assert len(said) == count
        return said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"intermediate": True}, ["sent", "delivered"]),
        ({"duplicate_fraction": 1, "duplicate_after_ms": 60}, ["delivered", "delivered"]),
        ({"out_of_order_fraction": 1, "intermediate": True}, ["delivered", "sent"]),
        ({"unknown_fraction": 1, "unknown_status": "pigeon"}, ["pigeon", "delivered"]),
        ({"read_fraction": 1}, ["delivered", "read"]),
        (
            {"failures": [{"status": "undeliverable", "code": "30003", "fraction": 1}], "read_fraction": 1},
            ["undeliverable"],
        ),
        ({"never_fraction": 1}, []),
        ({"status_hooks": False}, []),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
@in_loop
async def test_reports_come_as_the_knobs_say(more: dict[str, Any], said: list[str]) -> None:
    async with receiver() as hooks:
        assert await statuses(hooks, len(said), **{"status_delay_ms": 200, **more}) == said


@in_loop
async def test_a_hook_that_is_not_taken_is_called_again_and_given_up() -> None:
    async with receiver() as hooks, HttpSimulator(quirks("custom", status_url=f"{hooks.base}/s")) as simulator:
        simulator.change({"hook_tries": 3, "hook_pause_ms": 1})
        hooks.statuses = [500, 401]
        await send(simulator, message("custom", text="one"))
        await settled(simulator)
        hooks.statuses = [503] * 3
        await send(simulator, message("custom", text="two"))
        await settled(simulator)
        stats = simulator.stats().statuses
        assert (len(hooks.hooks), stats.calls, stats.acknowledged, stats.given_up) == (6, 6, 1, 1)
        assert (stats.sent_again, stats.refused) == (4, {500: 1, 401: 1, 503: 3})


@in_loop
async def test_a_hook_that_nobody_listens_to_is_counted() -> None:
    async with receiver() as hooks:
        gone = hooks.base
    async with HttpSimulator(quirks("custom", status_url=f"{gone}/s")) as simulator:
        simulator.change({"hook_tries": 2, "hook_pause_ms": 1})
        await send(simulator, message("custom"))
        await settled(simulator)
        stats = simulator.stats().statuses
        assert (stats.unanswered, stats.given_up, stats.p99_ms) == (2, 1, None)


@in_loop
async def test_infobip_brings_up_to_a_hundred_reports_in_a_call() -> None:
    async with receiver() as hooks:
        more = {"status_url": f"{hooks.base}/s", "status_delay_ms": 300}
        async with HttpSimulator(quirks("infobip", **more)) as simulator:
            ask = message("infobip")
            ask.body["messages"][0]["destinations"] = [{"to": f"336123{number:05d}"} for number in range(150)]
            await send(simulator, ask)
            await settled(simulator)
            sizes = [len(hook.json["results"]) for hook in hooks.hooks]
            # Reports that are due at nearly the same time go together; how many are, the machine's load decides.
            assert sum(sizes) == 150
            assert 1 < max(sizes) <= 100
            assert len(sizes) < 150
            stats = simulator.stats().statuses
            assert stats.planned == stats.acknowledged == len(sizes)


@in_loop
async def test_each_segment_of_a_long_text_is_reported_by_link_mobility_and_vonage() -> None:
    async with receiver() as hooks, HttpSimulator(quirks(status_url=f"{hooks.base}/s")) as simulator:
        await send(simulator, message("link_mobility", text="x" * 170))
        [first, second] = await hooks.got(2)
        message_id = simulator.messages()[0].message_id
        assert {first.json["id"], second.json["id"]} == {f"{message_id}$0", f"{message_id}$1"}
        hooks.hooks.clear()
        answer = await send(simulator, message("vonage", text="x" * 170))
        ids = {entry["message-id"] for entry in answer.json["messages"]}
        assert {hook.fields["messageId"] for hook in await hooks.got(2)} == ids


@in_loop
async def test_messagebird_reports_only_what_has_a_reference() -> None:
    async with receiver() as hooks, HttpSimulator(quirks(status_url=f"{hooks.base}/s")) as simulator:
        await send(simulator, message("messagebird", reference=""))
        await send(simulator, message("messagebird", reference="r-2"))
        await settled(simulator)
        assert [hook.fields["reference"] for hook in hooks.hooks] == ["r-2"]


@in_loop
async def test_people_reply_to_what_they_are_sent() -> None:
    async with receiver() as hooks:
        rule = {"text": "STOP", "reply_to": "STOP au", "delay_ms": 0}
        async with HttpSimulator(quirks("twilio", inbound_url=f"{hooks.base}/in", inbound=[rule])) as simulator:
            await send(simulator, message("twilio", text="Bonjour"))
            await send(simulator, message("twilio", text="Promo ! STOP au 38600"))
            await settled(simulator)
            [hook] = hooks.hooks
            found = {name: hook.fields[name] for name in ("From", "To", "Body", "OptOutType")}
            assert found == {"From": PHONE, "To": "+15017122661", "Body": "STOP", "OptOutType": "STOP"}


@in_loop
async def test_texts_come_at_a_rate_until_they_are_told_not_to() -> None:
    async with receiver() as hooks:
        rule = {"text": "Hello", "per_s": 200, "sender": "+3361{n:07d}"}
        async with HttpSimulator(quirks("custom", inbound_url=f"{hooks.base}/in", inbound=[rule])) as simulator:
            await hooks.got(20)
            await control(simulator, "quirks", vendors={"custom": {"inbound": []}})
            await settled(simulator)
            planned = simulator.stats().texts.planned
            assert {hook.json["from"] for hook in hooks.hooks} == {f"+3361{n:07d}" for n in range(1, planned + 1)}


@in_loop
async def test_a_reply_goes_to_the_address_of_the_message_at_messagemedia() -> None:
    async with receiver() as hooks:
        rule = {"text": "Yes", "reply_to": "", "delay_ms": 0}
        more = {"inbound": [rule], "status_hooks": False}
        async with HttpSimulator(quirks("messagemedia", **more)) as simulator:
            await send(simulator, message("messagemedia", url=f"{hooks.base}/cb"))
            [hook] = await hooks.got(1)
            assert (hook.target, hook.json["content"]) == ("/cb", "Yes")
            assert hook.json["message_id"] == simulator.messages()[0].message_id


@in_loop
async def test_the_public_key_is_shown() -> None:
    async with HttpSimulator() as simulator:
        shown = (await get(simulator, "/simulator/keys")).json["messagemedia"]
        assert load_der_public_key(base64.b64decode(shown["public_key"]))
        answer = await get(simulator, "/messagemedia/v1/iam/signature_keys/enabled", basic("user"))
        assert answer.json["public_key"] == shown["public_key"]


@in_loop
async def test_latencies_of_hooks_are_told() -> None:
    async with receiver() as hooks, HttpSimulator(quirks("custom", status_url=f"{hooks.base}/s")) as simulator:
        for number in range(20):
            await send(simulator, message("custom", text=f"#{number}"))
        await until(lambda: simulator.stats().statuses.acknowledged == 20)
        stats = simulator.stats().statuses
        assert stats.p50_ms is not None
        assert stats.p99_ms is not None
        assert 0 < stats.p50_ms <= stats.p99_ms
