"""What a connection was after each change: written down with the change, told apart setting by setting."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from chappe.features.audit.actor import acting
from chappe.features.connections.models import Connection, ConnectionVersion

if TYPE_CHECKING:
    from chappe.providers.contract import ProviderSpec, Setting

MOST = 100
"""Versions kept of one connection."""
LONGEST_SHOWN = 500
BEGIN, CREATE, CHANGE, REVERT, REPLACE, REPLACED = "begin", "create", "change", "revert", "replace", "replaced"
"""What made a version. `begin`: nothing did; the history of a connection that is older than it begins there."""


@dataclass(frozen=True)
class Difference:
    """One thing that differs between two versions. `label` is that of the setting, `row` its row of a table, from 1, and
    `column` the column's label. Of a secret only that it differs is told."""

    label: str
    before: str = ""
    after: str = ""
    row: int = 0
    column: str = ""
    is_secret: bool = False


def begin(connection: Connection) -> None:
    """Write down what the connection was before its first change that is; in the transaction of that change."""
    if not connection.versions.exists():
        _write(connection, BEGIN, (), connection.changed_ms)


def record(
    connection: Connection, action: str, changed_secrets: Sequence[str], now_ms: int, *, reverted_to: int = 0
) -> None:
    """Write down what the connection is now; in the transaction of the change that made it so."""
    _write(connection, action, changed_secrets, now_ms, reverted_to=reverted_to)
    connection.versions.filter(number__lte=connection.version - MOST).delete()


def _write(
    connection: Connection, action: str, changed_secrets: Sequence[str], at_ms: int, *, reverted_to: int = 0
) -> None:
    actor = acting()
    ConnectionVersion.objects.create(
        connection=connection,
        number=connection.version,
        action=action,
        reverted_to=reverted_to,
        name=connection.name,
        internal_name=connection.internal_name,
        settings=connection.settings,
        secrets=bytes(connection.secrets),
        changed_secrets=list(changed_secrets),
        is_enabled=connection.is_enabled,
        position=connection.position,
        at_ms=at_ms,
        actor_kind="system" if action == BEGIN else actor.kind.value,
        actor_name="" if action == BEGIN else actor.name[:200],
    )


def changed_names(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The names of secrets that were set, changed or taken away."""
    names = dict.fromkeys([*before, *after])
    return [name for name in names if before.get(name, "") != after.get(name, "")]


def differences(
    spec: "ProviderSpec | None", old: ConnectionVersion, new: ConnectionVersion, changed_secrets: Sequence[str]
) -> list[Difference]:
    """What `new` has otherwise than `old`, in the order of the form; `changed_secrets` of all versions in between."""
    found = [
        Difference(label, before, after)
        for label, before, after in (
            (_("Name"), old.name, new.name),
            (_("Internal name"), old.internal_name, new.internal_name),
            (_("Switched on"), _shown(old.is_enabled), _shown(new.is_enabled)),
            (_("Place in the list"), str(old.position), str(new.position)),
        )
        if before != after
    ]
    known = {setting.name: setting for setting in spec.settings} if spec is not None else {}
    names = [*known, *(name for name in dict.fromkeys([*old.settings, *new.settings]) if name not in known)]
    for name in names:
        found += _of_setting(known.get(name), name, old.settings.get(name), new.settings.get(name))
        found += [_of_secret(known, secret) for secret in changed_secrets if secret.partition("[")[0] == name]
    return found


def _of_secret(known: Mapping[str, "Setting"], name: str) -> Difference:
    """A secret by its name, which is `headers[X-Key]` where it stands in a row of a table."""
    setting, _, row = name.partition("[")
    label = known[setting].label if setting in known else setting
    return Difference(label, column=row.removesuffix("]"), is_secret=True)


def _of_setting(setting: "Setting | None", name: str, old: Any, new: Any) -> Iterator[Difference]:
    if setting is not None:
        old, new = (setting.empty if value is None else value for value in (old, new))
    if setting is not None and setting.columns:
        yield from _of_table(setting, list(old), list(new))
    elif old != new:
        label = setting.label or name if setting is not None else name
        yield Difference(label, _shown(old, setting), _shown(new, setting))


def _of_table(setting: "Setting", old: list[Mapping[str, Any]], new: list[Mapping[str, Any]]) -> Iterator[Difference]:
    for place in range(max(len(old), len(new))):
        before, after = (rows[place] if place < len(rows) else {} for rows in (old, new))
        for column in setting.columns:
            texts = [_shown(row.get(column.name), column) if row else "" for row in (before, after)]
            if texts[0] != texts[1]:
                yield Difference(setting.label, texts[0], texts[1], place + 1, column.label or column.name)


def _shown(value: Any, setting: "Setting | None" = None) -> str:
    """A value as the form has it."""
    if isinstance(value, bool):
        return pgettext("setting", "on") if value else pgettext("setting", "off")
    if value is None or value == "":
        return ""
    if setting is not None and setting.choices:
        return next((choice.label for choice in setting.choices if choice.value == value), str(value))
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def setting_text(setting: "Setting", value: Any) -> str:
    """A whole setting as people read it, a row of a table on each line."""
    if not setting.columns:
        return _shown(value, setting)
    lines = [", ".join(_shown(row.get(one.name), one) for one in setting.columns) for row in value or ()]
    return "\n".join(lines)
