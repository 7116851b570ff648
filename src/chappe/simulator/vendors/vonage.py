"""Vonage, by its SMS API and its Messages API: as vonage-python-sdk 4.9 and the vendor's pages have them.

Both are under /vonage/, as rest.nexmo.com and api.nexmo.com would be.
"""

import hashlib
import hmac
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import jwt
import msgspec

from ..http_hooks import Call
from ..http_quirks import VendorRefusal, is_url
from ..http_server import FORM, JSON, Answer, Request, form_fields, json_answer, json_object
from .form import segments, utc_now
from .message import Reply, Report, Text
from .proof import credentials, forged, matches
from .vendor import Decline, Vendor

NUMBER: Final = re.compile(r"[1-9]\d{6,14}")
LONGEST_CALLBACK: Final = 100
LONGEST_TEXT: Final = 3200
HASHES: Final = {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512}
METHODS: Final = ("md5hash", *HASHES)
HOOK_FORMS: Final = ("get", "post", "json")
APIS: Final = ("sms", "messages")
SMS_ERRORS: Final = {
    "1": "Throughput Rate Exceeded - please wait [ 250 ] and retry",
    "2": "Missing to param",
    "3": "Invalid value for param: to",
    "4": "Bad Credentials",
    "5": "Internal Error",
    "6": "Unroutable message - rejected",
    "7": "Number barred",
    "9": "Quota Exceeded - rejected",
    "12": "Message length exceeds maximum allowed",
    "14": "Invalid Signature",
    "15": "Illegal Sender Address - rejected",
    "23": "Invalid Callback Url",
    "29": "Non White-listed Destination - rejected",
    "32": "Signature And API Secret Disallowed",
    "33": "Number De-activated",
}
WORDS: Final = {"sent": {"sms": "buffered", "messages": "submitted"}}
"""Status words that the two APIs have different ones for."""


class Vonage(Vendor):
    KEY = "vonage"
    LABEL = "Vonage (SMS API and Messages API)"
    ACCOUNT = {
        "api_key": "abcd1234",
        "api_secret": "simulator",
        "application_id": "",
        "public_key": "",
        "signature_secret": "simulator-signature-secret-0123456789",
        "signature_method": "sha256",
        "hook_form": "post",
        "inbound_api": "sms",
    }
    CHOICES = {"signature_method": METHODS, "hook_form": HOOK_FORMS, "inbound_api": APIS}
    NOTES = {
        "application_id": "of bearer tokens",
        "public_key": "in PEM, of the key that signs bearer tokens",
        "signature_secret": "signs hooks; empty: those of the SMS API are not signed",
        "signature_method": "of `sig`",
        "hook_form": "how hooks of the SMS API are called: by GET, or POST of a form or of JSON",
        "inbound_api": "by which API texts from phones come",
    }
    READ = "read"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._messages_api = _MessagesApi()

    def answer(self, request: Request, path: list[str]) -> Answer:
        match (request.method, path):
            case ("POST", ["sms", "json"]):
                return self._send_sms(request)
            case ("POST", ["v1", "messages"]):
                self._check(request)
                return self._send_message(json_object(request.body))
            case ("GET", ["account", "get-balance"]):
                pair = credentials(request.header(b"authorization")) or _pair(request.parameters)
                if not self._is_account(pair):
                    self.unauthorised(
                        json_answer(401, {"error-code": "401", "error-code-label": "authentication failed"})
                    )
                return json_answer(200, {"value": 3.14159265, "autoReload": False})
        return self.not_found()

    # The SMS API answers 200 to everything.

    def throttled(self) -> Answer:
        return _sms_error("1")

    def failed(self, status: int) -> Answer:
        return Answer(status)

    def refused(self, refusal: VendorRefusal) -> Answer:
        return _sms_error(str(refusal.code))

    def not_found(self) -> Answer:
        return _problem(404, "not-found", "Not found", "The resource does not exist")

    def _is_account(self, pair: tuple[str, str] | None) -> bool:
        key, secret = self.account["api_key"], self.account["api_secret"]
        return pair is not None and matches(pair[0], key) and matches(pair[1], secret)

    def _send_sms(self, request: Request) -> Answer:
        fields = form_fields(request.body)
        if request.header(b"content-type").startswith(JSON):
            fields = {name: str(value) for name, value in (json_object(request.body) or {}).items()}
        if code := self._sms_proof(request, fields):
            self.unauthorised(_sms_error(code))
        recipient, body, url = (fields.get(name, "") for name in ("to", "text", "callback"))
        if code := _sms_problem(fields, recipient, body, url):
            raise Decline(_sms_error(code))
        text = Text(recipient, fields["from"], body, url, fields.get("client-ref", ""))
        text.ids = tuple(f"0A{self.next_id():014X}" for _ in range(segments(body)))
        text.message_id = text.ids[0]
        text.more = {"api": "sms"}
        return self.send([text], _sms_accepted)

    def _sms_proof(self, request: Request, fields: dict[str, str]) -> str:
        """The status that a wrong proof is answered with, "" for a right one."""
        if "sig" in fields:
            if "api_secret" in fields:
                return "32"
            right = signature(fields, self.account["signature_secret"], self.account["signature_method"])
            is_fresh = (
                abs(int(fields["timestamp"]) - time.time()) < 300 if fields.get("timestamp", "").isdecimal() else False
            )
            is_right = hmac.compare_digest(right.lower(), fields["sig"].lower()) and is_fresh
            return "" if is_right and matches(fields.get("api_key", ""), self.account["api_key"]) else "14"
        pair = credentials(request.header(b"authorization")) or _pair(fields)
        return "" if self._is_account(pair) else "4"

    # The Messages API

    def _check(self, request: Request) -> None:
        """Basic, or a bearer token."""
        given = request.header(b"authorization")
        if not (self._is_application(given) or self._is_account(credentials(given))):
            self.unauthorised(_problem(401, "unauthorized", "Unauthorized", "You did not provide correct credentials."))

    def _is_application(self, given: str) -> bool:
        """Whether a token names an application; its signature is checked where its public key is known."""
        scheme, _, token = given.partition(" ")
        key = self.account["public_key"]
        options: Any = {"verify_signature": bool(key), "verify_exp": True, "require": ["iat", "jti", "exp"]}
        try:
            claims = jwt.decode(token, key, ["RS256"], options=options)
        except (jwt.PyJWTError, ValueError):
            return False
        return scheme == "Bearer" and matches(str(claims.get("application_id", "")), self.account["application_id"])

    def _send_message(self, values: dict[str, Any] | None) -> Answer:
        values = values or {}
        names = ("to", "from", "text", "webhook_url", "client_ref", "channel", "message_type")
        read = {name: values.get(name, "") for name in names}
        is_readable = all(isinstance(value, str) for value in read.values())
        if not is_readable or read["channel"] != "sms" or read["message_type"] != "text":
            raise _invalid("channel, message_type")
        if not NUMBER.fullmatch(read["to"]):
            raise _invalid("to")
        if not read["from"] or not 0 < len(read["text"]) <= LONGEST_TEXT:
            raise _invalid("from, text")
        if read["webhook_url"] and not is_url(read["webhook_url"]):
            raise _invalid("webhook_url")
        text = Text(read["to"], read["from"], read["text"], read["webhook_url"], read["client_ref"])
        text.message_id = str(uuid.uuid4())
        text.more = {"api": "messages"}
        return self.send([text], _message_accepted, manner=self._messages_api)

    # Hooks

    def status_calls(self, report: Report, url: str) -> list[Call]:
        text = report.text
        if text.more["api"] == "messages":
            return [self._message_status(report, url)]
        if report.status == self.READ:
            return []
        return [self._sms_call(url, self._sms_status(report, one), is_forged=text.is_forged) for one in text.ids]

    def _sms_status(self, report: Report, message_id: str) -> dict[str, str]:
        text, now = report.text, utc_now()
        return {
            "msisdn": text.recipient,
            "to": text.sender,
            "network-code": "23410",
            "messageId": message_id,
            "price": "0.03330000",
            "status": _word(report.status, "sms"),
            "scts": now.strftime("%y%m%d%H%M"),
            "err-code": report.code or "0",
            "message-timestamp": now.strftime("%Y-%m-%d %H:%M:%S"),
            **({"client-ref": text.reference} if text.reference else {}),
        }

    def _message_status(self, report: Report, url: str) -> Call:
        text = report.text
        values: dict[str, Any] = {
            "message_uuid": text.message_id,
            "to": text.recipient,
            "from": text.sender,
            "timestamp": utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "status": _word(report.status, "messages"),
            "channel": "sms",
            "usage": {"price": "0.0333", "currency": "EUR"},
            "destination": {"network_code": "23410"},
            "sms": {"count_total": str(segments(text.text))},
        }
        if text.reference:
            values["client_ref"] = text.reference
        if report.code:
            values["error"] = {
                "type": f"https://developer.vonage.com/api-errors/messages#{report.code}",
                "title": report.code,
                "detail": "The message could not be delivered",
                "instance": f"urn:mdr:{self.next_id():016X}",
            }
        return self._bearer_call(url, values, is_forged=text.is_forged)

    def inbound_call(self, reply: Reply, url: str) -> Call:
        sender, recipient = reply.sender.lstrip("+"), reply.recipient.lstrip("+")
        keyword, now = reply.text.split(maxsplit=1)[0].upper() if reply.text.strip() else "", utc_now()
        if self.account["inbound_api"] == "messages":
            values = {
                "message_uuid": str(uuid.uuid4()),
                "to": recipient,
                "from": sender,
                "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "channel": "sms",
                "message_type": "text",
                "text": reply.text,
                "sms": {"num_messages": str(segments(reply.text)), "keyword": keyword},
                "usage": {"currency": "EUR", "price": "0.0"},
            }
            return self._bearer_call(url, values, is_forged=reply.is_forged)
        fields = {
            "msisdn": sender,
            "to": recipient,
            "messageId": f"0B{self.next_id():014X}",
            "text": reply.text,
            "type": "text" if reply.text.isascii() else "unicode",
            "keyword": keyword,
            "message-timestamp": now.strftime("%Y-%m-%d %H:%M:%S"),
        }
        return self._sms_call(url, fields, is_forged=reply.is_forged)

    def _sms_call(self, url: str, fields: dict[str, str], *, is_forged: bool) -> Call:
        fields["api-key"] = self.account["api_key"]
        secret = self.account["signature_secret"]
        if secret:
            fields |= {"timestamp": str(int(time.time())), "nonce": str(uuid.uuid4())}
            sig = signature(fields, forged(secret, is_forged=is_forged), self.account["signature_method"])
            fields["sig"] = sig.upper()
        match self.account["hook_form"]:
            case "get":
                return Call("GET", f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(fields)}")
            case "json":
                return Call("POST", url, (("Content-Type", JSON),), msgspec.json.encode(fields))
        return Call("POST", url, (("Content-Type", FORM),), urlencode(fields).encode())

    def _bearer_call(self, url: str, values: dict[str, Any], *, is_forged: bool) -> Call:
        body = msgspec.json.encode(values)
        claims = {
            "iat": int(time.time()),
            "jti": str(uuid.uuid4()),
            "iss": "Vonage",
            "payload_hash": hashlib.sha256(body).hexdigest(),
            "api_key": self.account["api_key"],
        }
        token = jwt.encode(claims, forged(self.account["signature_secret"], is_forged=is_forged), "HS256")
        return Call("POST", url, (("Content-Type", JSON), ("Authorization", f"Bearer {token}")), body)


class _MessagesApi:
    """How the Messages API says no."""

    def throttled(self) -> Answer:
        return _problem(429, "throttled", "Rate Limit Hit", "Please wait, then retry your request")

    def failed(self, status: int) -> Answer:
        return _problem(status, "internal", "Internal Error", "There was an error processing your request")

    def refused(self, refusal: VendorRefusal) -> Answer:
        return _problem(422, f"messages#{refusal.code}", str(refusal.code), "The message was refused")


def signature(fields: Mapping[str, str], secret: str, method: str) -> str:
    """`sig`: the fields but itself, sorted, `&` and `=` in values replaced; in hexadecimal."""
    cleaned = {name: value.replace("&", "_").replace("=", "_") for name, value in fields.items() if name != "sig"}
    signed = "".join(f"&{name}={cleaned[name]}" for name in sorted(cleaned))
    if method == "md5hash":
        return hashlib.md5((signed + secret).encode()).hexdigest()  # noqa: S324 - the vendor's own
    return hmac.new(secret.encode(), signed.encode(), HASHES[method]).hexdigest()


def _pair(fields: Mapping[str, str]) -> tuple[str, str]:
    return fields.get("api_key", ""), fields.get("api_secret", "")


def _word(status: str, api: str) -> str:
    return WORDS.get(status, {}).get(api, status)


def _sms_problem(fields: Mapping[str, str], recipient: str, body: str, url: str) -> str:
    """The status of the first thing wrong with a message, "" for nothing."""
    if not recipient or not body or not fields.get("from"):
        return "2"
    if not NUMBER.fullmatch(recipient):
        return "3"
    if len(body) > LONGEST_TEXT:
        return "12"
    return "23" if url and (len(url) > LONGEST_CALLBACK or not is_url(url)) else ""


def _sms_accepted(texts: Sequence[Text]) -> Answer:
    [text] = texts
    more = {"client-ref": text.reference} if text.reference else {}
    messages = [
        {
            "to": text.recipient,
            "message-id": one,
            "status": "0",
            "remaining-balance": "3.14159265",
            "message-price": "0.03330000",
            "network": "23410",
            **more,
        }
        for one in text.ids
    ]
    return json_answer(200, {"message-count": str(len(messages)), "messages": messages})


def _message_accepted(texts: Sequence[Text]) -> Answer:
    return json_answer(202, {"message_uuid": texts[0].message_id})


def _sms_error(code: str) -> Answer:
    text = SMS_ERRORS.get(code, "The message was refused")
    return json_answer(200, {"message-count": "1", "messages": [{"status": code, "error-text": text}]})


def _invalid(names: str) -> Decline:
    return Decline(_problem(422, "messages#1150", "Invalid params", f"The value of these is invalid: {names}."))


def _problem(status: int, kind: str, title: str, detail: str) -> Answer:
    path = kind if "#" in kind else f"#{kind}"
    address = f"https://developer.vonage.com/api-errors{'/' if '#' in kind else ''}{path}"
    values = {"type": address, "title": title, "detail": detail, "instance": uuid.uuid4().hex}
    answer = json_answer(status, values)
    answer.content_type = "application/problem+json"
    return answer
