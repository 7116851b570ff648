"""Text for people that nobody can translate: what stands in a template outside its translate tags, or in Python unmarked."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from django.template.base import Lexer, Token, TokenType

ATTRIBUTES = frozenset(
    {"title", "placeholder", "alt", "label", "hx-confirm", "hx-prompt"}
    | {"aria-label", "aria-description", "aria-placeholder", "aria-roledescription", "aria-valuetext"}
)
BUTTONS = frozenset({"submit", "button", "reset"})
# What is written, sent or drawn as it is, in every language
SAME_EVERYWHERE = frozenset({"script", "style", "code", "kbd", "pre", "samp"})
# Languages are called as they call themselves
NAMES = frozenset({"Chappe", "English", "Français", "Latin"})
_WORD = re.compile(r"[^\W\d_]{2,}")
_ENDS = {"blocktranslate": "endblocktranslate", "blocktrans": "endblocktrans", "comment": "endcomment"}
# A text given to a tag or filter; one in _() is translated, and a format of dates is none
_TAG_TEXT = re.compile(r"""(_\(|date:|time:)?("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
_NO_TEXT_TAGS = frozenset({"translate", "trans", "load", "extends", "static", "asset", "now"})

SHOWN_ARGUMENTS = frozenset({"label", "help_text", "empty_label", "legend", "heading", "caption"})
NOTICES = frozenset({"success", "error", "warning", "info"})
SHOWN_TABLES = re.compile(r"_?([A-Z]+_)*(LABELS|CHOICES|TITLES|HEADINGS)")


def in_template(path: Path) -> Iterator[str]:
    """The untranslatable texts of a template, each with its line."""
    source = path.read_text("utf-8")
    markup, texts = _without_tags(Lexer(source).tokenize())
    yield from texts
    if path.suffix == ".html":
        parser = _Texts()
        parser.feed(markup)
        parser.close()
        yield from parser.found
    elif is_text(markup):
        yield markup.strip()


def is_text(text: str) -> bool:
    """Whether it has a word that is neither a name nor an abbreviation."""
    return any(word not in NAMES and not word.isupper() for word in _WORD.findall(text))


def _without_tags(tokens: list[Token]) -> tuple[str, list[str]]:
    """The markup, every line where it was, and the texts that stand within tags."""
    markup, texts, until = "", [], ""
    for token in tokens:
        name = token.contents.split(maxsplit=1)[0] if token.contents.strip() else ""
        if until:
            until = "" if token.token_type is TokenType.BLOCK and name == until else until
        elif token.token_type is TokenType.TEXT:
            markup += token.contents
            continue
        elif token.token_type is TokenType.BLOCK and name in _ENDS:
            until = _ENDS[name]
        elif token.token_type is not TokenType.COMMENT and name not in _NO_TEXT_TAGS:
            texts += [f"{token.lineno}: {text}" for text in _in_tag(token.contents)]
        markup += "\n" * token.contents.count("\n")
    return markup, texts


def _in_tag(contents: str) -> Iterator[str]:
    """What looks like words for people: three or more, or one with a capital."""
    for mark, quoted in _TAG_TEXT.findall(contents):
        text = quoted[1:-1]
        if not mark and is_text(text) and (text[:1].isupper() or len(text.split()) > 2):
            yield text


class _Texts(HTMLParser):
    """Finds text nodes and attributes that hold words."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._same: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self._same:
            self._same += [tag] * (tag == self._same[0])
        elif tag in SAME_EVERYWHERE or given.get("translate") == "no" or given.get("lang"):
            # One that names its language is written in it, whoever reads
            self._same = [tag]
        is_button = tag == "input" and given.get("type") in BUTTONS
        for name, value in given.items():
            if value and (name in ATTRIBUTES or (is_button and name == "value")) and is_text(value):
                self.found.append(f"{self.getpos()[0]}: {name}={value}")

    def handle_endtag(self, tag: str) -> None:
        if self._same and tag == self._same[0]:
            self._same.pop()

    def handle_data(self, data: str) -> None:
        if not self._same and is_text(data):
            self.found.append(f"{self.getpos()[0]}: {' '.join(data.split())}")


def in_module(path: Path) -> Iterator[str]:
    """The unmarked texts of a module of pages and forms, each with its line."""
    is_model = path.name == "models.py"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        for text in _given(node):
            # What a column holds is written for whoever reads the model
            if _is_literal(text) and not (is_model and _is_column(node)):
                yield f"{text.lineno}: {ast.unparse(text)}"


def _given(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions at a node that people read."""
    match node:
        case ast.Call():
            yield from _arguments(node)
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(values=values)) if SHOWN_TABLES.fullmatch(name):
            yield from values
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict(values=values)) if SHOWN_TABLES.fullmatch(name):
            yield from values
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as pairs) if SHOWN_TABLES.fullmatch(name):
            yield from _seconds(pairs)
        case ast.ClassDef(bases=bases, body=body) if any(ast.unparse(base).endswith("TextChoices") for base in bases):
            yield from (one for line in body if isinstance(line, ast.Assign) for one in _second(line.value))


def _arguments(call: ast.Call) -> Iterator[ast.expr]:
    for keyword in call.keywords:
        if keyword.arg in SHOWN_ARGUMENTS:
            yield keyword.value
        elif keyword.arg == "choices":
            yield from _seconds(keyword.value)
        elif keyword.arg == "error_messages" and isinstance(keyword.value, ast.Dict):
            yield from keyword.value.values
    match call.func:
        case ast.Attribute(value=ast.Name(id="messages"), attr=name) if name in NOTICES and len(call.args) > 1:
            yield call.args[1]
        case ast.Name(id="ValidationError") | ast.Attribute(attr="ValidationError") if call.args:
            yield call.args[0]


def _seconds(pairs: ast.expr) -> Iterator[ast.expr]:
    """Of each pair in a list or tuple that stands there, the second."""
    if isinstance(pairs, ast.List | ast.Tuple):
        for pair in pairs.elts:
            yield from _second(pair)


def _second(pair: ast.expr) -> Iterator[ast.expr]:
    if isinstance(pair, ast.Tuple) and len(pair.elts) == 2:
        yield pair.elts[1]


def _is_literal(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=str(text)):
            return is_text(text)
        case ast.JoinedStr(values=values):
            return any(_is_literal(value) for value in values)
        case ast.BinOp(left=left, right=right):
            return _is_literal(left) or _is_literal(right)
        case ast.Call(func=ast.Attribute(value=value, attr="format")):
            return _is_literal(value)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_literal(body) or _is_literal(orelse)
    return False


def _is_column(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and bool(re.search(r"(Field|Key|Milliseconds)$", ast.unparse(node.func)))
