"""The sentences that are made outside Django, drawn from the source: texts with spaces in the rooms that speak to people.

An f-string becomes a template with numbered holes. What is text and never read by people (statements, patterns, log
events, our own mistakes) is left out, by where it stands or by how it looks; a few too many do no harm.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from chappe.features.words import HOLE, MARKS
from chappe.providers.contract import Setting
from chappe.providers.registry import HTTP, PROVIDERS
from chappe.rules.consent import Exclusion
from chappe.rules.error import Reason
from chappe.rules.quarantine import QuarantineStatus
from translation.source import FEATURES, KEYWORDS, SOURCE

PO = FEATURES / "locale" / "fr" / "LC_MESSAGES" / "words.po"

ROOMS = ("smpp", "messaging", "rules", "providers", "engine", "features", "web/hooks")
SILENT_FILES = re.compile(
    r"smpp/(timer|window|event|receipt)\.py|providers/reference\.py|engine/(configuration|callback|log)\.py"
    r"|engine/store/.*|features/.*/(models|apps|urls|views|forms)\.py|.*/migrations/.*|features/words\.py"
)
# Those that write the pages of docs/reference
SILENT_FUNCTIONS = {"providers/contract.py": frozenset({"reference", "described", "_entry", "_type_of", "_shown"})}
SILENT_CLASSES = frozenset({"Trigger", "Reaction", "TlvType"})
SILENT_CALLS = frozenset(
    # Django's own translations; patterns and statements; our own mistakes
    {*KEYWORDS, "compile", "fullmatch", "match", "search", "sub", "split", "raw", "execute", "format_html"}
    | {"LocalProtocolError", "TypeError", "KeyError", "RuntimeError", "LookupError", "LeaseLost", "Statement"}
    | {"TypeVar", "cast", "namedtuple", "strftime"}
)
LOGS = frozenset({"log", "_log", "logger"})
SILENT_NAMES = frozenset({"SOURCES", "_SHIPPED"})
NO_SENTENCE = re.compile(
    r"(\{0\})?(SELECT|DELETE|INSERT|UPDATE|AND|ON CONFLICT) .*|status = .*|[A-Z]+_[A-Z_ ]+|https?://.*|\w+\[.*\]|.*\\s.*"
    r"|\(\?.*|(Basic|Bearer|MAC|AccessKey|App) \{.*|ErrorCode \d+|OptOutType .*|.*charset=.*|\* .*|<.*>|-----BEGIN .*|TLS "
    r"|\{0\} (ms|or \{1\}|at \{1\}:\{2\})|The \{0\}: \{1\}\.|\{0\}:\{1\} as \{2\}|0 or \{0\}|.*: a setting is declared twice"
    r"|.*: locks a column that is not there|Test of the connection by Chappe|Bad Request|No Content| text:"
    r"|attachment; .*| - at `\$"
)
SEVERAL_WORDS = re.compile(r"[^\W\d_]{2,}.*\s.*[^\W\d_]|\s[^\W\d_]{2,}|[^\W\d_]{2,}\s", re.DOTALL)

ALONE = (
    # Values in sentences
    *("account", "password", "transceiver", "transmitter", "receiver", "network", "suspended", "closed"),
    *("draft", "analysing", "ready", "sending", "paused", "finished", "cancelled", "failed", "deleting"),
    *("revised", "changed", "deleted", "analysed", "sent", "resumed"),
    # Links, what became of calls, and events that say nothing else
    *("bound", "down", "slowed", "unreadable", "method", "encoding", "accepted", "deferred", "unknown"),
    *("refused {0}: {1}", "deferred {0}: {1}"),
    *("put off", "resent", "unconfirmed", "receipt ignored", "error", "delivered", "read", "expired", "excluded"),
    # Why somebody is left out of a delivery
    *("bad_number", "bad_address", "no_identifier", "duplicate", "render_error", "empty"),
    # Of the language of payloads and texts
    *("unexpected {0}, expected {1}", "unknown {0}, expected {1}", "unexpected {0}"),
    *("end of input", "end of block", "end of variable block", "end of print statement", "statement"),
    *("end of string", "end of comment", "identifier", "integer", "invalid operation: {0}", "unable to calculate {0}"),
    "tried to use {0} operator on unsupported types {1} and {2}",
    # Of what reads JSON
    *("invalid value {0}", "invalid enum value {0}", "expected `{0}`, got `{1}`", "{0} - at `{1}`"),
    *("object missing required field `{0}`", "object contains unknown field `{0}`"),
    # Of the operating system and of TLS
    *("[Errno {0}] {1}", "Name or service not known", "Temporary failure in name resolution"),
    *("No address associated with hostname", "Connection refused", "Connection reset by peer"),
    *("Connection timed out", "No route to host", "Network is unreachable", "Broken pipe", "certificate has expired"),
    *("certificate is not yet valid", "self-signed certificate", "self-signed certificate in certificate chain"),
    *("unable to get local issuer certificate", "Hostname mismatch, certificate is not valid for '{0}'."),
    "IP address mismatch, certificate is not valid for '{0}'.",
    # What is said of what
    *("Transmitter: {0}", "Receiver: {0}", "The credentials: {0}.", "The test message: {0}."),
    *("{0} (hard: {1})", "{0} (soft: {1})", "{0} (ignored: {1})"),
    # Where in a payload, and what: the place is a value of the shorter sentences
    "line {0}, column {1}: there is no filter {2}; there are {3}",
    "line {0}, column {1}: only {2} may stand between {% and %}",
)
"""What is no sentence where it stands."""
CODES = (Reason, Exclusion, QuarantineStatus)
"""Words that are kept as reasons."""


def sentences() -> set[str]:
    """Every sentence, and what joins them."""
    found = {text for path in files() for text in in_module(path)}
    return {*found, *ALONE, *MARKS, *declared()} - {""}


def files() -> list[Path]:
    """The modules of the rooms that speak to people."""
    paths = (path for room in ROOMS for path in (SOURCE / room).rglob("*.py"))
    return sorted(path for path in paths if not SILENT_FILES.fullmatch(path.relative_to(SOURCE).as_posix()))


def in_module(path: Path) -> set[str]:
    """The sentences of a module."""
    silent = SILENT_FUNCTIONS.get(path.relative_to(SOURCE).as_posix(), frozenset())
    return set(filter(is_sentence, _Texts(silent).of(ast.parse(path.read_text("utf-8")))))


def is_sentence(text: str) -> bool:
    """Whether the text has words apart, on one line, and is none of those that only look so."""
    return (
        "\n" not in text and SEVERAL_WORDS.search(HOLE.sub("\0", text)) is not None and not NO_SENTENCE.fullmatch(text)
    )


def declared() -> Iterator[str]:
    """What is declared in single words: names, groups and units of settings."""
    for spec in [*PROVIDERS.values()]:
        yield from _of_settings(spec.settings)
        yield spec.label
        yield from (feature.value for feature in spec.features)
    yield from (code.value for codes in CODES for code in codes)
    for adapter in HTTP.values():
        yield from adapter.REFUSALS.values()


def _of_settings(settings: Iterable[Setting]) -> Iterator[str]:
    for setting in settings:
        texts = [
            setting.label,
            setting.help,
            setting.group,
            setting.unit,
            *(choice.label for choice in setting.choices),
        ]
        # Texts of several words are in the source, with their holes.
        yield from (text for text in texts if not re.search(r"\s", text))
        yield from _of_settings(setting.columns)


class _Texts:
    """Walks a module, with what says whether a text in it is for people."""

    def __init__(self, silent: frozenset[str]) -> None:
        self._silent = silent

    def of(self, node: ast.AST) -> Iterator[str]:
        """The texts at and below a node, as templates."""
        if self._is_silent(node):
            return
        if isinstance(node, ast.Constant):
            yield from [node.value] if isinstance(node.value, str) else []
            return
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.BinOp) and _is_text(node)):
            yield _template(node)
            for hole in _holes(node):
                yield from self.of(hole)
            return
        yield from self._named(node)
        for child in _children(node):
            yield from self.of(child)

    def _is_silent(self, node: ast.AST) -> bool:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                return name in self._silent or name == "__repr__"
            case ast.ClassDef(name=name):
                return name in SILENT_CLASSES
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name)):
                return owner in LOGS or name in SILENT_CALLS
            case ast.Call(func=ast.Name(id=name)):
                return name in SILENT_CALLS
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                return name in SILENT_NAMES
        return False

    def _named(self, node: ast.AST) -> Iterator[str]:
        """NotFound makes its sentence of a word."""
        match node:
            case ast.Call(func=ast.Name(id="NotFound"), args=[ast.Constant(value=str(what)), *_]):
                yield f"There is no {what} {{0}}."


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Without docstrings and annotations."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            if isinstance(child, ast.AST) and not is_docstring:
                yield child


def _is_text(node: ast.BinOp) -> bool:
    """Whether it joins texts, at least one of which stands there."""
    return isinstance(node.op, ast.Add) and any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        or (isinstance(side, ast.BinOp) and _is_text(side))
        for side in (node.left, node.right)
    )


def _pieces(node: ast.AST) -> Iterator[str | ast.AST]:
    """Text, and what is put into it."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            for value in values:
                yield from _pieces(value)
        case ast.FormattedValue(value=value):
            yield value
        case ast.BinOp(op=ast.Add()) if _is_text(node):
            yield from _pieces(node.left)
            yield from _pieces(node.right)
        case _:
            yield node


def _template(node: ast.AST) -> str:
    """Holes that touch are one: where the first ends cannot be seen."""
    pieces = [piece if isinstance(piece, str) else None for piece in _pieces(node)]
    pieces = [piece for place, piece in enumerate(pieces) if piece != "" and (piece or place == 0 or pieces[place - 1])]
    holes = count()
    return "".join(f"{{{next(holes)}}}" if piece is None else piece for piece in pieces)


def _holes(node: ast.AST) -> Iterator[ast.AST]:
    return (piece for piece in _pieces(node) if not isinstance(piece, str))
