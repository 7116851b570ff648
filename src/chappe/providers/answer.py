"""Answers of providers that nobody wrote an adapter for: the operator says where what stands, and which codes mean what."""

import re
import time
from dataclasses import replace
from typing import Any

from chappe.messaging import About, Accepted, Deferred, ErrorKind, Refused, SendOutcome
from chappe.providers.auth import at_path
from chappe.providers.contract import Setting, Settings, SettingType
from chappe.providers.http import ACCOUNT_PAUSE_S, HttpResponse, said, unexplained

ANSWER = "Answers"
MOST_VALUES = 100_000
"""Of an answer, so many values are looked through for a field's name."""

_STATUS = re.compile(r"2(?:[0-9][0-9]|xx)")
_ACCOUNT_STATUSES = (401, 402, 403, 405, 407)
_FIELD_HELP = (
    "The name of a field, of which the first anywhere in the answer counts, or a path such as messages.0.id, in which numbers "
    "are places in lists."
)


def _listed(text: str) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in text.split(",") if part.strip())


def _statuses_problem(text: str) -> str | None:
    wrong = [part for part in sorted(_listed(text)) if not _STATUS.fullmatch(part)]
    return f"expected status codes such as 200, 201 or 2xx, and not {wrong[0]}" if wrong else None


def _where_problem(text: str) -> str | None:
    if text.startswith("$"):
        return "expected a path without $, such as messages.0.id"
    return "expected a name or a path without spaces" if any(c.isspace() for c in text) else None


def _codes(name: str, label: str, help_text: str) -> Setting:
    return Setting(name, SettingType.TEXT, "", label, f"{help_text} Separate by commas.", maximum=2000)


def _where(name: str, default: str, label: str, help_text: str) -> Setting:
    return Setting(name, SettingType.TEXT, default, label, help_text, maximum=200, check=_where_problem)


def answer_settings(*, message_id: str = "") -> tuple[Setting, ...]:
    """`message_id` is where the id stands by default."""
    settings = (
        Setting(
            "success_statuses",
            SettingType.TEXT,
            "2xx",
            "Status codes of success",
            "HTTP status codes by which a message counts as taken, such as 200, 202 or 2xx. Separate by commas.",
            maximum=200,
            required=True,
            check=_statuses_problem,
        ),
        _where(
            "success_field",
            "",
            "Field of success",
            f"Where the answer says whether the message was taken; empty where the status code says it all. {_FIELD_HELP}",
        ),
        _codes("success_values", "Values of success", "What stands in that field when it was; empty: anything."),
        _where(
            "message_id_field",
            message_id,
            "Field of the message id",
            f"{_FIELD_HELP} Empty where the provider gives back our own id: then its feedback names that (client_reference).",
        ),
        _where("error_code_field", "code", "Field of the error code", _FIELD_HELP),
        _where("error_text_field", "message", "Field of the error text", _FIELD_HELP),
        _codes("retry_codes", "Codes that are tried again", "Error codes with which the message is sent again later."),
        _codes("opt_out_codes", "Codes of opt-outs", "Error codes that say that the person wants no more messages."),
        _codes("hard_codes", "Codes of wrong numbers", "Error codes that say that the recipient does not exist."),
    )
    return tuple(replace(setting, group=ANSWER) for setting in settings)


def read_answer(response: HttpResponse, settings: Settings, provider: str) -> SendOutcome:
    """The outcome, for any octets whatever. An answer that says nothing loses no message."""
    if response.status == 429:
        return unexplained(response, provider)
    value = response.json
    if _is_success(response, value, settings):
        return _accepted(response, value, settings, provider)
    code, text = _found(value, settings.text("error_code_field")), _found(value, settings.text("error_text_field"))
    listed = _by_code(code, text, settings, provider)
    if listed is not None and (response.status < 500 or isinstance(listed, Deferred)):
        return listed
    reason = text or f"{provider} answered HTTP {response.status}" + (f" with code {code}" if code else "")
    if response.status in _ACCOUNT_STATUSES:
        after_s = response.retry_after_s(time.time(), ACCOUNT_PAUSE_S)
        return Deferred(reason, after_s, code or str(response.status), About.ACCOUNT)
    is_refusal = 400 <= response.status < 500 or (response.is_success and _says_otherwise(value, settings))
    return (
        Refused(reason, code or str(response.status))
        if is_refusal and (code or text)
        else unexplained(response, provider)
    )


def find(value: Any, where: str) -> Any:
    """What stands at a path, or under the first member of this name anywhere, in the answer's order; None for nothing."""
    if not where:
        return None
    if "." in where or where.isdigit():
        return at_path(value, where)
    pending, looked_at = [value], 0
    while pending and looked_at < MOST_VALUES:
        one = pending.pop()
        looked_at += 1
        if isinstance(one, dict):
            if where in one:
                return one[where]
            pending += reversed(one.values())
        elif isinstance(one, list):
            pending += reversed(one)
    return None


def _is_success(response: HttpResponse, value: Any, settings: Settings) -> bool:
    statuses = _listed(settings.text("success_statuses"))
    if str(response.status) not in statuses and f"{response.status // 100}xx" not in statuses:
        return False
    return not settings.text("success_field") or _has_success_value(value, settings)


def _has_success_value(value: Any, settings: Settings) -> bool:
    wanted, given = _listed(settings.text("success_values")), _word(find(value, settings.text("success_field")))
    return given.lower() in wanted if wanted else bool(given)


def _says_otherwise(value: Any, settings: Settings) -> bool:
    """Whether the answer has the field that tells of success, and it tells of none."""
    return bool(settings.text("success_field")) and bool(_word(find(value, settings.text("success_field"))))


def _accepted(response: HttpResponse, value: Any, settings: Settings, provider: str) -> SendOutcome:
    field = settings.text("message_id_field")
    if not field:
        return Accepted(("",), echoes_ours=True)
    message_id = _found(value, field)
    # Without the id that is to be there it may be anything that answers 200, a page to log in for one.
    return Accepted((message_id,)) if message_id else unexplained(response, provider)


def _by_code(code: str, text: str, settings: Settings, provider: str) -> SendOutcome | None:
    word, reason = code.lower(), text or f"{provider} refused the message with code {code}"
    if not code:
        return None
    if word in _listed(settings.text("opt_out_codes")):
        return Refused(reason, code, opts_out=True)
    if word in _listed(settings.text("hard_codes")):
        return Refused(reason, code, ErrorKind.HARD)
    if word in _listed(settings.text("retry_codes")):
        return Deferred(reason, settings.number("retry_delay_s"), code)
    return None


def _found(value: Any, where: str) -> str:
    return said(find(value, where))


def _word(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else said(value)
