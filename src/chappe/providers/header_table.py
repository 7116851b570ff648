"""Headers as an operator lists them: constant or made for each message, open or locked (encrypted, and never shown again)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from chappe.messaging import ConfigError, FieldError
from chappe.providers.contract import Choice, Setting, Settings, SettingType
from chappe.providers.payload import VARIABLES, compiled_text

ALWAYS = {"Content-Type": "application/json", "Charset": "UTF-8"}
"""Headers that may be there from the start and stay, and what they start with."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_OURS = frozenset({"connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"})


def is_header_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def _name_problem(name: str) -> str | None:
    if not is_header_name(name):
        return "expected the name of a header: letters, digits and hyphens"
    return "is written by the sender itself" if name.lower() in _OURS else None


def _value_problem(value: str) -> str | None:
    return None if all(c.isprintable() for c in value) else "expected one line without control characters"


def headers(help_text: str, always: Sequence[str]) -> Setting:
    """`always` are those of ALWAYS that stay, which `header_errors` is to be told as well."""
    return Setting(
        "headers",
        SettingType.TABLE,
        tuple({"label": name, "type": "constant", "value": ALWAYS[name], "locked": False} for name in always),
        "Headers",
        help_text,
        maximum=30,
        locks="value",
        columns=(
            Setting("label", SettingType.TEXT, "", "Name", maximum=100, required=True, check=_name_problem),
            Setting(
                "type",
                SettingType.CHOICE,
                "constant",
                "Type",
                choices=(
                    Choice("constant", "as it is"),
                    Choice("template", "made for each message, as the payload is: {{ message_id }}"),
                ),
            ),
            Setting("value", SettingType.TEXT, "", "Value", maximum=4000, check=_value_problem),
            Setting("locked", SettingType.BOOLEAN, False, "Locked", "Encrypted, and never shown again."),
        ),
    )


def header_errors(settings: Settings, always: Sequence[str]) -> list[FieldError]:
    """What is wrong with the rows together, and with their templates."""
    rows = settings.rows("headers")
    names = [row.text("label").lower() for row in rows]
    errors = [
        FieldError("headers", f"{name} is there from the start and cannot be removed")
        for name in always
        if name.lower() not in names
    ]
    for index, row in enumerate(rows):
        place = f"headers[{index}]"
        if names[index] in names[:index]:
            errors.append(FieldError(f"{place}.label", "is in another row already"))
        if names[index] == "content-type" and "json" not in row.text("value").lower():
            errors.append(FieldError(f"{place}.value", "expected a type of JSON, such as application/json"))
        if row.text("type") == "template" and row.flag("locked"):
            errors.append(FieldError(f"{place}.type", "a locked value is constant: the same for all messages"))
        elif row.text("type") == "template":
            errors += _template_errors(row.text("value"), f"{place}.value")
    return errors


def open_headers(settings: Settings, values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The headers that are no secrets, for one message. Raises PayloadFailed."""
    return _headers(settings, values, is_locked=False)


def locked_headers(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The secret ones, which go on with the proof of who sends; they are the same for all messages."""
    return _headers(settings, {}, is_locked=True)


def _headers(settings: Settings, values: Mapping[str, Any], *, is_locked: bool) -> tuple[tuple[str, str], ...]:
    return tuple(
        (row.text("label"), _value(row, values)) for row in settings.rows("headers") if row.flag("locked") is is_locked
    )


def _value(row: Settings, values: Mapping[str, Any]) -> str:
    return compiled_text(row.text("value")).line(values) if row.text("type") == "template" else row.text("value")


def _template_errors(source: str, place: str) -> list[FieldError]:
    try:
        problems = compiled_text(source).unknown(VARIABLES)
    except ConfigError as error:
        problems = [one.message for one in error.errors]
    return [FieldError(place, problem) for problem in problems]
