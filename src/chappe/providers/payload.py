"""The body of a request as the operator writes it: JSON with placeholders, `{"to": "{{toNumber}}", "text": "{{message}}"}`.

The language is minijinja's, cut down to values, conditions, lists and a few filters. It escapes by construction: every value
is put in as JSON when it is put in, and whether it stands within a string of the template's JSON decides on its quotation
marks. So a value with quotation marks, line ends or `{{toNumber}}` in it stays as it is, and nothing is read twice.

    "to": "{{ toNumber }}"     within a string: its characters        "count": {{ n }}   elsewhere: a JSON value of its own
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from minijinja import Environment, TemplateError

from chappe.messaging import ConfigError, FieldError, OutboundMessage
from chappe.messaging.content import Reply, RichText
from chappe.providers.http import Account

LONGEST_SOURCE = 20_000
LONGEST_PAYLOAD = 1_000_000
"""Characters of a finished payload."""

VARIABLES: Mapping[str, str] = {
    "toNumber": "the recipient's number, E.164 with +",
    "number": "the same",
    "fromNumber": "the sender",
    "sender": "the same",
    "message": "the text; with a `content`, the one that stands in for it on phones without RCS",
    "content": "what RCS or MMS carry, as JSON; null where there is nothing",
    "profile": "what is known of the person: `profile.first_name`",
    "delivery": "`delivery.id` and `delivery.name`",
    "message_id": "our id of the message",
    "callback_url": "where the provider is to say what became of the message; empty without a public address",
    "status_url": "the same",
    "appId": "the setting Application id",
}
"""What a payload may mention."""

RECIPIENT = ("toNumber", "number")
MESSAGE = ("message", "content")

FILTERS = frozenset(
    {
        "abs",
        "capitalize",
        "d",
        "default",
        "first",
        "float",
        "int",
        "last",
        "length",
        "lower",
        "round",
        "string",
        "title",
    }
    | {"trim", "upper", "replace", "tojson"}
)
TAGS = frozenset({"if", "elif", "else", "endif", "for", "endfor"})

_FUEL = 10_000  # some thousand steps: a carousel of ten cards takes some five hundred
_NAME = "payload"
_MARK = "\0"  # around every value that is put in; JSON has none of it, and neither has a template
_FUNCTIONS = ("debug", "dict", "namespace", "range")
_STRING = r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'"""
_PART = re.compile(
    # Possessive, so that no text keeps the pattern busy with other ways to pair its quotation marks.
    r"\{#.*?#\}"
    rf"|\{{\{{(?P<value>(?>{_STRING}|(?!\}}\}}).)*+)\}}\}}"
    rf"|\{{%(?P<tag>(?>{_STRING}|(?!%\}}).)*+)%\}}",
    re.DOTALL,
)
_STRINGS = re.compile(_STRING, re.DOTALL)
_FILTER = re.compile(r"\|\s*([^\W\d]\w*)")
_CALL = re.compile(r"([\w.]+|[\])])\s*\(")
_WORD = re.compile(r"[-+]?\s*(\w*)")
_OPERATORS = frozenset({"and", "or", "not", "in", "is", "if", "elif", "else"})
_JSON_STRING = re.compile(r'\\.|"|\\\Z', re.DOTALL)
_encode = msgspec.json.Encoder(enc_hook=str).encode


class PayloadFailed(Exception):
    """The payload cannot be made for this message. Says why without naming a value."""


class Payload:
    """One template, compiled once. Raises ConfigError, for `field`, for one that is not in the language."""

    def __init__(self, source: str, field: str = "payload") -> None:
        errors = [FieldError(field, problem) for problem in _refused(source)]
        if errors:
            raise ConfigError(errors)
        self._field = field
        self._source = source
        self._environment = _environment()
        try:
            self._environment.add_template(_NAME, source)
        except TemplateError as error:
            raise ConfigError([FieldError(field, _words(error, source))]) from None

    @property
    def variables(self) -> frozenset[str]:
        """The names that the template mentions."""
        return frozenset(self._environment.undeclared_variables_in_template(_NAME))

    def render(self, values: Mapping[str, Any]) -> bytes:
        """The payload for one message, in UTF-8. Raises PayloadFailed, also for what comes out as no JSON."""
        text = self._text(values)
        body = text.encode("utf-8", "replace")
        try:
            msgspec.json.decode(body, type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError):
            raise PayloadFailed(f"the payload is not JSON: {_json_problem(text)}") from None
        return body

    def check(self, samples: Mapping[str, Mapping[str, Any]], known: Mapping[str, str]) -> list[FieldError]:
        """What is wrong with it: names beside `known`, and for which of the samples, by name, it makes no JSON."""
        problems = self.unknown(known)
        if not problems:
            for what, values in samples.items():
                try:
                    self.render(values)
                except PayloadFailed as error:
                    problems.append(f"for {what}: {error}")
                    break
        return [FieldError(self._field, problem) for problem in problems]

    def unknown(self, known: Mapping[str, str]) -> list[str]:
        """What it mentions beside `known`, each with its line and column."""
        mentioned = self._environment.undeclared_variables_in_template(_NAME, nested=True)
        return [problem for name in sorted(mentioned) if (problem := self._unknown(name, known))]

    def _unknown(self, name: str, known: Mapping[str, str]) -> str:
        first, _, rest = name.partition(".")
        if first not in known:
            return f"{self._place(first)}there is no value {first}; there are {', '.join(known)}"
        if first == "delivery" and rest.partition(".")[0] not in ("", "id", "name"):
            return f"{self._place(name)}there is no value {name}; there are delivery.id and delivery.name"
        return ""

    def _place(self, name: str) -> str:
        word = re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w)")
        for part in _PART.finditer(self._source):
            group = "value" if part["value"] is not None else "tag"
            # Strings keep their length, so that columns stay what they are.
            code = _STRINGS.sub(lambda match: " " * len(match[0]), part[group] or "")
            if found := word.search(code):
                return _at(self._source, part.start(group) + found.start())
        return ""

    def _marked(self, values: Mapping[str, Any]) -> str:
        """The template's own text, and between marks the JSON of each value."""
        try:
            marked = self._environment.render_template(_NAME, **{name: _fit(value) for name, value in values.items()})
        except TemplateError as error:
            raise PayloadFailed(_words(error, self._source)) from None
        except (ValueError, TypeError) as error:  # of a filter of ours
            raise PayloadFailed(str(error)) from None
        if len(marked) > LONGEST_PAYLOAD:
            raise PayloadFailed(f"the payload is longer than {LONGEST_PAYLOAD} characters")
        return marked

    def _text(self, values: Mapping[str, Any]) -> str:
        is_inside, out = False, []
        for index, piece in enumerate(self._marked(values).split(_MARK)):
            if index % 2:
                out.append(_within_a_string(piece) if is_inside else piece)
            else:
                is_inside = _is_inside_after(piece, is_inside)
                out.append(piece)
        return "".join(out)


class Text(Payload):
    """A template that makes one line of plain text, as the value of a header is."""

    def line(self, values: Mapping[str, Any]) -> str:
        """Control characters of values become spaces. Raises PayloadFailed."""
        pieces = self._marked(values).split(_MARK)
        shown = (_plain(piece) if index % 2 else piece for index, piece in enumerate(pieces))
        return "".join(c if c.isprintable() else " " for c in "".join(shown)).strip()


@lru_cache(maxsize=200)
def compiled_text(source: str) -> Text:
    """The template of a header, compiled once. Raises ConfigError."""
    return Text(source, "headers")


@lru_cache(maxsize=200)
def compiled(source: str) -> Payload:
    """The template of a connection's settings, compiled once. Raises ConfigError."""
    return Payload(source)


def values_of(message: OutboundMessage, account: Account, sender: str) -> dict[str, Any]:
    """What a payload may say of a message."""
    options = message.options
    content = options.content if options else None
    return {
        "toNumber": message.recipient,
        "number": message.recipient,
        "fromNumber": sender,
        "sender": sender,
        "message": message.body,
        "content": None if content is None else msgspec.to_builtins(content),
        "profile": (options.profile if options else None) or {},
        "delivery": {"id": message.delivery_id, "name": options.delivery_name if options else ""},
        "message_id": str(message.id),
        "callback_url": account.status_url,
        "status_url": account.status_url,
        "appId": account.settings.get("provider_app_id", ""),
    }


def check_message_payload(source: str) -> list[FieldError]:
    """What is wrong with the payload of a provider of texts: it must make JSON of any message, and name whom and what."""
    try:
        payload = compiled(source)
    except ConfigError as error:
        return list(error.errors)
    mentioned = payload.variables
    errors = [
        FieldError("payload", f"mentions no {{{{{names[0]}}}}}: every message would be the same")
        for names in (RECIPIENT, MESSAGE)
        if mentioned.isdisjoint(names)
    ]
    return errors + payload.check(_SAMPLES, VARIABLES)


def _sample(**values: Any) -> dict[str, Any]:
    plain = dict.fromkeys(VARIABLES, "1") | {"content": None, "profile": {}, "delivery": {"id": 1, "name": "Boots"}}
    return plain | values


_NASTY = "\"quoted\" \\ {{toNumber}}\n'é' </script>"
_SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "a plain text": _sample(toNumber="+33612345678", number="+33612345678", message="Hello"),
    "a text with quotation marks and line ends": _sample(message=_NASTY, fromNumber=_NASTY, sender=_NASTY),
    "a message with RCS content": _sample(content=msgspec.to_builtins(RichText("Hello", (Reply("Yes"),)))),
    "a person of whom much is known": _sample(profile={"first_name": _NASTY}),
}


def _environment() -> Environment:
    environment = Environment(
        fuel=_FUEL,
        undefined_behavior="chainable",
        debug=False,
        pycompat=False,
        finalizer=_put_in,
        auto_escape_callback=_raw,
    )
    environment.keep_trailing_newline = True
    for name in _FUNCTIONS:
        environment.remove_global(name)
    environment.add_filter("replace", _replace)
    environment.add_filter("tojson", _to_json)
    return environment


def _raw(_name: str) -> bool:
    return False


def _put_in(value: Any) -> str:
    return f"{_MARK}{_encode(value).decode()}{_MARK}"


def _to_json(value: Any) -> str:
    """The filter `tojson`: JSON as a text, for providers that want JSON within a string."""
    return _encode(value).decode()


def _replace(text: object, old: object, new: object) -> str:
    """The filter `replace`, which must not multiply a text."""
    source, sought, word = str(text), str(old), str(new)
    if len(source) + source.count(sought) * (len(word) - len(sought)) > LONGEST_PAYLOAD:
        raise ValueError("replaced by too much")
    return source.replace(sought, word) if sought else source


@lru_cache(maxsize=4096)
def _is_inside_after(literal: str, is_inside: bool) -> bool:
    """Whether a JSON string is open behind a piece of the template, given whether one was before it."""
    for found in _JSON_STRING.finditer(literal):
        if found[0] == '"':
            is_inside = not is_inside
        elif found[0] == "\\":  # it would take the value's first character with it, and that may be the next escape
            raise PayloadFailed("a backslash stands right before a value")
    return is_inside


def _plain(value: str) -> str:
    """JSON as a person writes it: a string without its quotation marks, null as nothing."""
    if value.startswith('"'):
        return str(msgspec.json.decode(value))
    return "" if value == "null" else value


def _within_a_string(value: str) -> str:
    """JSON put into a JSON string: of a string its characters, of null nothing, of anything else its own notation."""
    if value.startswith('"'):
        return value[1:-1]
    if value == "null":
        return ""
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _fit(value: Any) -> Any:
    """A value without half surrogate pairs, which are no characters, and in which each stands for U+FFFD."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_fit(name): _fit(item) for name, item in value.items()}
    return [_fit(item) for item in value] if isinstance(value, list | tuple) else value


def _refused(source: str) -> Iterator[str]:
    """What stands in a template that is beyond the language."""
    if len(source) > LONGEST_SOURCE:
        yield f"expected at most {LONGEST_SOURCE} characters"
        return
    if _MARK in source or _fit(source) != source:
        yield "has characters that no text has: NUL, or half of a surrogate pair"
        return
    for part in _PART.finditer(source):
        code = part["value"] if part["value"] is not None else part["tag"]
        if code is None:
            continue
        place = _at(source, part.start())
        bare = _STRINGS.sub("''", code)
        if part["tag"] is not None:
            word = _WORD.match(bare.strip())
            if word is None or word[1] not in TAGS:
                yield f"{place}only {', '.join(sorted(TAGS))} may stand between {{% and %}}"
        for name in _FILTER.findall(bare):
            if name not in FILTERS:
                yield f"{place}there is no filter {name}; there are {', '.join(sorted(FILTERS))}"
        if "*" in bare:
            yield f"{place}a payload cannot multiply"
        if any(called not in FILTERS and called not in _OPERATORS for called in _CALL.findall(bare)):
            yield f"{place}a payload cannot call functions"


def _at(source: str, offset: int) -> str:
    line = source.count("\n", 0, offset) + 1
    return f"line {line}, column {offset - source.rfind(chr(10), 0, offset)}: "


def _words(error: TemplateError, source: str) -> str:
    message = re.sub(r"\s*\(in payload:\d+\)$", "", error.message).removeprefix("syntax error: ")
    if error.range is not None:
        octets = source.encode("utf-8", "replace")
        return _at(source, len(octets[: error.range[0]].decode("utf-8", "replace"))) + message
    return f"line {error.line}: {message}" if error.line else message


def _json_problem(text: str) -> str:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}: {error.msg[0].lower()}{error.msg[1:]}"
    except (ValueError, RecursionError):
        pass
    return "it has a number that is too long, or is nested too deep"
