"""Recorded exchanges of the HTTP providers: `tests/providers/<key>/*.json`, read here, checked in `test_http_contract.py`.

Every file is an object with `source` (the provider's page, or the SDK and its version) and `date` (when that was so), and:

`settings.json`: `settings`, values of the provider's settings that parse, all of its secrets among them; `hook_secrets`, names
of the settings without which no hook may be believed.

`words.json`: `words`, every status word that the adapter's `STATES` maps, with its kind (`success`, `error`, `intermediate`,
`read`).

`requests.json`: `requests`, a list of
    name          a few words, unique in the file
    call          `send` (when absent), `probe`, or `token`: the first request of the auth's `fetch`
    settings      values that differ from settings.json
    message       fields of `OutboundMessage`; `recipient` and `body` are needed, the others are 0 or ""; for `send` only
    status_url, inbound_url    of the account, "" when absent
    now_s         the clock, 1700000000 when absent
    expected      `{"refused": {"code": …, "kind": …, "reason": a part of it}}`, each member being optional, or what must be
                  on the wire after signing: `method`; `url` without its query; `query`, an object; `headers`, some or all of
                  them; and one of `form` (an object), `json` (a value) or neither for no body

`responses.json`: `responses`, a list of
    name, settings
    call          `send` (when absent) or `probe`
    status        of HTTP
    headers       optional
    body          a JSON value, sent as JSON; or `text`, sent as it is; or neither for an empty body
    expected      for `send`: `outcome` (`accepted`, `refused`, `deferred`, `unknown`) and any fields of it, as they must be,
                  `reason` being a part of it; for `probe`: `problem`, a part of it, "" when all must be well

`hooks.json`: `hooks`, a list of
    name, settings, now_s, status_url, inbound_url
    method        `POST` when absent
    url           as the provider called it
    headers       as the provider wrote them
    text          the body, octet for octet once in UTF-8; absent for none
    verified      whether the proof holds
    proof         names of the query's, form's or JSON's members that are proof, where headers are not all of it
    events        what a verified one tells, in order: objects with `type` (`Receipt`, `InboundMessage`, `OptOut`, `OptIn`) and
                  the fields of it that are not as by default; or `"unreadable"`
    reply         `status`, `text` and `content_type` of the answer, each optional
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from chappe.messaging import OutboundMessage
from chappe.providers.http import Account, HookRequest, HttpProvider, HttpRequest, HttpResponse

HOME = Path(__file__).parent
FILES = ("settings", "words", "requests", "responses", "hooks")
NOW_S = 1_700_000_000

Entry = dict[str, Any]


SHORT = {"hook_max_age_s": 300}
"""Recorded calls are stale after minutes, as their vendors' pages advise."""


@dataclass(frozen=True)
class Recordings:
    """The recordings of one provider."""

    adapter: HttpProvider

    @property
    def key(self) -> str:
        return self.adapter.SPEC.key

    def read(self, file: str) -> Entry:
        loaded: Entry = json.loads((HOME / self.key / f"{file}.json").read_text(encoding="utf-8"))
        return loaded

    def entries(self, file: str) -> list[Entry]:
        listed: list[Entry] = self.read(file)[file]
        return listed

    @property
    def settings(self) -> Entry:
        values: Entry = self.read("settings")["settings"]
        return values

    def account(self, entry: Entry) -> Account:
        settings = self.adapter.SPEC.parse({**SHORT, **self.settings, **entry.get("settings", {})})
        return Account(settings, 42, 7, entry.get("status_url", ""), entry.get("inbound_url", ""))


def message(entry: Entry) -> OutboundMessage:
    """What is to be sent; numbers that are not given are 0."""
    unsaid = {"id": 1, "sender": "", "category": 0, "attempt": 0, "tries": 0, "expires_ms": 0, "delivery_id": 0}
    given: Entry = {**unsaid, "organisation_id": 7, **entry["message"]}
    return OutboundMessage(**given)


def response(entry: Entry) -> HttpResponse:
    body = entry["text"].encode() if "text" in entry else msgspec.json.encode(entry["body"]) if "body" in entry else b""
    return HttpResponse(
        entry["status"], body, {name.lower(): value for name, value in entry.get("headers", {}).items()}
    )


def hook(entry: Entry) -> HookRequest:
    headers = {name.lower(): value for name, value in entry.get("headers", {}).items()}
    return HookRequest(entry.get("method", "POST"), entry["url"], headers, entry.get("text", "").encode())


def wire(request: HttpRequest) -> Entry:
    """A signed request in the terms of `requests.json`."""
    url, _, query = request.url.partition("?")
    headers = dict(request.headers)
    seen: Entry = {"method": request.method, "url": url, "query": dict(parse_qsl(query, keep_blank_values=True))}
    kind = headers.get("Content-Type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        seen["form"] = dict(parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True))
    elif request.body:
        seen["json"] = json.loads(request.body)
    return {**seen, "headers": headers}
