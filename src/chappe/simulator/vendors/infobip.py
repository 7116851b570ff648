"""Infobip, SMS API v3 and v2: as the official Python client 6.0 and the vendor's pages have it."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from ..http_hooks import Call
from ..http_quirks import VendorRefusal, is_url
from ..http_server import JSON, Answer, Request, json_answer, json_object
from .form import segments, utc_now
from .message import Reply, Report, Text
from .proof import basic, forged, matches
from .vendor import Decline, Vendor

NUMBER: Final = re.compile(r"\d{5,15}")
MOST_REPORTS: Final = 100
"""In one call."""
GROUPS: Final = {0: "ACCEPTED", 1: "PENDING", 2: "UNDELIVERABLE", 3: "DELIVERED", 4: "EXPIRED", 5: "REJECTED"}
STATUSES: Final = {
    2: (3, "DELIVERED_TO_OPERATOR", "Message delivered to operator"),
    3: (1, "PENDING_WAITING_DELIVERY", "Message sent, waiting for delivery report"),
    4: (2, "UNDELIVERABLE_REJECTED_OPERATOR", "Message rejected by operator"),
    5: (3, "DELIVERED_TO_HANDSET", "Message delivered to handset"),
    6: (5, "REJECTED_NETWORK", "Network is forbidden"),
    7: (1, "PENDING_ENROUTE", "Message sent to next instance"),
    8: (5, "REJECTED_PREFIX_MISSING", "Number prefix missing"),
    9: (2, "UNDELIVERABLE_NOT_DELIVERED", "Message sent not delivered"),
    12: (5, "REJECTED_NOT_ENOUGH_CREDITS", "Not enough credits"),
    14: (5, "REJECTED_DESTINATION_BLOCKLISTED", "Destination blocklisted"),
    15: (4, "EXPIRED_EXPIRED", "Message expired"),
    20: (5, "REJECTED_FLOODING_FILTER", "Message rejected due to flooding"),
    21: (5, "REJECTED_SYSTEM_ERROR", "System error"),
    23: (5, "REJECTED_DUPLICATE_MESSAGE_ID", "Duplicate message ID"),
    26: (1, "PENDING_ACCEPTED", "Message sent to next instance"),
    51: (5, "MISSING_TO", "Missing destination"),
    52: (5, "REJECTED_DESTINATION", "Invalid destination address."),
}
"""Ids of statuses: group, name and description; others are of the group REJECTED."""
ERRORS: Final = {
    0: (0, "OK", "NO_ERROR", False),
    1: (1, "HANDSET_ERRORS", "EC_UNKNOWN_SUBSCRIBER", True),
    27: (1, "HANDSET_ERRORS", "EC_ABSENT_SUBSCRIBER", False),
    573: (2, "USER_ERRORS", "EC_BLOCKED_BY_USER", True),
}


class Infobip(Vendor):
    KEY = "infobip"
    LABEL = "Infobip"
    ACCOUNT = {"api_key": "simulator", "hook_user": "hook", "hook_password": "simulator"}
    SENT = "7"
    DELIVERED = "5"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._own_ids: set[str] = set()

    def answer(self, request: Request, path: list[str]) -> Answer:
        match (request.method, path):
            case ("POST", ["sms", "3", "messages"]):
                self._check(request)
                return self._send(request, is_old=False)
            case ("POST", ["sms", "2", "text", "advanced"]):
                self._check(request)
                return self._send(request, is_old=True)
            case ("GET", ["account", "1", "balance"]):
                self._check(request)
                return json_answer(200, {"balance": 47.79, "currency": "EUR"})
            case ("GET", ["sms", "3", "logs"]):
                self._check(request)
                return json_answer(200, {"results": []})
        return self.not_found()

    def throttled(self) -> Answer:
        return _error(429, "Too many requests.")

    def failed(self, status: int) -> Answer:
        return _error(status, "Something went wrong. Please contact support.")

    def refused(self, refusal: VendorRefusal) -> Answer:
        return _error(400, str(refusal.code))

    def not_found(self) -> Answer:
        return _error(404, "Not found.")

    def _check(self, request: Request) -> None:
        scheme, _, key = request.header(b"authorization").partition(" ")
        if scheme != "App" or not matches(key, self.account["api_key"]):
            exception = {"messageId": "UNAUTHORIZED", "text": "Invalid login details"}
            self.unauthorised(json_answer(401, {"requestError": {"serviceException": exception}}))

    def _send(self, request: Request, *, is_old: bool) -> Answer:
        values = json_object(request.body) or {}
        messages = values.get("messages")
        if not isinstance(messages, list) or not messages:
            raise Decline(_error(400, "Request cannot be processed.", ("messages", "must not be empty")))
        texts = [text for index, one in enumerate(messages) for text in self._read(index, one, is_old=is_old)]
        bulk = f"sim{self.next_id()}"

        def accepted(texts: Sequence[Text]) -> Answer:
            return json_answer(200, {"bulkId": bulk, "messages": [_entry(text, is_old=is_old) for text in texts]})

        for text in texts:
            text.more["bulkId"] = bulk
        return self.send(texts, accepted, is_singly=True)

    def _read(self, index: int, values: Any, *, is_old: bool) -> Iterator[Text]:
        """The texts of one entry, one for each destination. Raises Decline."""
        path = f"messages[{index}]"
        if not isinstance(values, dict):
            raise _invalid(path, "must be an object")
        content = values if is_old else values.get("content")
        body = content.get("text") if isinstance(content, dict) else None
        if not isinstance(body, str) or not body:
            raise _invalid(f"{path}.content.text", "must not be blank")
        sender, url, data = _old_names(values) if is_old else _new_names(values)
        if url and not is_url(url):
            raise _invalid(f"{path}.webhooks.delivery.url", "must be a valid URL")
        destinations = values.get("destinations")
        if not isinstance(destinations, list) or not destinations:
            raise _invalid(f"{path}.destinations", "must not be empty")
        for one in destinations:
            if not isinstance(one, dict) or not isinstance(one.get("to"), str):
                raise _invalid(f"{path}.destinations.to", "must not be blank")
            text = Text(one["to"], sender, body, url)
            text.more = {"callbackData": data, "shape": "2" if is_old else "3"}
            self._name(text, str(one.get("messageId") or ""))
            yield text

    def _name(self, text: Text, own_id: str) -> None:
        """Its id; what is refused for its number or its id is so marked."""
        text.message_id = own_id or str(self.next_id())
        text.more["ownId"] = own_id
        if not NUMBER.fullmatch(text.recipient):
            text.refusal = VendorRefusal("", 52)
        elif own_id and own_id in self._own_ids:
            text.refusal = VendorRefusal("", 23)

    def _take(self, text: Text) -> None:
        if text.more["ownId"]:
            self._own_ids.add(text.message_id)
        super()._take(text)

    def status_calls(self, report: Report, url: str) -> list[Call]:
        return self.report_calls([report], url)

    def report_calls(self, reports: Sequence[Report], url: str) -> list[Call]:
        """Up to a hundred reports in one call; those to be signed wrongly by themselves."""
        calls = []
        for is_forged in (False, True):
            some = [one for one in reports if one.text.is_forged is is_forged]
            for start in range(0, len(some), MOST_REPORTS):
                results = [_result(one) for one in some[start : start + MOST_REPORTS]]
                calls.append(self._call(url, {"results": results}, is_forged=is_forged))
        return calls

    def inbound_call(self, reply: Reply, url: str) -> Call:
        keyword, _, rest = reply.text.partition(" ")
        result = {
            "messageId": str(self.next_id()),
            "from": reply.sender.lstrip("+"),
            "to": reply.recipient.lstrip("+"),
            "text": reply.text,
            "cleanText": rest,
            "keyword": keyword.upper(),
            "receivedAt": _time(utc_now()),
            "smsCount": segments(reply.text),
            "price": {"pricePerMessage": 0, "currency": "EUR"},
            "callbackData": "",
        }
        values = {"results": [result], "messageCount": 1, "pendingMessageCount": 0}
        return self._call(url, values, is_forged=reply.is_forged)

    def _call(self, url: str, values: dict[str, Any], *, is_forged: bool) -> Call:
        proof = basic(self.account["hook_user"], forged(self.account["hook_password"], is_forged=is_forged))
        return Call("POST", url, (("Content-Type", JSON), ("Authorization", proof)), msgspec.json.encode(values))


def _new_names(values: dict[str, Any]) -> tuple[str, str, str]:
    """Sender, address for reports and own data of a v3 message."""
    webhooks = values.get("webhooks")
    hooks = webhooks if isinstance(webhooks, dict) else {}
    delivery = hooks.get("delivery")
    url = delivery.get("url") if isinstance(delivery, dict) else ""
    return str(values.get("sender") or ""), str(url or ""), str(hooks.get("callbackData") or "")


def _old_names(values: dict[str, Any]) -> tuple[str, str, str]:
    """The same of a v2 message."""
    sender, url, data = (str(values.get(name) or "") for name in ("from", "notifyUrl", "callbackData"))
    return sender, url, data


def _entry(text: Text, *, is_old: bool) -> dict[str, Any]:
    status = _status(26 if text.refusal is None else text.refusal.code)
    details = {} if is_old else {"details": {"messageCount": segments(text.text)}}
    return {
        "messageId": text.message_id,
        "to" if is_old else "destination": text.recipient,
        "status": status,
        **details,
    }


def _result(report: Report) -> dict[str, Any]:
    text, now = report.text, _time(utc_now())
    is_old = text.more["shape"] == "2"
    return {
        "bulkId": text.more["bulkId"],
        "messageId": text.message_id,
        "to": text.recipient,
        "from" if is_old else "sender": text.sender,
        "sentAt": now,
        "doneAt": now,
        "smsCount" if is_old else "messageCount": segments(text.text),
        "mccMnc": "20801",
        "callbackData": text.more["callbackData"],
        "price": {"pricePerMessage": 0.05, "currency": "EUR"},
        "status": _status(report.status),
        "error": _fault(report.code),
    }


def _status(code: str | int) -> dict[str, Any]:
    """A status by its number; one that nobody knows is in a group that nobody knows."""
    number = int(code) if str(code).isdecimal() else 9999
    group, name, description = STATUSES.get(number, (5 if number < 9999 else 99, f"STATUS_{number}", "Simulated"))
    group_name = GROUPS.get(group, "SIMULATED")
    return {"groupId": group, "groupName": group_name, "id": number, "name": name, "description": description}


def _fault(code: str) -> dict[str, Any]:
    number = int(code) if code.isdecimal() else 0
    group, group_name, name, is_permanent = ERRORS.get(number, (1, "HANDSET_ERRORS", f"EC_{number}", False))
    description = name.removeprefix("EC_").replace("_", " ").capitalize()
    return {
        "groupId": group,
        "groupName": group_name,
        "id": number,
        "name": name,
        "description": description,
        "permanent": is_permanent,
    }


def _time(moment: datetime) -> str:
    """2026-11-17T12:00:05.250+0000: the offset has no colon."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def _invalid(name: str, violation: str) -> Decline:
    return Decline(_error(400, "Request cannot be processed.", (name, violation)))


def _error(status: int, description: str, *violations: tuple[str, str]) -> Answer:
    return json_answer(
        status,
        {
            "errorCode": f"E{status}",
            "description": description,
            "action": "Check the syntax, violations, and adjust the request." if violations else "",
            "violations": [{"property": name, "violation": violation} for name, violation in violations],
            "resources": [],
        },
    )
