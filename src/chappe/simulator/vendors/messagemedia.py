"""MessageMedia (Sinch Engage), Messages API v1: as the official Python SDK 2.1 and the vendor's pages have it."""

import base64
import re
import uuid
from collections.abc import Sequence
from email.utils import format_datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ..http_hooks import Call, Headers
from ..http_quirks import VendorRefusal, is_url
from ..http_server import JSON, Answer, Request, json_answer, json_object
from .form import iso_ms, segments, utc_now
from .message import Reply, Report, Text
from .proof import credentials, matches
from .vendor import Decline, Vendor

NUMBER: Final = re.compile(r"\+[1-9]\d{5,14}")
MOST_MESSAGES: Final = 100
LONGEST_CONTENT: Final = 5000
DIGESTS: Final = {"SHA224": hashes.SHA224(), "SHA256": hashes.SHA256(), "SHA512": hashes.SHA512()}
CODES: Final = {"submitted": "200", "enroute": "211", "delivered": "220", "expired": "320", "rejected": "402"}
"""Codes beside statuses, where a report is given none; else 101."""
KEY_OCTETS: Final = 2048


class MessageMedia(Vendor):
    KEY = "messagemedia"
    LABEL = "MessageMedia"
    ACCOUNT = {
        "api_key": "user",
        "api_secret": "simulator",
        "digest": "SHA256",
    }
    SENT = "submitted"
    READ = "read"
    CHOICES = {"digest": tuple(DIGESTS)}
    NOTES = {"digest": "of signatures"}

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        """Made when it is first wanted: that takes a tenth of a second."""
        return rsa.generate_private_key(65537, KEY_OCTETS)

    @cached_property
    def _other_key(self) -> rsa.RSAPrivateKey:
        """What wrong signatures are made with."""
        return rsa.generate_private_key(65537, KEY_OCTETS)

    @cached_property
    def _key_id(self) -> str:
        return str(uuid.uuid4())

    def public_key(self) -> dict[str, str]:
        """Base64 of the SubjectPublicKeyInfo, without armour."""
        octets = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {"key_id": self._key_id, "public_key": base64.b64encode(octets).decode("ascii")}

    def answer(self, request: Request, path: list[str]) -> Answer:
        match (request.method, path):
            case ("POST", ["v1", "messages"]):
                self._check(request)
                return self._send(json_object(request.body))
            case ("GET", ["v1", "messaging", "credits"]):
                self._check(request)
                return json_answer(200, {"credits": 1000, "expiry_date": "2100-01-01T00:00:00.000Z"})
            case ("GET", ["v1", "webhooks", "messages"]):
                self._check(request)
                return json_answer(200, {"page": 0, "pageSize": 100, "pageData": []})
            case ("GET", ["v1", "iam", "signature_keys", "enabled"]):
                self._check(request)
                more = {"cipher": "RSA", "digest": self.account["digest"], "enabled": True}
                return json_answer(200, {**self.public_key(), **more})
        return self.not_found()

    def throttled(self) -> Answer:
        return json_answer(429, {"message": "Too many requests"})

    def failed(self, status: int) -> Answer:
        return json_answer(status, {"message": "Internal error"})

    def refused(self, refusal: VendorRefusal) -> Answer:
        return _invalid(f"/messages/0: {refusal.code}")

    def not_found(self) -> Answer:
        return json_answer(404, {"message": "Not found"})

    def _check(self, request: Request) -> None:
        pair = credentials(request.header(b"authorization"))
        key, secret = self.account["api_key"], self.account["api_secret"]
        if pair is None or not (matches(pair[0], key) and matches(pair[1], secret)):
            self.unauthorised(json_answer(401, {"message": "Unauthorized"}))

    def _send(self, values: dict[str, Any] | None) -> Answer:
        """One message that is wrong refuses them all."""
        messages = values.get("messages") if values else None
        if not isinstance(messages, list) or not 0 < len(messages) <= MOST_MESSAGES:
            raise Decline(_invalid(f"/messages: from 1 to {MOST_MESSAGES} messages are expected"))
        problems = [problem for index, one in enumerate(messages) for problem in _problems(f"/messages/{index}", one)]
        if problems:
            raise Decline(_invalid(*problems))
        texts = []
        for one in messages:
            url = one.get("callback_url") or ""
            text = Text(one["destination_number"], str(one.get("source_number") or ""), one["content"], url)
            text.message_id = str(uuid.uuid4())
            text.wants_status = one.get("delivery_report") is True
            text.more = {str(name): str(value) for name, value in (one.get("metadata") or {}).items()}
            texts.append(text)

        def accepted(texts: Sequence[Text]) -> Answer:
            pairs = zip(messages, texts, strict=True)
            return json_answer(202, {"messages": [_entry(one, text) for one, text in pairs]})

        return self.send(texts, accepted)

    def status_calls(self, report: Report, url: str) -> list[Call]:
        text, now = report.text, iso_ms(utc_now())
        values = {
            "delivery_report_id": str(uuid.uuid4()),
            "message_id": text.message_id,
            "status": report.status,
            "error_code": report.code or CODES.get(report.status, "101"),
            "source_number": text.recipient,  # the vendor means whom the report comes from
            "date_received": now,
            "submitted_date": now,
            "delay": 0,
            "billing_units": segments(text.text),
            "original_text": text.text,
            "metadata": text.more,
        }
        return [self._call(url, values, is_forged=text.is_forged)]

    def inbound_url(self, reply: Reply) -> str:
        """A reply goes where the message's reports go; what answers nothing to the account's own address."""
        url = reply.answers.status_url if reply.answers else ""
        return url or self.quirks.inbound_url

    def inbound_call(self, reply: Reply, url: str) -> Call:
        answers = reply.answers
        values = {
            "reply_id": str(uuid.uuid4()),
            "message_id": answers.message_id if answers else "",
            "content": reply.text,
            "source_number": reply.sender,
            "destination_number": reply.recipient,
            "date_received": iso_ms(utc_now()),
            "metadata": answers.more if answers else {},
        }
        return self._call(url, values, is_forged=reply.is_forged)

    def _call(self, url: str, values: dict[str, Any], *, is_forged: bool) -> Call:
        vendor = {"vendor_id": "MessageMedia", "account_id": "Simulator01"}
        body = msgspec.json.encode({**values, "callback_url": url, "vendor_account_id": vendor})
        key, key_id = self._other_key if is_forged else self._key, self._key_id

        def prove() -> Headers:
            date, digest = format_datetime(utc_now(), usegmt=True), self.account["digest"]
            return (
                ("Date", date),
                ("X-MessageMedia-Signature", sign(url, date, body, key, digest)),
                ("X-MessageMedia-Digest-Type", digest),
                ("X-MessageMedia-Cipher-Type", "RSA"),
                ("X-MessageMedia-Key-Id", key_id),
            )

        return Call("POST", url, (("Content-Type", JSON),), body, prove=prove)


def sign(url: str, date: str, body: bytes, key: rsa.RSAPrivateKey, digest: str) -> str:
    """RSA (PKCS #1 v1.5) over the request line, the value of Date and the body, nothing between them; Base64."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    signed = f"POST {target} HTTP/1.1{date}".encode() + body
    return base64.b64encode(key.sign(signed, padding.PKCS1v15(), DIGESTS[digest])).decode("ascii")


def _problems(path: str, values: Any) -> list[str]:
    """What is wrong with one message, as the vendor puts it."""
    if not isinstance(values, dict):
        return [f"{path}: an object is expected"]
    problems = []
    content, number = values.get("content"), values.get("destination_number")
    url, metadata = values.get("callback_url"), values.get("metadata")
    if not isinstance(content, str) or not 0 < len(content) <= LONGEST_CONTENT:
        problems.append(f"{path}/content: from 1 to {LONGEST_CONTENT} characters are expected")
    if not isinstance(number, str) or not NUMBER.fullmatch(number):
        problems.append(f"{path}/destination_number: invalid")
    if url and not (isinstance(url, str) and is_url(url)):
        problems.append(f"{path}/callback_url: invalid")
    if metadata is not None and not (isinstance(metadata, dict) and len(metadata) <= 10):
        problems.append(f"{path}/metadata: at most 10 pairs are expected")
    return problems


def _entry(values: dict[str, Any], text: Text) -> dict[str, Any]:
    return {"format": "SMS", "metadata": {}, **values, "message_id": text.message_id, "status": "queued"}


def _invalid(*details: str) -> Answer:
    return json_answer(400, {"message": "Request was invalid", "details": list(details)})
