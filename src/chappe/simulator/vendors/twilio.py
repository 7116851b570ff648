"""Twilio, Programmable Messaging: API 2010-04-01, as twilio-python 9.13 and the vendor's pages have it."""

import base64
import functools
import hashlib
import hmac
import re
from collections.abc import Sequence
from email.utils import format_datetime
from typing import Final
from urllib.parse import urldefrag, urlencode

from ..http_hooks import Call
from ..http_quirks import VendorRefusal, is_url
from ..http_server import FORM, Answer, Request, form_fields, json_answer
from .form import segments, utc_now
from .message import Reply, Report, Text
from .proof import credentials, forged, matches
from .vendor import Decline, Vendor

PHONE: Final = re.compile(r"\+[1-9]\d{6,14}")
LONGEST_BODY: Final = 1600
UNKNOWN: Final = 30008
ERRORS: Final = {
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    21211: (400, "The 'To' number is not a valid phone number."),
    21408: (400, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number"),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' phone number provided is not a valid message-capable Twilio phone number"),
    21608: (400, "The number is unverified. Trial accounts cannot send messages to unverified numbers"),
    21609: (400, "The StatusCallback URL is not a valid URL."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (429, "This 'From' number has exceeded the maximum number of queued messages"),
    21612: (400, "The 'To' phone number is not currently reachable via SMS"),
    21614: (400, "'To' number is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
}
"""HTTP status and text of the vendor's codes; others are answered 400."""
OPT_OUT_WORDS: Final = {"STOP": "STOP", "START": "START", "HELP": "HELP"}


class Twilio(Vendor):
    KEY = "twilio"
    LABEL = "Twilio"
    ACCOUNT = {"account_sid": "AC" + "0" * 32, "auth_token": "simulator"}
    READ = "read"

    def answer(self, request: Request, path: list[str]) -> Answer:
        match path:
            case ["2010-04-01", "Accounts", sid, "Messages.json"] if request.method == "POST":
                self._check(request, sid)
                return self._send(form_fields(request.body))
            case ["2010-04-01", "Accounts", resource] if request.method == "GET" and resource.endswith(".json"):
                sid = resource.removesuffix(".json")
                self._check(request, sid)
                return json_answer(200, {"sid": sid, "status": "active", "type": "Full", "friendly_name": "Simulator"})
        return self.not_found()

    def throttled(self) -> Answer:
        return _error(20429)

    def failed(self, status: int) -> Answer:
        return Answer(status)

    def refused(self, refusal: VendorRefusal) -> Answer:
        return _error(int(refusal.code) if str(refusal.code).isdecimal() else UNKNOWN)

    def not_found(self) -> Answer:
        return _error(20404)

    def _check(self, request: Request, sid: str) -> None:
        """An API key may stand for the account in the header, never in the path."""
        pair = credentials(request.header(b"authorization"))
        if pair is None or not (matches(pair[0], self.account["account_sid"]) and matches(pair[1], self.token)):
            self.unauthorised(_error(20003))
        if not matches(sid, self.account["account_sid"]):
            raise Decline(_error(20404))

    @property
    def token(self) -> str:
        return self.account["auth_token"]

    def _send(self, form: dict[str, str]) -> Answer:
        recipient, service = form.get("To", ""), form.get("MessagingServiceSid", "")
        body, status_url = form.get("Body", ""), form.get("StatusCallback", "")
        code = _problem(form, recipient, service, body, status_url)
        if code:
            raise Decline(_error(code))
        text = Text(recipient, form.get("From", service), body, urldefrag(status_url).url)
        text.message_id = f"SM{self.next_id():032x}"
        text.more = {"MessagingServiceSid": service} if service else {}
        return self.send([text], self._accepted)

    def _accepted(self, texts: Sequence[Text]) -> Answer:
        [text] = texts
        service = text.more.get("MessagingServiceSid")
        now = _date(int(utc_now().timestamp()))
        sid = self.account["account_sid"]
        return json_answer(
            201,
            {
                "sid": text.message_id,
                "account_sid": sid,
                "messaging_service_sid": service,
                "to": text.recipient,
                "from": None if service == text.sender else text.sender,
                "body": text.text,
                "status": "accepted" if service else "queued",
                "direction": "outbound-api",
                "num_segments": "0" if service else str(segments(text.text)),
                "num_media": "0",
                "price": None,
                "price_unit": "USD",
                "error_code": None,
                "error_message": None,
                "api_version": "2010-04-01",
                "uri": f"/2010-04-01/Accounts/{sid}/Messages/{text.message_id}.json",
                "date_created": now,
                "date_sent": None,
                "date_updated": now,
            },
        )

    def status_calls(self, report: Report, url: str) -> list[Call]:
        text = report.text
        fields = {
            "ErrorCode": report.code,
            "SmsSid": text.message_id,
            "SmsStatus": report.status,
            "MessageStatus": report.status,
            "To": text.recipient,
            "MessageSid": text.message_id,
            "AccountSid": self.account["account_sid"],
            "From": text.sender,
            "ApiVersion": "2010-04-01",
            **text.more,
        }
        if not report.code:
            del fields["ErrorCode"]
        return [self._call(url, fields, is_forged=text.is_forged)]

    def inbound_call(self, reply: Reply, url: str) -> Call:
        sid = f"SM{self.next_id():032x}"
        fields = {
            "ToCountry": "",
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "FromCity": "",
            "Body": reply.text,
            "To": reply.recipient,
            "NumSegments": str(segments(reply.text)),
            "MessageSid": sid,
            "AccountSid": self.account["account_sid"],
            "From": reply.sender,
            "ApiVersion": "2010-04-01",
        }
        word = OPT_OUT_WORDS.get(reply.text.strip().upper())
        if word:
            fields["OptOutType"] = word
        return self._call(url, fields, is_forged=reply.is_forged)

    def _call(self, url: str, fields: dict[str, str], *, is_forged: bool) -> Call:
        signature = sign(url, fields, forged(self.token, is_forged=is_forged))
        headers = (
            ("Content-Type", FORM),
            ("X-Twilio-Signature", signature),
            ("I-Twilio-Idempotency-Token", f"{self.next_id():032x}"),
            ("User-Agent", "TwilioProxy/1.1"),
        )
        return Call("POST", url, headers, urlencode(fields).encode())


def sign(url: str, fields: dict[str, str], token: str) -> str:
    """`X-Twilio-Signature`: HMAC-SHA1 of the URL and the fields sorted by name, nothing between them."""
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode("ascii")


def _problem(form: dict[str, str], recipient: str, service: str, body: str, status_url: str) -> int:
    """The code of the first thing wrong with a message, 0 for nothing."""
    if not recipient:
        return 21604
    if not PHONE.fullmatch(recipient):
        return 21211
    if not form.get("From") and not service:
        return 21603
    if not body and "MediaUrl" not in form and "ContentSid" not in form:
        return 21602
    if len(body) > LONGEST_BODY:
        return 21617
    return 21609 if status_url and not is_url(status_url) else 0


def _error(code: int) -> Answer:
    status, message = ERRORS.get(code, (400, "The message was refused"))
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return json_answer(status, {"code": code, "message": message, "more_info": more_info, "status": status})


@functools.lru_cache(4)
def _date(second: int) -> str:
    return format_datetime(utc_now())
