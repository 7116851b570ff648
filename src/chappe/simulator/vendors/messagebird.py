"""MessageBird (Bird), SMS REST API: as messagebird/python-rest-api 2.2 and the vendor's pages have it."""

import hashlib
import re
import time
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import jwt

from ..http_hooks import Call
from ..http_quirks import VendorRefusal, is_url
from ..http_server import FORM, JSON, Answer, Request, form_fields, json_answer, json_object
from .form import utc_now
from .message import Reply, Report, Text
from .proof import forged, matches
from .vendor import Decline, Vendor

NUMBER: Final = re.compile(r"\+?[1-9]\d{6,14}")
MOST_RECIPIENTS: Final = 50
LONGEST_BODY: Final = 1377
LONGEST_NAME: Final = 11
ALGORITHMS: Final = ("HS256", "HS384", "HS512")
LIFETIME_S: Final = 300
STATUSES: Final = {2: 401, 20: 404, 21: 400, 25: 422, 98: 404, 99: 500}
"""HTTP statuses beside the vendor's codes; others are answered 422."""


class MessageBird(Vendor):
    KEY = "messagebird"
    LABEL = "MessageBird"
    ACCOUNT = {
        "access_key": "simulator",
        "signing_key": "simulator-signing-key-0123456789-0123456789-0123456789-0123456789",
        "algorithm": "HS256",
    }
    CHOICES = {"algorithm": ALGORITHMS}
    NOTES = {"algorithm": "of the tokens that sign hooks with `signing_key`"}

    def answer(self, request: Request, path: list[str]) -> Answer:
        match (request.method, path):
            case ("POST", ["messages"]):
                self._check(request)
                return self._send(request)
            case ("GET", ["balance"]):
                self._check(request)
                return json_answer(200, {"payment": "prepaid", "type": "euros", "amount": 103.7})
        return self.not_found()

    def throttled(self) -> Answer:
        return json_answer(429, {"errors": [{"code": 29, "description": "Too many requests", "parameter": None}]})

    def failed(self, status: int) -> Answer:
        return json_answer(status, {"errors": [{"code": 99, "description": "Internal error", "parameter": None}]})

    def refused(self, refusal: VendorRefusal) -> Answer:
        code = int(refusal.code) if str(refusal.code).isdecimal() else 10
        return _error(code, "The message was refused", None)

    def not_found(self) -> Answer:
        return _error(20, "Not found", None)

    def _check(self, request: Request) -> None:
        scheme, _, key = request.header(b"authorization").partition(" ")
        if scheme != "AccessKey" or not matches(key, self.account["access_key"]):
            self.unauthorised(_error(2, "Request not allowed (incorrect access_key)", "access_key"))

    def _send(self, request: Request) -> Answer:
        is_json = JSON in request.header(b"content-type")
        values: dict[str, Any] = (json_object(request.body) or {}) if is_json else {**form_fields(request.body)}
        recipients = _recipients(values.get("recipients"))
        if problem := _problem(values, recipients):
            raise Decline(problem)
        texts = [Text(one.lstrip("+"), str(values["originator"]), values["body"]) for one in recipients]
        message_id = uuid.uuid4().hex
        for text in texts:
            text.message_id = message_id
            text.reference = str(values.get("reference") or "")
            text.status_url = str(values.get("reportUrl") or "")
            # No report comes without a reference.
            text.wants_status = bool(text.reference)

        def accepted(texts: Sequence[Text]) -> Answer:
            return json_answer(201, _message(values, message_id, texts))

        return self.send(texts, accepted)

    def status_calls(self, report: Report, url: str) -> list[Call]:
        text = report.text
        fields = {
            "id": text.message_id,
            "reference": text.reference,
            "recipient": text.recipient,
            "status": report.status,
            "statusDatetime": _time(utc_now()),
            "mccmnc": "20408",
            "ported": "0",
        }
        if report.code:
            fields |= {"statusReason": "simulated", "statusErrorCode": report.code}
        parts = urlsplit(url)
        full = f"{url}{'&' if parts.query else '?'}{urlencode(fields)}"
        return [Call("GET", full, self._proof(full, b"", is_forged=text.is_forged))]

    def inbound_call(self, reply: Reply, url: str) -> Call:
        fields = {
            "id": uuid.uuid4().hex,
            "originator": reply.sender.lstrip("+"),
            "recipient": reply.recipient.lstrip("+"),
            "body": reply.text,
            "createdDatetime": _time(utc_now()),
        }
        body = urlencode(fields).encode()
        headers = (("Content-Type", FORM), *self._proof(url, body, is_forged=reply.is_forged))
        return Call("POST", url, headers, body)

    def _proof(self, url: str, body: bytes, *, is_forged: bool) -> tuple[tuple[str, str], ...]:
        """`MessageBird-Signature-JWT`: hashes of the whole URL and, where there is one, of the body."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": "MessageBird",
            "nbf": now,
            "exp": now + LIFETIME_S,
            "jti": str(uuid.uuid4()),
            "url_hash": hashlib.sha256(url.encode()).hexdigest(),
        }
        if body:
            claims["payload_hash"] = hashlib.sha256(body).hexdigest()
        key = forged(self.account["signing_key"], is_forged=is_forged)
        return (("MessageBird-Signature-JWT", jwt.encode(claims, key, self.account["algorithm"])),)


def _recipients(value: Any) -> list[str]:
    """A list of texts or numbers, or a text with commas."""
    if isinstance(value, list):
        return [str(one) for one in value]
    return [one.strip() for one in value.split(",")] if isinstance(value, str) and value else []


def _problem(values: dict[str, Any], recipients: list[str]) -> Answer | None:
    """What is wrong with a request, as it is answered."""
    originator, body, url = values.get("originator"), values.get("body"), values.get("reportUrl")
    if not originator:
        return _error(9, "originator is required", "originator")
    if not str(originator).lstrip("+").isdecimal() and len(str(originator)) > LONGEST_NAME:
        return _error(10, "originator is invalid", "originator")
    if not isinstance(body, str) or not body:
        return _error(9, "body is required", "body")
    if len(body) > LONGEST_BODY:
        return _error(10, "body is too long", "body")
    if not recipients or not all(NUMBER.fullmatch(one) for one in recipients):
        return _error(9, "no (correct) recipients found", "recipient")
    if len(recipients) > MOST_RECIPIENTS:
        return _error(10, "too many recipients", "recipients")
    if url and not (isinstance(url, str) and is_url(url)):
        return _error(10, "reportUrl is invalid", "reportUrl")
    return None


def _message(values: dict[str, Any], message_id: str, texts: Sequence[Text]) -> dict[str, Any]:
    now = _time(utc_now())
    items = [{"recipient": int(one.recipient), "status": "sent", "statusDatetime": now} for one in texts]
    return {
        "id": message_id,
        "href": f"https://rest.messagebird.com/messages/{message_id}",
        "direction": "mt",
        "type": values.get("type") or "sms",
        "originator": values["originator"],
        "body": values["body"],
        "reference": values.get("reference"),
        "validity": values.get("validity"),
        "gateway": 10,
        "typeDetails": values.get("typeDetails") or {},
        "datacoding": values.get("datacoding") or "plain",
        "mclass": 1,
        "scheduledDatetime": values.get("scheduledDatetime"),
        "createdDatetime": now,
        "recipients": {
            "totalCount": len(items),
            "totalSentCount": len(items),
            "totalDeliveredCount": 0,
            "totalDeliveryFailedCount": 0,
            "items": items,
        },
    }


def _error(code: int, description: str, parameter: str | None) -> Answer:
    error = {"code": code, "description": description, "parameter": parameter}
    return json_answer(STATUSES.get(code, 422), {"errors": [error]})


def _time(moment: datetime) -> str:
    """2026-11-17T14:26:57+00:00."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")
