"""Texts with what is known of a person in them: `Hello {{ first_name|default("there") }}`.

The language is minijinja's, cut down to what a short text needs, so that no text can take more than a little time and
memory: values, conditions and a few filters; no loops, assignments, calls or multiplication. Only plain values go in.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from minijinja import Environment, TemplateError

from chappe.messaging import ChappeError, FieldError

LONGEST_BODY = 10_000
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
        "replace",
        "round",
        "string",
        "title",
        "trim",
        "upper",
    }
)
TAGS = frozenset({"if", "elif", "else", "endif"})

_FUEL = 50_000
_BODY = "body"
# fmt: off
_OTHER_FILTERS = (
    "attr", "batch", "bool", "chain", "count", "dictsort", "e", "escape", "filesizeformat", "format", "groupby",
    "indent", "items", "join", "keys", "lines", "list", "map", "max", "min", "pprint", "reject", "rejectattr",
    "replace", "reverse", "safe", "select", "selectattr", "slice", "sort", "split", "striptags", "sum", "tojson",
    "truncate", "unique", "urlencode", "values", "wordcount", "wordwrap", "xmlattr", "zip",
)
# fmt: on
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


class RenderError(ChappeError):
    """The text cannot be made for this person. Says why without naming a value."""


class Template:
    """One text, compiled once. Raises `BadTemplate` for one that is not in the language."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.is_constant = not any(opening in source for opening in ("{{", "{%", "{#"))
        self._environment = _environment()
        try:
            self._environment.add_template(_BODY, source)
        except TemplateError as error:
            raise BadTemplate(_words(error)) from None
        self._render = self._environment.render_template

    @property
    def variables(self) -> frozenset[str]:
        """The names that the text mentions."""
        return frozenset(self._environment.undeclared_variables_in_template(_BODY))

    def render(self, values: Mapping[str, Any]) -> str:
        """The text for one person; a name without a value is empty. Raises RenderError."""
        if self.is_constant:
            return self.source
        try:
            return self._render(_BODY, **values)
        except TemplateError as error:
            raise RenderError(_words(error)) from None
        except ValueError as error:  # of a filter of ours
            raise RenderError(str(error)) from None


class BadTemplate(ChappeError):
    """The text is not in the language."""


def check(source: str, names: Collection[str], field: str) -> list[FieldError]:
    """What is wrong with a text: its language, and what it mentions beside `names` (empty: it may mention anything)."""
    if len(source) > LONGEST_BODY:
        return [FieldError(field, f"must have at most {LONGEST_BODY} characters")]
    if errors := [FieldError(field, problem) for problem in _refused(source)]:
        return errors
    try:
        template = Template(source)
        template.render({})
    except BadTemplate as error:
        return [FieldError(field, str(error))]
    except RenderError:
        pass  # a person with values may do better, and one without is then excluded
    unknown = sorted(template.variables - set(names)) if names else []
    return [FieldError(field, f"mentions {name}, which nobody on the list has") for name in unknown]


def _refused(source: str) -> Iterator[str]:
    for part in _PART.finditer(source):
        code = part["value"] if part["value"] is not None else part["tag"]
        if code is None:
            continue
        line = source.count("\n", 0, part.start()) + 1
        bare = _STRINGS.sub("''", code)
        if part["tag"] is not None:
            word = _WORD.match(bare.strip())
            if word is None or word[1] not in TAGS:
                yield f"line {line}: only {', '.join(sorted(TAGS))} may stand between {{% and %}}"
        for name in _FILTER.findall(bare):
            if name not in FILTERS:
                yield f"line {line}: there is no filter {name}; there are {', '.join(sorted(FILTERS))}"
        if "*" in bare:
            yield f"line {line}: texts cannot multiply"
        if any(called not in FILTERS and called not in _OPERATORS for called in _CALL.findall(bare)):
            yield f"line {line}: texts cannot call functions"


# Words that may stand before a parenthesis without calling anything.
_OPERATORS = frozenset({"and", "or", "not", "in", "is", "if", "elif", "else"})


def _environment() -> Environment:
    environment = Environment(fuel=_FUEL, undefined_behavior="chainable", debug=False, pycompat=False)
    environment.keep_trailing_newline = True
    for name in _OTHER_FILTERS:
        environment.remove_filter(name)
    for name in _FUNCTIONS:
        environment.remove_global(name)
    environment.add_filter("replace", _replace)
    return environment


def _replace(text: object, old: object, new: object) -> str:
    """The filter `replace`, which must not multiply a text either."""
    source, sought, word = str(text), str(old), str(new)
    if not sought:
        return source
    if len(source) + source.count(sought) * (len(word) - len(sought)) > LONGEST_BODY:
        raise ValueError("replaced by too much")
    return source.replace(sought, word)


def _words(error: TemplateError) -> str:
    message = re.sub(r"\s*\(in body:\d+\)$", "", error.message).removeprefix("syntax error: ")
    return f"line {error.line}: {message}" if error.line else message
