"""docs/reference/simulator.md, written from the declarations: `python -m chappe.simulator.reference > FILE`."""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from . import profile as profiles
from .http import ROUTES
from .profile import PROFILES
from .quirks import AT_START, GROUPS, RECEIPT_DIALECTS, TABLES, Quirks

HEAD = """\
# The simulator

Written from `src/chappe/simulator/` by `python -m chappe.simulator.reference`; change it there.

`chappe simulate smsc --quirks NAME|FILE` starts an SMSC that does as it is told. NAME is a profile, FILE holds knobs in
TOML (or JSON, by its ending), and may start from a profile:

```toml
profile = "demo"
latency_ms = 80
identity = '#(\\d+)'

[[failures]]
stat = "UNDELIV"
err = "001"
fraction = 0.03

[[inbound]]
reply_to = "(?i)question"
text = "OUI"
probability = 0.5
```

A knob that does not exist is refused by name. Everything that is given as a fraction is decided by the number and the
`seed`, never by chance: the same numbers always fare alike, so a test can tell the counts beforehand
(`chappe.simulator.fate.count_outcomes`). Two links with the same system_id share their receipts.

The first line on standard output says where it listens: `{"port":2775,"http_port":2780}`.
"""

HTTP = """\
## Over HTTP

Answers are JSON. What cannot be done is answered 4xx with `{"errors": {field: what is expected}}`. Bodies are JSON
objects whatever their Content-Type; requests that a browser makes for another site (with an `Origin`) are not taken.

| request | does |
|---|---|
"""

REQUESTS = {
    "GET /stats": "everything counted",
    "GET /messages": "the latest messages; `destination`, `limit` (at most 1000)",
    "GET /missing": "which of the numbers `from` to `to` are no identity seen: how many, and the first 1000",
    "GET /duplicates": "how many messages were seen again, and the latest 1000 identities",
    "GET /quirks": "the knobs as they are; passwords are masked",
    "POST /quirks": "change knobs; all or, when one is wrong, none",
    "POST /drop": "cut links; all, or those of `link` (number) or `system_id`",
    "POST /unbind": "unbind links; the same",
    "POST /silence": "let links die without closing them; the same",
    "POST /garbage": "send nonsense of a `kind`; the same",
    "POST /throttle": "answer everything ESME_RTHROTTLED for so many `seconds`",
    "POST /inbound": "texts from phones now: the fields of `inbound` without those that say when",
    "POST /reset": "count from zero; links, and receipts that are due, stay",
}

PYTHON = """\
## From Python

```python
async with Simulator(Quirks(latency_ms=20), port=0) as smsc:  # in this loop
    ...  # connect to smsc.port
    assert smsc.stats().unique == 100

with SimulatorProcess("bench") as smsc:  # in a process of its own
    smsc.post("/drop", link=1)
    assert smsc.stats().links_dropped == 1
```
"""


def render() -> str:
    """The whole page."""
    parts = [HEAD, _profiles(), *_knobs(), *_tables(), "", HTTP + _requests(), PYTHON]
    return "\n".join(parts)


def descriptions(kind: type) -> dict[str, str]:
    """What stands under each attribute of a class, in one line."""
    tree = ast.parse(inspect.getsource(kind))
    [declaration] = tree.body
    assert isinstance(declaration, ast.ClassDef)
    found = {}
    for line, after in zip(declaration.body, declaration.body[1:], strict=False):
        match line, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def _profiles() -> str:
    comments = re.findall(r'^    # (.+)\n    "(\w+)":', inspect.getsource(profiles), re.MULTILINE)
    lines = ["## Profiles", "", "| name | what it is | knobs |", "|---|---|---|"]
    for text, name in comments:
        lines.append(f"| `{name}` | {text} | {_differences(PROFILES[name])} |")
    return "\n".join(lines)


def _differences(one: Quirks) -> str:
    plain = PROFILES["plain"]
    changed = [name for name in Quirks.__struct_fields__ if getattr(one, name) != getattr(plain, name)]
    return ", ".join(f"`{name}` {value_of(getattr(one, name))}" for name in changed)


def value_of(value: object) -> str:
    """A value as it stands in a list; of tables only how many there are."""
    if isinstance(value, tuple):
        return f"({len(value)})"
    return shown(value)


def shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}" if value < 1e6 else f"{value:.0f}"
    return msgspec.json.encode(value).decode()


def _knobs() -> Iterator[str]:
    texts = descriptions(Quirks)
    for field in msgspec.structs.fields(Quirks):
        if field.name in GROUPS:
            yield f"\n## {GROUPS[field.name]}\n"
        yield _entry(field, texts[field.name])


def _tables() -> Iterator[str]:
    for name, kind in TABLES.items():
        yield f"\n## Entries of `{name}`\n\n{inspect.getdoc(kind)}\n"
        texts = descriptions(kind)
        for field in msgspec.structs.fields(kind):
            yield _entry(field, texts[field.name])


def _entry(field: msgspec.structs.FieldInfo, text: str) -> str:
    notes = [_allowed(field), default_of(field)]
    if field.name in AT_START:
        notes.append("read at the start only")
    return f"- **`{field.name}`** ({'; '.join(filter(None, notes))}): {text}"


def _allowed(field: msgspec.structs.FieldInfo) -> str:
    if field.name == "receipt_dialect":
        return "one of " + ", ".join(RECEIPT_DIALECTS)
    if field.name in TABLES:
        return f"table, see entries of `{field.name}`"
    return kind_of(msgspec.inspect.type_info(field.type))


def kind_of(info: msgspec.inspect.Type) -> str:
    match info:
        case msgspec.inspect.Metadata(type=inner):
            return kind_of(inner)
        case msgspec.inspect.UnionType(types=types):
            return " or ".join(kind_of(one) for one in types if not isinstance(one, msgspec.inspect.NoneType))
        case msgspec.inspect.EnumType(cls=cls) if issubclass(cls, StrEnum):
            return "one of " + ", ".join(cls)
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            return ("integer" if isinstance(info, msgspec.inspect.IntType) else "number") + _range(info)
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.DictType():
            return "table of names and values"
    return "text"


def _range(info: Any) -> str:
    low = f" from {info.ge:g}" if info.ge is not None else f" above {info.gt:g}" if info.gt is not None else ""
    return low + (f" to {shown(info.le)}" if info.le is not None else "")


def default_of(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default is msgspec.NODEFAULT or field.default in (None, "", ()):
        return ""
    return f"default {shown(field.default)}"


def _requests() -> str:
    known = {f"{method} {path}" for path, methods in ROUTES.items() for method in methods}
    if known != set(REQUESTS):
        raise ValueError(f"requests without a description, or the other way round: {known ^ set(REQUESTS)}")
    return "".join(f"| `{request}` | {text} |\n" for request, text in REQUESTS.items())


if __name__ == "__main__":
    sys.stdout.write(render())
