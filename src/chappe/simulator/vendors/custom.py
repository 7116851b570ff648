"""A provider of nobody's: one message in JSON, and every way to prove who sends it that the engine knows.

`POST /custom/messages` takes `{"to", "from", "text", "reference", "callback"}`; where these members stand (a name, or a
path with dots such as `messages.0.to`), which proof is wanted and how hooks are proven is the account's.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final

import jwt
import msgspec

from ..http_hooks import Call
from ..http_quirks import VendorRefusal, is_url
from ..http_server import JSON, Answer, Request, form_fields, json_answer, json_object
from .form import iso_ms, utc_now
from .message import Reply, Report, Text
from .proof import basic, credentials, forged, matches
from .token import Tokens
from .vendor import Decline, Vendor

HASHES: Final = {"sha256": hashlib.sha256, "sha512": hashlib.sha512, "sha1": hashlib.sha1, "md5": hashlib.md5}
SENDING: Final = ("none", "basic", "api_key", "mac", "oauth", "jwt")
HOOKS: Final = ("none", "basic", "header", "hmac")


class Custom(Vendor):
    KEY = "custom"
    LABEL = "a custom provider"
    ACCOUNT = {
        "auth": "none",
        "user": "user",
        "password": "simulator",
        "header": "X-API-Key",
        "parameter": "api_key",
        "key": "simulator-key-0123456789-0123456789",
        "secret": "simulator",
        "hash": "sha256",
        "client_id": "client",
        "client_secret": "simulator",
        "issuer": "",
        "to_field": "to",
        "from_field": "from",
        "text_field": "text",
        "reference_field": "reference",
        "callback_field": "callback",
        "hook_auth": "none",
        "hook_user": "hook",
        "hook_password": "simulator",
        "hook_header": "X-Signature",
        "hook_secret": "simulator",
    }
    CHOICES = {"auth": SENDING, "hash": tuple(HASHES), "hook_auth": HOOKS}
    NOTES = {
        "auth": "how requests prove who sends them",
        "header": "in which an API key stands; empty: it stands in the query",
        "parameter": "the API key's name in the query",
        "key": "the API key, the token of MAC (`Authorization: MAC <token>:<tag>`), the key that signs JWTs",
        "secret": "that the tag of MAC is made with, over the body",
        "hash": "of MAC, and of the hooks' `hmac`",
        "client_id": "of OAuth, at `/oauth/token`",
        "issuer": "`iss` of JWTs; empty: any",
        "to_field": "where the recipient stands; the others alike",
        "hook_auth": "how hooks prove who calls: a user and password, a fixed header, or the HMAC of the body in it",
    }
    READ = "read"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.tokens = Tokens(self)

    def answer(self, request: Request, path: list[str]) -> Answer:
        match path:
            case ["messages"] if request.method == "POST":
                self._check(request)
                return self._send(json_object(request.body))
            case ["messages" | "account"] if request.method == "GET":
                self._check(request)
                return json_answer(200, {"status": "active"})
            case ["oauth", "token"] if request.method == "POST":
                return self._token(request)
        return self.not_found()

    def throttled(self) -> Answer:
        return _error(429, "too_many_requests")

    def failed(self, status: int) -> Answer:
        return _error(status, "server_error")

    def refused(self, refusal: VendorRefusal) -> Answer:
        return _error(422, str(refusal.code))

    def not_found(self) -> Answer:
        return _error(404, "not_found")

    def _check(self, request: Request) -> None:
        if not self._is_proven(request):
            self.unauthorised(_error(401, "unauthorised"))

    def _is_proven(self, request: Request) -> bool:
        account, given = self.account, request.header(b"authorization")
        match account["auth"]:
            case "basic":
                pair = credentials(given)
                return pair is not None and matches(pair[0], account["user"]) and matches(pair[1], account["password"])
            case "api_key":
                name = account["header"].lower().encode("latin-1")
                value = request.header(name) if name else request.parameters.get(account["parameter"], "")
                return matches(value, account["key"])
            case "mac":
                return self._is_mac(given, request.body)
            case "oauth":
                return self.tokens.is_good(given)
            case "jwt":
                return self._is_jwt(given)
        return True

    def _is_mac(self, given: str, body: bytes) -> bool:
        """`MAC <token>:<tag>`, the tag in hexadecimal or Base64."""
        scheme, _, rest = given.partition(" ")
        token, _, tag = rest.partition(":")
        right = hmac.new(self.account["secret"].encode(), body, HASHES[self.account["hash"]]).digest()
        is_right = matches(tag.lower(), right.hex()) or matches(tag, base64.b64encode(right).decode("ascii"))
        return scheme == "MAC" and matches(token, self.account["key"]) and is_right

    def _is_jwt(self, given: str) -> bool:
        scheme, _, token = given.partition(" ")
        try:
            claims = jwt.decode(
                token,
                self.account["key"],
                ["HS256", "HS384", "HS512"],
                options={"verify_aud": False, "require": ["exp"]},
            )
        except jwt.PyJWTError:
            return False
        return scheme == "Bearer" and matches(str(claims.get("iss", "")), self.account["issuer"])

    def _token(self, request: Request) -> Answer:
        """Client credentials (RFC 6749, section 4.4) in Basic, a form or JSON."""
        fields = json_object(request.body)
        if fields is None:
            fields = form_fields(request.body)
        pair = credentials(request.header(b"authorization"))
        client_id, secret = pair or (str(fields.get("client_id", "")), str(fields.get("client_secret", "")))
        is_right = matches(client_id, self.account["client_id"]) and matches(secret, self.account["client_secret"])
        return self.tokens.answer(is_right=is_right, is_grant=fields.get("grant_type") == "client_credentials")

    def _send(self, values: dict[str, Any] | None) -> Answer:
        if values is None:
            raise declined(400, "not_json")
        read = {name: self.member(values, name) for name in ("to", "from", "text")}
        for name, value in read.items():
            if not isinstance(value, str) or (not value and name != "from"):
                raise declined(422, f"missing_{name}")
        more = {name: self.member(values, name) or "" for name in ("reference", "callback")}
        if not all(isinstance(value, str) for value in more.values()):
            raise declined(422, "not_a_text")
        if more["callback"] and not is_url(more["callback"]):
            raise declined(422, "invalid_callback")
        text = Text(str(read["to"]), str(read["from"]), str(read["text"]), more["callback"], more["reference"])
        text.message_id = f"c{self.next_id():x}"
        self.check_text(text, values)
        return self.send([text], _accepted)

    def check_text(self, text: Text, values: dict[str, Any]) -> None:
        """What else a message has to be. Raises Decline."""

    def member(self, values: dict[str, Any], name: str) -> Any:
        """What the body holds where the account says that `name` stands; None for nothing."""
        path = self.account[f"{name}_field"]
        if path in values:
            return values[path]
        place: Any = values
        for step in path.split("."):
            if isinstance(place, dict):
                place = place.get(step)
            elif isinstance(place, list) and step.isdecimal() and int(step) < len(place):
                place = place[int(step)]
            else:
                return None
        return place

    def status_calls(self, report: Report, url: str) -> list[Call]:
        text = report.text
        values = {
            "id": text.message_id,
            "to": text.recipient,
            "from": text.sender,
            "status": report.status,
            "error": report.code,
            "reference": text.reference,
            "timestamp": iso_ms(utc_now()),
        }
        return [self._call(url, values, is_forged=text.is_forged)]

    def inbound_call(self, reply: Reply, url: str) -> Call:
        values = {
            "id": f"i{self.next_id():x}",
            "from": reply.sender,
            "to": reply.recipient,
            "text": reply.text,
            "timestamp": iso_ms(utc_now()),
        }
        return self._call(url, values, is_forged=reply.is_forged)

    def _call(self, url: str, values: dict[str, str], *, is_forged: bool) -> Call:
        account, body = self.account, msgspec.json.encode(values)
        headers = [("Content-Type", JSON)]
        match account["hook_auth"]:
            case "basic":
                password = forged(account["hook_password"], is_forged=is_forged)
                headers.append(("Authorization", basic(account["hook_user"], password)))
            case "header":
                headers.append((account["hook_header"], forged(account["hook_secret"], is_forged=is_forged)))
            case "hmac":
                secret = forged(account["hook_secret"], is_forged=is_forged)
                tag = hmac.new(secret.encode(), body, HASHES[account["hash"]]).hexdigest()
                headers.append((account["hook_header"], tag))
        return Call("POST", url, tuple(headers), body)


def _accepted(texts: Sequence[Text]) -> Answer:
    return json_answer(200, {"id": texts[0].message_id, "status": "accepted"})


def declined(status: int, code: str) -> Decline:
    """A request that is answered with an error."""
    return Decline(_error(status, code))


def _error(status: int, code: str) -> Answer:
    return json_answer(status, {"error": {"code": code, "message": code.replace("_", " ")}})
