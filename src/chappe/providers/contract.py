"""What a provider declares of itself: the parser, the form, the masking and the reference page come from it."""

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chappe.messaging import Channel, ConfigError, FieldError
from chappe.messaging import pattern as user_pattern

_TRUE = frozenset({"true", "on", "yes", "1"})
_FALSE = frozenset({"false", "off", "no", "0", ""})
_LONGEST_INTEGER = 30  # digits of an integer given as text


class SettingType(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    PATTERN = "pattern"
    TABLE = "table"
    PASSWORD = "password"  # noqa: S105 - the name of a type, not a password


class Feature(StrEnum):
    """What a provider may be able to do; the feature matrix of the docs is drawn from these."""

    RECEIPTS = "receipts"
    INBOUND = "inbound messages"
    LONG_MESSAGES = "long messages counted by segment"
    SENDER_OVERRIDE = "sender per message"
    VALIDITY = "end of validity"
    TRANSMISSION_MODE = "transmission mode"
    CUSTOM_PARAMETERS = "custom parameters"
    READ_RECEIPTS = "read receipts"
    PROVIDER_OPT_OUTS = "opt-outs that the provider tells"
    SIGNED_HOOKS = "signed hooks"


@dataclass(frozen=True)
class Choice:
    value: str
    label: str


@dataclass(frozen=True)
class Setting:
    """One field of a provider's settings.

    `minimum` and `maximum` bound numbers, the length of texts and the rows of tables. `default` None on an integer or
    a number means that it may stay empty. `groups` is how many capture groups a pattern must have (None: any number).
    `applies_when` names another setting and the value, or a tuple of values, that makes this one count; elsewhere it is not
    required.
    `check` returns what is wrong with a value of the right type, or None. `locks` names the column of a table whose value is
    a secret in each row that has its column `locked` on; the first column tells such rows apart. `made` makes the value of a
    secret that is left empty, once, when it is saved.
    """

    name: str
    type: SettingType = SettingType.TEXT
    default: Any = None
    label: str = ""
    help: str = ""
    secret: bool = False
    choices: tuple[Choice, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    group: str = ""
    columns: tuple["Setting", ...] = ()
    required: bool = False
    applies_when: tuple[str, object] | None = None
    groups: int | None = None
    unit: str = ""
    check: Callable[[Any], str | None] | None = None
    locks: str = ""
    made: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        assert not self.locks or {self.locks, "locked"} <= set(names[1:]), (
            f"{self.name}: locks a column that is not there"
        )

    @property
    def is_secret(self) -> bool:
        return self.secret or self.type is SettingType.PASSWORD

    @property
    def empty(self) -> object:
        """What a field left out stands for."""
        if self.default is not None:
            return self.default
        match self.type:
            case SettingType.INTEGER | SettingType.NUMBER:
                return None
            case SettingType.BOOLEAN:
                return False
            case SettingType.TABLE:
                return ()
            case SettingType.CHOICE:
                return self.choices[0].value
        return ""

    def locked_cells(self, rows: object) -> Iterator[tuple[int, str]]:
        """The locked rows of a table, raw or parsed: the place of each and the name its secret goes by."""
        if self.locks and isinstance(rows, list | tuple):
            for index, row in enumerate(rows):
                if isinstance(row, Mapping) and _is_on(row.get("locked")):
                    yield index, f"{self.name}[{row.get(self.columns[0].name, '')}]"

    def is_cell(self, name: str) -> bool:
        """Whether a secret of this name may belong to a row of the table."""
        return bool(self.locks) and name.startswith(f"{self.name}[")


def _is_on(raw: object) -> bool:
    return raw is True or (isinstance(raw, str) and raw.strip().lower() in _TRUE)


class Settings(Mapping[str, Any]):
    """Settings that passed `ProviderSpec.parse`: every declared name is there, each value of its declared type.

    Tables are tuples of read-only rows. `repr` never shows a secret.
    """

    __slots__ = ("_secrets", "_values")

    def __init__(self, values: Mapping[str, Any], secrets: frozenset[str] = frozenset()) -> None:
        self._values = dict(values)
        self._secrets = secrets

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(repr(sorted(self._values.items(), key=lambda item: item[0])))

    def __repr__(self) -> str:
        shown = {name: "•••" if name in self._secrets and value else value for name, value in self._values.items()}
        return f"Settings({shown!r})"

    def text(self, name: str) -> str:
        value = self._values[name]
        assert isinstance(value, str), name
        return value

    def integer(self, name: str) -> int:
        """A whole number; for one that may be empty, ask `settings[name]`."""
        value = self._values[name]
        assert isinstance(value, int) and not isinstance(value, bool), name
        return value

    def number(self, name: str) -> float:
        value = self._values[name]
        assert isinstance(value, int | float) and not isinstance(value, bool), name
        return float(value)

    def flag(self, name: str) -> bool:
        value = self._values[name]
        assert isinstance(value, bool), name
        return value

    def rows(self, name: str) -> tuple["Settings", ...]:
        value = self._values[name]
        assert isinstance(value, tuple), name
        return value


@dataclass(frozen=True)
class ProviderSpec:
    """A provider, as facts. `check` finds what is wrong between fields that are each right by themselves.

    `has_described_hooks`: it calls hooks that an operator describes one by one, not addresses that its adapter reads.
    `hands_over`: it knows a message again by our number of it, so what nobody answered for is sent again and is no duplicate;
    and it tells when its own provider took a message, which waits until then.
    """

    key: str
    label: str
    channels: frozenset[Channel]
    settings: tuple[Setting, ...]
    summary: str = ""
    features: frozenset[Feature] = frozenset()
    check: Callable[[Settings], Sequence[FieldError]] | None = None
    has_described_hooks: bool = False
    hands_over: bool = False
    _by_name: dict[str, Setting] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name.update({setting.name: setting for setting in self.settings})
        assert len(self._by_name) == len(self.settings), f"{self.key}: a setting is declared twice"

    @property
    def secrets(self) -> frozenset[str]:
        """Names of the settings that are never shown again once written."""
        return frozenset(setting.name for setting in self.settings if setting.is_secret)

    @property
    def groups(self) -> tuple[str, ...]:
        """Headings of the form, in order."""
        return tuple(dict.fromkeys(setting.group for setting in self.settings))

    def setting(self, name: str) -> Setting:
        return self._by_name[name]

    def defaults(self) -> dict[str, Any]:
        """What an empty form starts with."""
        return {setting.name: setting.empty for setting in self.settings}

    def parse(self, values: Mapping[str, object]) -> Settings:
        """The typed settings of raw values: from JSON, or from a form where all is text; both halves of `split`, if merged.

        Raises `ConfigError` with a `FieldError` for each field that cannot be used.
        """
        values = self._with_cells(values)
        errors: list[FieldError] = list(_unknown(values, self._by_name, ""))
        parsed, field_errors = _parse_fields(values, self.settings, "")
        errors += field_errors
        if not errors:
            errors += self._missing(parsed)
        settings = Settings(parsed, self.secrets)
        if not errors and self.check is not None:
            errors += self.check(settings)
        if errors:
            raise ConfigError(errors)
        return settings

    def split(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Values apart by whether they may be shown: (public, secret). A locked row is in the one without what it locks."""
        names = self.secrets
        public = {name: plain(value) for name, value in values.items() if name not in names}
        secret = {name: value for name, value in values.items() if name in names}
        for setting in self.settings:
            for index, cell in setting.locked_cells(public.get(setting.name)):
                secret[cell] = public[setting.name][index].pop(setting.locks, "")
        return public, secret

    def shown(self, public: Mapping[str, Any], secrets: Mapping[str, str] | None, mask: str) -> dict[str, Any]:
        """What people may see of the halves: `mask` for each secret that is there; for all where none can be opened (None)."""

        def masked(name: str) -> str:
            return mask if secrets is None or secrets.get(name) else ""

        shown = {**public, **{name: masked(name) for name in (self.secrets if secrets is None else secrets)}}
        for setting in self.settings:
            rows = [dict(row) for row in public.get(setting.name, ())] if setting.locks else []
            for index, cell in setting.locked_cells(rows):
                rows[index][setting.locks] = masked(cell)
            if rows:
                shown[setting.name] = rows
        known = [setting.name for setting in self.settings if setting.name in shown]
        return {name: shown[name] for name in dict.fromkeys([*known, *shown]) if not self._is_cell(name)}

    def unmasked(self, values: Mapping[str, Any], secrets: Mapping[str, str], mask: str) -> dict[str, Any]:
        """Values as they were written over what `shown` gave, with the old secrets where they were left out or masked.

        Raises ConfigError for a mask where there is no secret, or where the row is locked no longer: writing it without
        the secret must not show it.
        """
        complete, errors = {**secrets, **values}, []
        for setting in self.settings:
            if setting.is_secret and complete.get(setting.name) == mask:
                complete[setting.name] = secrets.get(setting.name, mask)
                if setting.name not in secrets:
                    errors.append(FieldError(setting.name, _ONLY_MASK))
            rows = complete.get(setting.name)
            if setting.locks and isinstance(rows, list | tuple):
                complete[setting.name], row_errors = _unmasked_rows(setting, rows, secrets, mask)
                errors += row_errors
        if errors:
            raise ConfigError(errors)
        return complete

    def _is_cell(self, name: str) -> bool:
        return any(setting.is_cell(name) for setting in self.settings)

    def _with_cells(self, values: Mapping[str, object]) -> Mapping[str, object]:
        """Raw values with the secrets of locked rows back in their rows; those whose row is gone go with it."""
        cells = {name: value for name, value in values.items() if self._is_cell(name)}
        if not cells:
            return values
        merged = {name: value for name, value in values.items() if name not in cells}
        for setting in self.settings:
            rows = merged.get(setting.name)
            if setting.locks and isinstance(rows, list | tuple):
                filled = list(rows)
                for index, cell in setting.locked_cells(rows):
                    if cell in cells and rows[index].get(setting.locks) is None:
                        filled[index] = {**rows[index], setting.locks: cells[cell]}
                merged[setting.name] = filled
        return merged

    def _missing(self, parsed: Mapping[str, Any]) -> Iterator[FieldError]:
        for setting in self.settings:
            if setting.required and parsed[setting.name] in ("", None, ()) and applies(setting, parsed):
                yield FieldError(setting.name, "is needed")

    def reference(self) -> str:
        """The reference page of the settings, in Markdown."""
        lines = [f"# Settings of {self.label}", ""]
        if self.summary:
            lines += [self.summary, ""]
        return "\n".join([*lines, *described(self.settings)]).rstrip() + "\n"


_ONLY_MASK = "is only the mask of a secret; write the secret itself"


def _unmasked_rows(
    setting: Setting, rows: Sequence[Any], secrets: Mapping[str, str], mask: str
) -> tuple[list[Any], list[FieldError]]:
    """Rows without their masks, so that the secrets that go by their names come back."""
    cells = dict(setting.locked_cells(rows))
    unmasked, errors = list(rows), []
    for index, row in enumerate(rows):
        if isinstance(row, Mapping) and row.get(setting.locks) == mask:
            unmasked[index] = {name: value for name, value in row.items() if name != setting.locks}
            if cells.get(index) not in secrets:
                errors.append(FieldError(f"{setting.name}[{index}].{setting.locks}", _ONLY_MASK))
    return unmasked, errors


def applies(setting: Setting, values: Mapping[str, Any]) -> bool:
    """Whether the setting counts, given the values of the others."""
    if setting.applies_when is None:
        return True
    name, wanted = setting.applies_when
    return values[name] in wanted if isinstance(wanted, tuple) else values[name] == wanted


def plain(value: Any) -> Any:
    """A parsed value as JSON knows it."""
    if isinstance(value, Settings | dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def _unknown(values: Mapping[str, object], known: Mapping[str, Setting], path: str) -> Iterator[FieldError]:
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield FieldError(f"{path}{name}", f"is not a setting{hint}")


def _parse_fields(
    values: Mapping[str, object], settings: Sequence[Setting], path: str
) -> tuple[dict[str, Any], list[FieldError]]:
    parsed: dict[str, Any] = {}
    errors: list[FieldError] = []
    for setting in settings:
        name = f"{path}{setting.name}"
        raw = values.get(setting.name)
        value: Any = setting.empty
        try:
            if setting.type is SettingType.TABLE:
                value = _rows(setting, value if raw is None else raw, name)
            elif raw is not None:
                value = _PARSERS[setting.type](setting, raw)
            elif setting.type is SettingType.PATTERN:
                value = _pattern(setting, value)
            problem = setting.check(value) if setting.check else None
            if problem:
                errors.append(FieldError(name, problem))
        except ConfigError as error:
            errors += error.errors
        except _Expected as error:
            errors.append(FieldError(name, str(error)))
        parsed[setting.name] = value
    return parsed, errors


class _Expected(ValueError):
    """The value is not what the declaration wants; the text says what it wants."""


def _text(setting: Setting, raw: object) -> str:
    if not isinstance(raw, str):
        raise _Expected("expected a text")
    if "\0" in raw:
        raise _Expected("expected a text without NUL characters")
    if setting.maximum is not None and len(raw) > setting.maximum:
        raise _Expected(f"expected at most {int(setting.maximum)} characters")
    if setting.minimum is not None and len(raw) < setting.minimum:
        raise _Expected(f"expected at least {int(setting.minimum)} characters")
    return raw


def _number(setting: Setting, raw: object) -> float | None:
    if isinstance(raw, str) and not raw.strip():
        return _nothing(setting)
    try:
        if isinstance(raw, bool) or not isinstance(raw, int | float | str):
            raise ValueError(raw)
        value = float(raw)
    except (ValueError, OverflowError):
        raise _Expected(_expected_number(setting, "a number")) from None
    if not math.isfinite(value):
        raise _Expected(_expected_number(setting, "a number"))
    return _bounded(setting, value, "a number")


def _integer(setting: Setting, raw: object) -> int | None:
    if isinstance(raw, str) and not raw.strip():
        return None if _nothing(setting) is None else int(setting.default)
    try:
        if isinstance(raw, bool) or not isinstance(raw, int | str) or len(str(raw)) > _LONGEST_INTEGER:
            raise ValueError(raw)
        value = int(raw)
    except ValueError:
        raise _Expected(_expected_number(setting, "a whole number")) from None
    return int(_bounded(setting, value, "a whole number"))


def _nothing(setting: Setting) -> float | None:
    """An empty form field means the default."""
    return None if setting.default is None else float(setting.default)


def _bounded(setting: Setting, value: float, kind: str) -> float:
    too_small = setting.minimum is not None and value < setting.minimum
    too_large = setting.maximum is not None and value > setting.maximum
    if too_small or too_large:
        raise _Expected(_expected_number(setting, kind))
    return value


def _expected_number(setting: Setting, kind: str) -> str:
    if setting.minimum is not None and setting.maximum is not None:
        return f"expected {kind} from {setting.minimum:g} to {setting.maximum:g}"
    if setting.minimum is not None:
        return f"expected {kind} of {setting.minimum:g} or more"
    if setting.maximum is not None:
        return f"expected {kind} of {setting.maximum:g} or less"
    return f"expected {kind}"


def _boolean(setting: Setting, raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str):
        word = raw.strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
    raise _Expected("expected true or false")


def _choice(setting: Setting, raw: object) -> str:
    values = [choice.value for choice in setting.choices]
    if raw in values:
        return str(raw)
    raise _Expected("expected one of: " + ", ".join(values))


def _pattern(setting: Setting, raw: object) -> str:
    text = _text(setting, raw)
    if text:
        try:
            user_pattern.check(text, groups=setting.groups)
        except ConfigError as error:
            raise _Expected(error.errors[0].message) from None
    elif setting.required:
        raise _Expected("expected a regular expression")
    return text


def _rows(setting: Setting, raw: object, path: str) -> tuple[Settings, ...]:
    if not isinstance(raw, list | tuple) or not all(isinstance(row, Mapping) for row in raw):
        raise _Expected("expected a list of rows with " + ", ".join(column.name for column in setting.columns))
    if setting.maximum is not None and len(raw) > setting.maximum:
        raise _Expected(f"expected at most {int(setting.maximum)} rows")
    if setting.minimum is not None and len(raw) < setting.minimum:
        raise _Expected(f"expected at least {int(setting.minimum)} row{'' if setting.minimum == 1 else 's'}")
    known = {column.name: column for column in setting.columns}
    rows: list[Settings] = []
    errors: list[FieldError] = []
    for index, row in enumerate(raw):
        row_path = f"{path}[{index}]."
        errors += _unknown(row, known, row_path)
        parsed, row_errors = _parse_fields(row, setting.columns, row_path)
        errors += row_errors
        if not row_errors:
            errors += [
                FieldError(f"{row_path}{column.name}", "is needed")
                for column in setting.columns
                if column.required and parsed[column.name] in ("", None)
            ]
        is_locked = bool(setting.locks) and parsed["locked"] is True
        rows.append(Settings(parsed, frozenset({setting.locks}) if is_locked else frozenset()))
    seen: set[str] = set()
    for index, cell in setting.locked_cells(rows):
        if cell in seen:
            errors.append(FieldError(f"{path}[{index}].{setting.columns[0].name}", "is locked in another row already"))
        seen.add(cell)
    if errors:
        raise ConfigError(errors)
    return tuple(rows)


_PARSERS: Mapping[SettingType, Callable[[Setting, object], Any]] = {
    SettingType.TEXT: _text,
    SettingType.PASSWORD: _text,
    SettingType.INTEGER: _integer,
    SettingType.NUMBER: _number,
    SettingType.BOOLEAN: _boolean,
    SettingType.CHOICE: _choice,
    SettingType.PATTERN: _pattern,
}


def described(settings: Sequence[Setting], depth: int = 2) -> list[str]:
    """Settings under the headings of their groups, as lines of Markdown; `depth` is that of the groups' headings."""
    lines = []
    for group in dict.fromkeys(setting.group for setting in settings):
        lines += [f"{'#' * depth} {group or 'General'}", ""]
        for setting in settings:
            if setting.group == group:
                lines += _entry(setting, "#" * (depth + 1))
    return lines


def _entry(setting: Setting, mark: str) -> list[str]:
    lines = [f"{mark} `{setting.name}`", ""]
    if setting.label:
        lines += [f"**{setting.label}**", ""]
    facts = [_type_of(setting)]
    if setting.unit:
        facts.append(f"in {setting.unit}")
    is_long = isinstance(setting.default, str) and "\n" in setting.default
    default = "default: as below" if is_long else f"default: {_shown(setting.empty)}"
    facts.append("required" if setting.required and not setting.default else default)
    if setting.is_secret:
        facts.append("secret: never shown again once saved")
    if setting.applies_when:
        name, wanted = setting.applies_when
        words = " or ".join(_shown(one) for one in (wanted if isinstance(wanted, tuple) else (wanted,)))
        facts.append(f"counts when `{name}` is {words}")
    lines += ["; ".join(facts) + ".", ""]
    if setting.help:
        lines += [setting.help, ""]
    if is_long:
        lines += ["```text", setting.default, "```", ""]
    if setting.choices:
        lines += [f"- `{choice.value}`: {choice.label}" for choice in setting.choices] + [""]
    if setting.columns:
        lines += ["| column | what | default |", "|---|---|---|"]
        for column in setting.columns:
            what = " ".join(part for part in (f"{_type_of(column)}.", column.help) if part)
            if column.choices:
                what += " One of " + ", ".join(f"`{choice.value}`" for choice in column.choices) + "."
            lines.append(f"| `{column.name}` | {_cell(what)} | {_cell(_shown(column.empty))} |")
        lines.append("")
    if setting.locks:
        lines += [f"Where `locked` is on, `{setting.locks}` is a secret: never shown again once saved.", ""]
    return lines


def _type_of(setting: Setting) -> str:
    match setting.type:
        case SettingType.INTEGER:
            return _expected_number(setting, "whole number").removeprefix("expected ").capitalize()
        case SettingType.NUMBER:
            return _expected_number(setting, "number").removeprefix("expected ").capitalize()
        case SettingType.PATTERN if setting.groups == 1:
            return "Regular expression with exactly one capture group"
        case SettingType.PATTERN:
            return "Regular expression"
        case SettingType.TEXT | SettingType.PASSWORD if setting.maximum is not None:
            return f"{setting.type.capitalize()} of at most {int(setting.maximum)} characters"
    return setting.type.capitalize()


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or value == "" or value == ():
        return "empty"
    if isinstance(value, tuple | list):
        return "; ".join("`" + ", ".join(f"{k}={v}" for k, v in dict(row).items() if v != "") + "`" for row in value)
    return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
