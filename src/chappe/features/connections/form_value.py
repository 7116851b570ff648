"""Settings as a form has them: texts under the names of its fields; secrets apart from what may be shown again."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chappe.features.connections.services import MASK
from chappe.providers.contract import ProviderSpec, Setting, SettingType

CLEAR = "clear-"
"""Before the name of a secret: the box that takes it away."""
MOST_ROWS = 600
"""More than any table may have, so that too many are told and not cut off."""
WAS = "was"
"""Of a row: the name of the secret that is kept for it."""
_PLACE = re.compile(r"(?:settings\.)?(\w+)(?:\[(\d+)\](?:\.(\w+))?)?")


@dataclass(frozen=True)
class Typed:
    """What was typed: `values` raw, as they may be shown again; `secrets` by the names that `ProviderSpec.split` gives them,
    never shown. Both together are what a service takes."""

    values: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, Any]:
        return {**self.values, **self.secrets}


def field_of(place: str) -> str:
    """The form's name for what a service's error names: `settings.headers[2].value` is `headers-2-value`."""
    found = _PLACE.fullmatch(place)
    return "-".join(part for part in found.groups() if part) if found else place


def cell_name(table: str, row: int, column: str) -> str:
    return f"{table}-{row}-{column}"


def read(
    spec: ProviderSpec, names: Iterable[str], data: Mapping[str, str], before: Typed, stored: frozenset[str]
) -> Typed:
    """`before` with what a form posted of the settings `names`; `stored` are the secrets that are kept already.

    A secret left empty stays as it was before.
    """
    values, secrets = dict(before.values), dict(before.secrets)
    for name in names:
        setting = spec.setting(name)
        if setting.type is SettingType.TABLE:
            values[name] = _rows(setting, data, secrets, stored)
        elif setting.is_secret:
            _read_secret(setting, data, secrets)
        else:
            values[name] = _raw(setting, name, data, values.get(name, setting.empty))
    return Typed(values, secrets)


def _read_secret(setting: Setting, data: Mapping[str, str], secrets: dict[str, str]) -> None:
    typed = _lines(data.get(setting.name, ""))
    if typed:
        secrets[setting.name] = typed
    elif CLEAR + setting.name in data:
        secrets[setting.name] = ""


def _raw(setting: Setting, name: str, data: Mapping[str, str], otherwise: Any) -> Any:
    if setting.type is SettingType.BOOLEAN:
        return name in data
    typed = data.get(name)
    return otherwise if typed is None else _lines(typed)


def _lines(text: str) -> str:
    """A browser ends lines as no provider does."""
    return text.replace("\r\n", "\n")


def _rows(
    setting: Setting, data: Mapping[str, str], secrets: dict[str, str], stored: frozenset[str]
) -> list[dict[str, Any]]:
    return [_row(setting, place, data, secrets, stored) for place in row_places(setting.name, data)]


def row_places(table: str, data: Mapping[str, str]) -> Iterator[int]:
    """The rows that a form posted."""
    count = data.get(f"{table}-rows", "")
    yield from range(min(MOST_ROWS, int(count)) if count.isdecimal() and len(count) < 9 else 0)


def _row(
    setting: Setting, place: int, data: Mapping[str, str], secrets: dict[str, str], stored: frozenset[str]
) -> dict[str, Any]:
    row = {
        column.name: _raw(column, cell_name(setting.name, place, column.name), data, column.empty)
        for column in setting.columns
    }
    if not setting.locks:
        return row
    was, typed = data.get(cell_name(setting.name, place, WAS), ""), str(row[setting.locks])
    cell = f"{setting.name}[{row[setting.columns[0].name]}]"
    if row["locked"] and typed:
        secrets[cell] = typed
        del row[setting.locks]
    elif row["locked"] and was == cell and (cell in secrets or cell in stored):
        del row[setting.locks]
    elif was and not typed:
        # The row has another name now, or is open: its secret is to be written again, and the mask says so.
        row[setting.locks] = MASK
    return row


def with_row_added(typed: Typed, setting: Setting) -> Typed:
    row = {column.name: column.empty for column in setting.columns}
    return _with_rows(typed, setting, [*_shown_rows(typed, setting), row])


def with_row_removed(typed: Typed, setting: Setting, place: int) -> Typed:
    rows = [row for at, row in enumerate(_shown_rows(typed, setting)) if at != place]
    return _with_rows(typed, setting, rows)


def with_row_raised(typed: Typed, setting: Setting, place: int) -> Typed:
    """The row one place up, where the order counts."""
    rows = _shown_rows(typed, setting)
    if 0 < place < len(rows):
        rows[place - 1], rows[place] = rows[place], rows[place - 1]
    return _with_rows(typed, setting, rows)


def _shown_rows(typed: Typed, setting: Setting) -> list[Any]:
    return list(typed.values.get(setting.name, setting.empty))


def _with_rows(typed: Typed, setting: Setting, rows: list[Any]) -> Typed:
    return replace(typed, values={**typed.values, setting.name: rows})


def rows_changed(spec: ProviderSpec, typed: Typed, order: str) -> Typed | None:
    """After `add:headers`, `remove:headers:2` or `up:headers:2`; None where the order is none of these."""
    what, _, rest = order.partition(":")
    name, _, place = rest.partition(":")
    setting = next((one for one in spec.settings if one.name == name and one.type is SettingType.TABLE), None)
    if setting is None:
        return None
    if what == "add":
        return with_row_added(typed, setting)
    if not (place.isdecimal() and len(place) < 5):
        return None
    if what == "remove":
        return with_row_removed(typed, setting, int(place))
    return with_row_raised(typed, setting, int(place)) if what == "up" else None
