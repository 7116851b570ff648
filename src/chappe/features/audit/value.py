"""Values as the audit trail keeps them: by path, each within bounds, and only those that differ."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST_TEXT = 2_000
MOST_VALUES = 200
HIDDEN = "hidden"
MASK = "•••"

Values = dict[str, Any]


def flat(name: str, value: object) -> Iterator[tuple[str, Any]]:
    """The leaves below `value`, by path: a field of an object after a dot, a row of a table by its place from 1."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flat(f"{name}.{key}" if name else str(key), item)
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping | list | tuple) for item in value):
        for place, item in enumerate(value, 1):
            yield from flat(f"{name}[{place}]", item)
    else:
        yield name, value


def differing(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[Values, Values]:
    """What only one of both has, or has otherwise. Where there is nothing, or nothing in it, the path is left out."""
    names = [name for name in dict.fromkeys([*before, *after]) if not _same(before.get(name), after.get(name))]
    return _kept(before, names), _kept(after, names)


def hidden_changes(before: Mapping[str, object], after: Mapping[str, object]) -> Values:
    """The same of what is never shown: whether it was set, changed or removed."""
    found: Values = {}
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if not _same(old, new):
            found[name] = {HIDDEN: "set" if _is_nothing(old) else "removed" if _is_nothing(new) else "changed"}
    return found


def masked(address: str) -> str:
    """A number or an e-mail address as a trail may keep it: +3361•••678, j•••@example.org."""
    name, at, domain = address.rpartition("@")
    if at:
        return f"{name[:1]}{MASK}@{domain}"
    return f"{address[:5]}{MASK}{address[-3:]}" if len(address) >= 11 else MASK


def _same(old: object, new: object) -> bool:
    return old == new or (_is_nothing(old) and _is_nothing(new))


def _is_nothing(value: object) -> bool:
    return value is None or value == "" or value == [] or value == () or value == b""


def _kept(values: Mapping[str, object], names: list[str]) -> Values:
    kept = {name: bounded(values[name]) for name in names[:MOST_VALUES] if not _is_nothing(values.get(name))}
    if len(names) > MOST_VALUES:
        kept["…"] = len(names) - MOST_VALUES
    return kept


def bounded(value: object) -> Any:
    """As JSON has it, with at most `LONGEST_TEXT` characters."""
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, list | tuple):
        plain = [item if isinstance(item, bool | int | float | None) else str(item) for item in value]
        return plain if len(json.dumps(plain)) <= LONGEST_TEXT else bounded(", ".join(str(item) for item in plain))
    text = str(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
