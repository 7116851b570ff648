"""docs/reference/http-simulator.md, written from the declarations: `python -m chappe.simulator.http_reference > FILE`."""

import inspect
import re
import sys
from collections.abc import Iterator

import msgspec

from . import http_profile
from .http_control import ROUTES
from .http_profile import PROFILES
from .http_quirks import AT_START, EVERY, GROUPS, TABLES, HttpQuirks, VendorQuirks
from .reference import default_of, descriptions, kind_of, value_of
from .vendors import VENDORS
from .vendors.vendor import Vendor

HEAD = """\
# The simulator of HTTP providers

Written from `src/chappe/simulator/` by `python -m chappe.simulator.http_reference`; change it there.

`chappe simulate http --quirks NAME|FILE` plays the HTTP providers, each under a path of its own: what a vendor has at
the root of its host is under `http://127.0.0.1:2790/`, the vendor's name and a slash. It checks credentials and
requests as the vendor does, answers as the vendor does, and calls hooks that are signed as the vendor signs them. NAME
is a profile, FILE holds knobs in TOML (or JSON, by its ending), and may start from a profile:

```toml
profile = "demo"
identity = '#(\\d+)'

[vendors."*"]
hook_address = "127.0.0.1:8000"

[vendors.twilio]
account = { auth_token = "12345" }
inbound_url = "https://messages.example.org/hooks/inbound"

[[vendors.twilio.refusals]]
pattern = "99$"
code = 21610
```

A knob that does not exist is refused by name. Everything that is given as a fraction is decided by the recipient, as
the request has it, and the `seed`, never by chance: the same recipients always fare alike. What goes wrong with a
request that holds several messages is decided by the first of them.

The first line on standard output says where it listens: `{"port":2790}`.
"""

HTTP = """\
## What can be asked

Under `/simulator/`. Answers are JSON. What cannot be done is answered 4xx with `{"errors": {field: what is expected}}`.
Bodies are JSON objects whatever their Content-Type; requests that a browser makes for another site (with an `Origin`)
are not taken.

| request | does |
|---|---|
"""

REQUESTS = {
    "GET stats": "everything counted; percentiles of how long hooks took to answer",
    "GET messages": "the latest messages; `destination`, `limit` (at most 1000)",
    "GET missing": "which of the numbers `from` to `to` are no identity seen: how many, and the first 1000",
    "GET duplicates": "how many messages were seen again, and the latest 1000 identities",
    "GET keys": "the public keys of vendors that sign with private ones, which are made anew at each start",
    "GET quirks": "the knobs as they are; what accounts hold is masked",
    "POST quirks": "change knobs, those of each vendor by themselves; all or, when one is wrong, none",
    "POST inbound": "a text from a phone now: `vendor`, `from`, `to`, `text`, and `count` for several",
    "POST reset": "count from zero; hooks that are planned stay",
}

PYTHON = """\
## From Python

```python
async with HttpSimulator("plain", port=0) as simulator:  # in this loop
    ...  # send to simulator.url("twilio")
    assert simulator.stats().unique == 100

with HttpSimulatorProcess("bench") as simulator:  # in a process of its own
    simulator.post("/quirks", vendors={"twilio": {"rate_limit": 10}})
    assert simulator.stats().vendors["twilio"].throttled == 0
```
"""


def render() -> str:
    """The whole page."""
    parts = [HEAD, _profiles(), *_vendors(), *_knobs(), *_tables(), "", HTTP + _requests(), PYTHON]
    return "\n".join(parts)


def _profiles() -> str:
    comments = re.findall(r'^    # (.+)\n    "(\w+)":', inspect.getsource(http_profile), re.MULTILINE)
    lines = ["## Profiles", "", "| name | what it is | knobs |", "|---|---|---|"]
    for text, name in comments:
        lines.append(f"| `{name}` | {text} | {', '.join(_differences(PROFILES[name]))} |")
    return "\n".join(lines)


def _differences(one: HttpQuirks) -> Iterator[str]:
    pairs: list[tuple[msgspec.Struct, msgspec.Struct]] = [(one, HttpQuirks())]
    if EVERY in one.vendors:
        pairs.append((one.vendors[EVERY], VendorQuirks()))
    for changed, plain in pairs:
        for name in changed.__struct_fields__:
            if name != "vendors" and getattr(changed, name) != getattr(plain, name):
                yield f"`{name}` {value_of(getattr(changed, name))}"


def _vendors() -> Iterator[str]:
    yield "\n## Vendors and their accounts\n"
    yield "Credentials that are left out are these; one that is set empty is not checked.\n"
    for vendor in VENDORS.values():
        yield f"- **`{vendor.KEY}`**, {vendor.LABEL}: {'; '.join(_account(vendor))}."


def _account(vendor: type[Vendor]) -> Iterator[str]:
    parent = next((one for one in VENDORS.values() if one is not vendor and issubclass(vendor, one)), None)
    inherited = parent.ACCOUNT if parent is not None else {}
    if parent is not None:
        yield f"all that `{parent.KEY}` has"
    for name, value in vendor.ACCOUNT.items():
        if inherited.get(name) == value:
            continue
        notes = [vendor.NOTES.get(name, "")]
        if name in vendor.CHOICES:
            notes.append("one of " + ", ".join(vendor.CHOICES[name]))
        more = "; ".join(filter(None, notes))
        yield f"`{name}` {f'`{value}`' if value else 'empty'}{f' ({more})' if more else ''}"


def _knobs() -> Iterator[str]:
    yield "\n## The simulator as a whole\n"
    texts = descriptions(HttpQuirks)
    for field in msgspec.structs.fields(HttpQuirks):
        yield _entry(field, texts[field.name])
    texts = descriptions(VendorQuirks)
    for field in msgspec.structs.fields(VendorQuirks):
        if field.name in GROUPS:
            yield f"\n## Of each vendor: {GROUPS[field.name]}\n"
        yield _entry(field, texts[field.name])


def _tables() -> Iterator[str]:
    for name, kind in TABLES.items():
        yield f"\n## Entries of `{name}`\n\n{inspect.getdoc(kind)}\n"
        texts = descriptions(kind)
        for field in msgspec.structs.fields(kind):
            yield _entry(field, texts[field.name])


def _entry(field: msgspec.structs.FieldInfo, text: str) -> str:
    allowed = f"table, see entries of `{field.name}`" if field.name in TABLES else _allowed(field)
    notes = [allowed, default_of(field)]
    if field.name in AT_START:
        notes.append("read at the start only")
    return f"- **`{field.name}`** ({'; '.join(filter(None, notes))}): {text}"


def _allowed(field: msgspec.structs.FieldInfo) -> str:
    return kind_of(msgspec.inspect.type_info(field.type))


def _requests() -> str:
    known = {f"{method} {path}" for path, methods in ROUTES.items() for method in methods}
    if known != set(REQUESTS):
        raise ValueError(f"requests without a description, or the other way round: {known ^ set(REQUESTS)}")
    return "".join(f"| `{request}` | {text} |\n" for request, text in REQUESTS.items())


if __name__ == "__main__":
    sys.stdout.write(render())
