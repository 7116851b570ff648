"""Sinch, Conversation API with its SMS channel: as sinch-sdk-python 2.3 and the vendor's pages have it."""

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ..http_hooks import Call
from ..http_quirks import VendorRefusal, is_url
from ..http_server import JSON, Answer, Request, form_fields, json_answer, json_object
from .form import iso_ms, utc_now
from .message import Reply, Report, Text
from .proof import credentials, forged, matches
from .token import Tokens
from .vendor import Decline, Vendor

STATUSES: Final = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}
"""The vendor's words and the HTTP statuses beside them."""
LONGEST_CORRELATION_ID: Final = 128


class Sinch(Vendor):
    KEY = "sinch"
    LABEL = "Sinch (Conversation API)"
    ACCOUNT = {
        "client_id": "client",
        "client_secret": "simulator",
        "project_id": "project",
        "app_id": "app",
        "webhook_secret": "simulator",
    }
    SENT = "QUEUED_ON_CHANNEL"
    DELIVERED = "DELIVERED"
    READ = "READ"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.tokens = Tokens(self)

    def answer(self, request: Request, path: list[str]) -> Answer:
        match path:
            case ["oauth2", "token"] if request.method == "POST":
                is_grant = form_fields(request.body).get("grant_type") == "client_credentials"
                return self.tokens.answer(is_right=self._is_client(request), is_grant=is_grant)
            case ["v1", "projects", project, "messages:send"] if request.method == "POST":
                self._check(request, project)
                return self._send(json_object(request.body))
            case ["v1", "projects", project, "apps"] if request.method == "GET":
                self._check(request, project)
                return json_answer(200, {"apps": [self._app()]})
            case ["v1", "projects", project, "apps", app] if request.method == "GET":
                self._check(request, project)
                if matches(app, self.account["app_id"]):
                    return json_answer(200, self._app())
        return self.not_found()

    def throttled(self) -> Answer:
        return _error("RESOURCE_EXHAUSTED", "Too many requests")

    def failed(self, status: int) -> Answer:
        word = next((word for word, number in STATUSES.items() if number == status), "INTERNAL")
        return json_answer(status, _problem(status, word, "The service is unavailable"))

    def refused(self, refusal: VendorRefusal) -> Answer:
        return _error(str(refusal.code), "The message was refused")

    def not_found(self) -> Answer:
        return _error("NOT_FOUND", "Not found")

    def _app(self) -> dict[str, Any]:
        return {"id": self.account["app_id"], "display_name": "Simulator", "channel_credentials": []}

    def _is_client(self, request: Request) -> bool:
        pair = credentials(request.header(b"authorization"))
        return pair is not None and (
            matches(pair[0], self.account["client_id"]) and matches(pair[1], self.account["client_secret"])
        )

    def _check(self, request: Request, project: str) -> None:
        """A token, or for trials the client's own names."""
        given = request.header(b"authorization")
        if not (self.tokens.is_good(given) or self._is_client(request)):
            answer = _error("UNAUTHENTICATED", "The token is missing, wrong or expired")
            reason = 'Bearer error="invalid_token", error_description="Jwt is expired", expired'
            answer.headers = (("WWW-Authenticate", reason),)
            self.unauthorised(answer)
        if not matches(project, self.account["project_id"]):
            raise Decline(_error("NOT_FOUND", "project not found"))

    def _send(self, values: dict[str, Any] | None) -> Answer:
        if values is None:
            raise Decline(_error("INVALID_ARGUMENT", "the body is not JSON"))
        if not matches(str(values.get("app_id", "")), self.account["app_id"]):
            raise Decline(_error("NOT_FOUND", "app not found"))
        recipient, body = _recipient(values), _text(values)
        if not recipient:
            raise Decline(_error("INVALID_ARGUMENT", "invalid recipient"))
        if not body:
            raise Decline(_error("INVALID_ARGUMENT", "message.text_message.text: is required"))
        correlation_id, status_url = str(values.get("correlation_id") or ""), str(values.get("callback_url") or "")
        if len(correlation_id) > LONGEST_CORRELATION_ID or (status_url and not is_url(status_url)):
            raise Decline(_error("INVALID_ARGUMENT", "correlation_id or callback_url is invalid"))
        properties = values.get("channel_properties")
        sender = str(properties.get("SMS_SENDER", "")) if isinstance(properties, dict) else ""
        text = Text(recipient, sender, body, status_url, correlation_id)
        text.message_id = f"01SIM{self.next_id():021X}"
        text.more = {"metadata": str(values.get("message_metadata") or "")}
        return self.send([text], _accepted)

    def status_calls(self, report: Report, url: str) -> list[Call]:
        text = report.text
        values: dict[str, Any] = {
            "message_id": text.message_id,
            "conversation_id": f"01CON{self.next_id():021X}",
            "status": report.status,
            "channel_identity": {"channel": "SMS", "identity": text.recipient.lstrip("+"), "app_id": ""},
            "contact_id": f"01PER{self.next_id():021X}",
            "metadata": text.more["metadata"],
            "processing_mode": "CONVERSATION",
        }
        if report.code:
            values["reason"] = {
                "code": report.code,
                "description": report.code.replace("_", " ").capitalize(),
                "sub_code": "UNSPECIFIED_SUB_CODE",
            }
        more = {
            "message_delivery_report": values,
            "message_metadata": text.more["metadata"],
            "correlation_id": text.reference,
        }
        return [self._call(url, more, is_forged=text.is_forged)]

    def inbound_call(self, reply: Reply, url: str) -> Call:
        message = {
            "id": f"01MOS{self.next_id():021X}",
            "direction": "TO_APP",
            "contact_message": {"text_message": {"text": reply.text}},
            "channel_identity": {"channel": "SMS", "identity": reply.sender.lstrip("+"), "app_id": ""},
            "conversation_id": f"01CON{self.next_id():021X}",
            "contact_id": f"01PER{self.next_id():021X}",
            "metadata": "",
            "accept_time": iso_ms(utc_now()),
            "sender_id": reply.recipient.lstrip("+"),
            "processing_mode": "CONVERSATION",
        }
        more = {"message": message, "message_metadata": "", "correlation_id": ""}
        return self._call(url, more, is_forged=reply.is_forged)

    def _call(self, url: str, values: dict[str, Any], *, is_forged: bool) -> Call:
        now = iso_ms(utc_now())
        common = {
            "app_id": self.account["app_id"],
            "accepted_time": now,
            "event_time": now,
            "project_id": self.account["project_id"],
        }
        body = msgspec.json.encode({**common, **values})
        nonce, timestamp = f"01NON{self.next_id():021X}", str(int(time.time()))
        secret = forged(self.account["webhook_secret"], is_forged=is_forged)
        headers = (
            ("Content-Type", JSON),
            ("x-sinch-webhook-signature", sign(body, nonce, timestamp, secret)),
            ("x-sinch-webhook-signature-nonce", nonce),
            ("x-sinch-webhook-signature-timestamp", timestamp),
            ("x-sinch-webhook-signature-algorithm", "HmacSHA256"),
        )
        return Call("POST", url, headers, body)


def sign(body: bytes, nonce: str, timestamp: str, secret: str) -> str:
    """Base64 of the HMAC-SHA256 of body, nonce and timestamp, with dots between them."""
    signed = body + f".{nonce}.{timestamp}".encode()
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode("ascii")


def _accepted(texts: Sequence[Text]) -> Answer:
    return json_answer(200, {"message_id": texts[0].message_id, "accepted_time": iso_ms(utc_now())})


def _recipient(values: dict[str, Any]) -> str:
    """The first SMS identity, or the contact."""
    match values.get("recipient"):
        case {"identified_by": {"channel_identities": [*identities]}}:
            found = [one for one in identities if isinstance(one, dict) and one.get("channel") == "SMS"]
            return str(found[0].get("identity") or "") if found else ""
        case {"contact_id": str(contact)}:
            return contact
    return ""


def _text(values: dict[str, Any]) -> str:
    match values.get("message"):
        case {"text_message": {"text": str(text)}}:
            return text
    return ""


def _error(word: str, message: str) -> Answer:
    status = STATUSES.get(word, 400)
    return json_answer(status, _problem(status, word, message))


def _problem(status: int, word: str, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": word, "details": []}}
