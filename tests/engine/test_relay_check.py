"""The test of a mid-sourcing account, against a peer that answers as mid does."""

import asyncio
import base64
import json
import time
from collections.abc import Callable

from tests.engine.http_peer import Peer, Script

from chappe import __version__
from chappe.engine.net.verification import Subject, Verification, verify

PASSWORD = "a winter sea without any boats"


def answering(status: str, kind: str, content: Callable[[], object]) -> Script:
    async def script(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await peer.read(reader):
            body = json.dumps(content()).encode()
            head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()

    return script


def checked(script: Script, number: str = "") -> tuple[Verification, list[bytes]]:
    async def run() -> tuple[Verification, list[bytes]]:
        async with Peer(script) as peer:
            public = {
                "internal_name": "crm",
                "base_url": peer.url,
                "operator": "sms",
                "allowed_networks": "127.0.0.0/8",
            }
            found = await verify(Subject("relay", public, {"password": PASSWORD}), test_number=number or None)
            return found, peer.requests

    return asyncio.run(run())


def told() -> object:
    return {
        "account": "sms_crm",
        "operator": "sms",
        "is_enabled": True,
        "rights": ["administration"],
        "version": __version__,
        "now_ms": int(time.time() * 1000),
        "connection": "North",
        "warnings": [],
    }


def test_everything_that_has_to_be_right_is_found_one_by_one() -> None:
    found, requests = checked(answering("200 OK", "application/json", told))
    assert found.is_usable
    words = [one.text for one in found.findings]
    order = [
        word for text in words for word in ("TLS", "Address", "Sign-in", "Version", "Clock", "Account") if word in text
    ]
    assert order == ["TLS", "Address", "Sign-in", "Version", "Clock", "Account"]
    proof = base64.b64encode(f"sms:{PASSWORD}".encode())
    assert b"GET /v1/relay/accounts/crm HTTP/1.1" in requests[-1]
    assert b"Basic " + proof in requests[-1]
    (shown,) = found.exchanges
    assert shown.reading == "the credentials are right"
    assert PASSWORD not in str(found)
    assert proof.decode() not in str(found)


def test_what_is_wrong_is_the_reading_of_the_exchange() -> None:
    words = {"title": "Unauthorized", "status": 401, "detail": "The password is wrong."}
    found, _ = checked(answering("401 Unauthorized", "application/problem+json", lambda: words))
    assert not found.is_usable
    assert found.exchanges[0].reading.startswith("Sign-in: the operator's login, password or key is wrong")


def test_no_test_message_goes_through_another_chappe() -> None:
    found, requests = checked(answering("200 OK", "application/json", told), "+33612345678")
    assert not found.is_usable
    assert "send a delivery" in found.findings[0].text
    assert requests == []
