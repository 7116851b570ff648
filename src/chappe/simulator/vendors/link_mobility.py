"""LINK Mobility, "Common" platform: SMS REST API v1.18, MO messages v1.7, Gate API v1.2."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ..http_hooks import Call
from ..http_quirks import VendorRefusal
from ..http_server import JSON, Answer, Request, form_fields, json_answer, json_object
from .form import iso_ms, segments, utc_now
from .message import Reply, Report, Text
from .proof import basic, credentials, forged, matches
from .token import Tokens
from .vendor import Decline, Vendor

MSISDN: Final = re.compile(r"\+[1-9]\d{6,14}")
MOST_IN_BATCH: Final = 1000
QUEUED: Final = 1005
UNKNOWN_RESULT: Final = 9999
ERRORS: Final = {
    106000: (400, "Unknown error"),
    106100: (401, "Invalid authentication"),
    106101: (403, "Access denied"),
    106200: (403, "Invalid platformId"),
    106201: (403, "Invalid platformPartnerId"),
    106300: (400, "No gates given"),
    106301: (400, "Gate not available"),
}


class LinkMobility(Vendor):
    KEY = "link_mobility"
    LABEL = "LINK Mobility"
    ACCOUNT = {
        "username": "user",
        "password": "simulator",
        "platform_id": "COMMON_API",
        "platform_partner_id": "1234",
        "gate_id": "gate-1",
    }
    SENT = "1000"
    DELIVERED = "1001"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.tokens = Tokens(self)

    def answer(self, request: Request, path: list[str]) -> Answer:
        match path:
            case ["sms", "send"] if request.method == "POST":
                self._check(request)
                return self._send(request)
            case ["sms", "sendbatch"] if request.method == "POST":
                self._check(request)
                return self._send_batch(request)
            case ["auth", "token"] if request.method == "POST":
                is_grant = form_fields(request.body).get("grant_type", "") in ("", "client_credentials")
                return self.tokens.answer(is_right=self._is_account(request), is_grant=is_grant)
            case ["gate", "partnergate", "platform", _, "partner", _, "id", gate] if request.method == "GET":
                self._check(request)
                return self._gate(gate)
        return self.not_found()

    def throttled(self) -> Answer:
        return json_answer(429, {"status": 106000, "description": "Too many requests"})

    def failed(self, status: int) -> Answer:
        return json_answer(status, {"status": 106000, "description": "Unknown error"})

    def refused(self, refusal: VendorRefusal) -> Answer:
        return _error(_number(refusal.code, 106000))

    def not_found(self) -> Answer:
        return json_answer(404, {"status": 404, "description": "Not found"})

    def _check(self, request: Request) -> None:
        if not (self._is_account(request) or self.tokens.is_good(request.header(b"authorization"))):
            self.unauthorised(_error(106100))

    def _is_account(self, request: Request) -> bool:
        pair = credentials(request.header(b"authorization"))
        return pair is not None and (
            matches(pair[0], self.account["username"]) and matches(pair[1], self.account["password"])
        )

    def _gate(self, gate: str) -> Answer:
        if not matches(gate, self.account["gate_id"]):
            return self.not_found()
        destination = {"url": self.quirks.status_url, "contentType": JSON, "username": self.account["username"]}
        return json_answer(200, {"gateType": "ALL", "destinations": [destination], "ttl": 172_800_000})

    def _send(self, request: Request) -> Answer:
        values = json_object(request.body)
        text = self._read(values)
        is_ignored = bool(values and values.get("ignoreResponse"))

        def accepted(texts: Sequence[Text]) -> Answer:
            return Answer(204) if is_ignored else json_answer(200, _queued(texts[0]))

        return self.send([text], accepted)

    def _send_batch(self, request: Request) -> Answer:
        values = json_object(request.body) or {}
        entries = values.get("sendRequestMessages")
        if not isinstance(entries, list) or not 0 < len(entries) <= MOST_IN_BATCH:
            raise Decline(_error(106000))
        return self.send([self._read(one) for one in entries], _batch, is_singly=True)

    def _read(self, values: Any) -> Text:
        """One message; Decline says what is wrong with it."""
        if not isinstance(values, dict):
            raise Decline(_error(106000))
        read = {name: values.get(name) or "" for name in ("source", "destination", "userData", "refId")}
        if not all(isinstance(value, str) for value in read.values()) or not (read["source"] and read["userData"]):
            raise Decline(_error(106000))
        if values.get("destinationTON", "MSISDN") == "MSISDN" and not MSISDN.fullmatch(read["destination"]):
            raise Decline(_error(106000))
        code = self._problem(values)
        if code:
            raise Decline(_error(code))
        text = Text(read["destination"], read["source"], read["userData"], reference=read["refId"])
        text.message_id = f"sim{self.next_id():x}+/{len(text.text):x}"
        text.wants_status = values.get("useDeliveryReport", True) is not False
        return text

    def _problem(self, values: dict[str, Any]) -> int:
        if not matches(str(values.get("platformId", "")), self.account["platform_id"]):
            return 106200
        if not matches(str(values.get("platformPartnerId", "")), self.account["platform_partner_id"]):
            return 106201
        if values.get("useDeliveryReport", True) is False:
            return 0
        gates = values.get("deliveryReportGates")
        if not gates:
            return 106300
        return (
            0
            if isinstance(gates, list) and all(matches(str(one), self.account["gate_id"]) for one in gates)
            else 106301
        )

    def status_calls(self, report: Report, url: str) -> list[Call]:
        """One for each segment; the index of the segment is at the end of the id."""
        text, now = report.text, iso_ms(utc_now())
        parts = segments(text.text)
        calls = []
        for index in range(parts):
            values = {
                "refId": text.reference,
                "id": f"{text.message_id}${index}" if parts > 1 else text.message_id,
                "operator": "no.simulated",
                "sentTimestamp": now,
                "timestamp": now,
                "resultCode": _number(report.status, UNKNOWN_RESULT),
                "operatorResultCode": report.code,
                "segments": parts,
                "gateCustomParameters": {},
                "customParameters": {},
            }
            calls.append(self._call(url, values, is_forged=text.is_forged))
        return calls

    def inbound_call(self, reply: Reply, url: str) -> Call:
        now = iso_ms(utc_now())
        values = {
            "messageId": f"mo{self.next_id():x}",
            "source": reply.sender,
            "destination": reply.recipient,
            "content": {"type": "SMS", "userData": reply.text, "encoding": "GSM"},
            "operator": "no.simulated",
            "operatorMessageId": "",
            "operatorTimestamp": now,
            "timestamp": now,
            "route": {
                "type": "KEYWORD_ROUTE",
                "platformId": self.account["platform_id"],
                "platformPartnerId": self.account["platform_partner_id"],
                "gateIds": [self.account["gate_id"]],
                "number": reply.recipient,
                "active": True,
            },
            "gateCustomParameters": {},
            "customParameters": {},
        }
        return self._call(url, values, is_forged=reply.is_forged)

    def _call(self, url: str, values: dict[str, Any], *, is_forged: bool) -> Call:
        """The gate's user and password are the account's."""
        proof = basic(self.account["username"], forged(self.account["password"], is_forged=is_forged))
        return Call("POST", url, (("Content-Type", JSON), ("Authorization", proof)), msgspec.json.encode(values))


def _queued(text: Text) -> dict[str, Any]:
    return {"messageId": text.message_id, "resultCode": QUEUED, "description": "Queued"}


def _batch(texts: Sequence[Text]) -> Answer:
    return json_answer(200, [_entry(text) for text in texts])


def _entry(text: Text) -> dict[str, Any]:
    if text.refusal is None:
        return {**_queued(text), "refId": text.reference}
    code = _number(text.refusal.code, 106000)
    return {"messageId": "", "refId": text.reference, "resultCode": code, "description": "Refused"}


def _error(code: int) -> Answer:
    status, description = ERRORS.get(code, (400, "The message was refused"))
    return json_answer(status, {"status": code, "description": description, "translatedDescription": description})


def _number(text: str | int, otherwise: int) -> int:
    return int(text) if str(text).isdecimal() else otherwise
