"""Asking mid on behalf of a person who looks at a page, or of what mends: questions that are answered soon or not at all."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from chappe.engine.http_flow import open_sender
from chappe.engine.net.http_client import NoAnswer, NotSent
from chappe.engine.net.http_sender import NoToken
from chappe.engine.net.verification import Subject
from chappe.messaging import ChappeError, ConfigError
from chappe.providers import relay
from chappe.providers.http import Account, HttpRequest, HttpResponse, detail_of

NOT_FOUND = 404
Answer = TypeVar("Answer")


class MidSilent(ChappeError):
    """Mid did not answer what was asked; `reason` says why, for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LineOfMid(msgspec.Struct, frozen=True):
    """One thing that happened on mid, by its clock."""

    at_ms: int
    kind: str
    text: str


class LifeOnMid(msgspec.Struct, frozen=True):
    """A message as mid has it: its number there, its state, and its timeline, oldest first."""

    id: int
    state: str
    reason: str = ""
    events: list[LineOfMid] = []


class AccountOnMid(msgspec.Struct, frozen=True):
    """What mid says of the account; `last_page` is the newest page it has for it."""

    account: str
    version: str
    now_ms: int
    last_page: int = 0


class _Known(msgspec.Struct, frozen=True):
    known: list[int]


_read_life = msgspec.json.Decoder(LifeOnMid).decode
_read_account = msgspec.json.Decoder(AccountOnMid).decode
_read_known = msgspec.json.Decoder(_Known).decode


async def life_of(subject: Subject, message_id: int, language: str, within_s: float) -> LifeOnMid | None:
    """The life there of our message; None where mid has no such message. Raises MidSilent."""
    response = await _ask(subject, "GET", f"/messages/{message_id}", within_s, language=language)
    # An account that is not there is another trouble; of the message it names the number.
    if response.status == NOT_FOUND and str(message_id) in detail_of(response):
        return None
    return _read(_read_life, response)


async def account_of(subject: Subject, within_s: float) -> AccountOnMid:
    """Raises MidSilent."""
    return _read(_read_account, await _ask(subject, "GET", "", within_s))


async def known_of(subject: Subject, ids: Sequence[int], within_s: float) -> set[int]:
    """Those of our messages that mid has. Raises MidSilent."""
    body = msgspec.json.encode({"ids": ids})
    return set(_read(_read_known, await _ask(subject, "POST", "/messages/known", within_s, body)).known)


async def _ask(
    subject: Subject, method: str, rest: str, within_s: float, body: bytes = b"", language: str = "en"
) -> HttpResponse:
    try:
        settings = relay.SPEC.parse({**subject.settings, **subject.secrets})
        account = Account(settings, subject.connection_id, subject.organisation_id)
        sender = open_sender(relay, account, subject.bounds)
    except ConfigError as error:
        raise MidSilent(str(error)) from None
    headers = [("Accept", "application/json"), ("Accept-Language", language)]
    headers += [("Content-Type", "application/json")] if body else []
    request = HttpRequest(method, relay.account_address(account, rest), tuple(headers), body)
    try:
        async with asyncio.timeout(within_s):
            return await sender.send(request)
    except TimeoutError:
        raise MidSilent(f"mid did not answer within {within_s:g} s") from None
    except (NotSent, NoAnswer, NoToken) as error:
        raise MidSilent(error.reason) from None
    finally:
        await sender.close()


def _read(decode: Callable[[bytes], Answer], response: HttpResponse) -> Answer:
    if not response.is_success:
        detail = detail_of(response)
        raise MidSilent(f"mid answered {response.status}" + (f": {detail}" if detail else ""))
    try:
        return decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MidSilent("mid's answer cannot be read") from None
