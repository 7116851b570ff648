"""Models whose rows are followed: what `save` and `delete` do to one is written down with the change itself.

What changes rows by a statement (`QuerySet.update`, `bulk_create`) sends no signal: a service that does so says it by
`record.note`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_delete, post_save, pre_save

from chappe.features.audit.record import CHANGE, CREATE, DELETE, Event, Subject, write
from chappe.features.audit.value import Values, differing, flat, hidden_changes

Reader = Callable[[Any], Mapping[str, object]]
"""The values of a column, by path."""

_BEFORE = "_audit_before"


@dataclass(frozen=True)
class Following:
    """How the rows of a model are told of. `shown` and `hidden` read columns; a column of neither is not followed."""

    kind: str
    name: Callable[[Any], str]
    organisation: Callable[[Any], int]
    shown: Mapping[str, Reader]
    hidden: Mapping[str, Reader]
    blank: Callable[[Any], Model]

    def subject(self, row: Model, pk: int) -> Subject:
        return Subject(self.organisation(row), self.kind, pk, self.name(row))

    def columns(self, update_fields: Sequence[str] | None) -> frozenset[str]:
        """Of those that a save writes, the ones that are followed."""
        followed = self.shown.keys() | self.hidden.keys()
        return frozenset(followed if update_fields is None else followed & set(update_fields))

    def changes(self, old: Model, new: Model, columns: frozenset[str]) -> tuple[Values, Values]:
        before, after = differing(_read(self.shown, old, columns), _read(self.shown, new, columns))
        hidden = hidden_changes(_read(self.hidden, old, columns), _read(self.hidden, new, columns))
        return before, after | hidden


FOLLOWED: dict[type[Model], Following] = {}
_SAVED_WITH_EVENT: set[type[Model]] = set()


def follow(
    model: type[Model],
    *,
    kind: str,
    fields: Sequence[str],
    read: Mapping[str, Reader] | None = None,
    hidden: Sequence[str] = (),
    secrets: Mapping[str, Reader] | None = None,
    name: Callable[[Any], str] = str,
    organisation: Callable[[Any], int] = lambda row: int(row.organisation_id or 0),
    blank: Callable[[Any], Model] | None = None,
) -> None:
    """Have every change of a row of `model` written down; for a feature's `AppConfig.ready`.

    `fields` are shown with what they were and what they are, and so is what `read` makes of a column. Of `hidden` fields,
    and of what `secrets` read (column → values by path), only that they changed is said. `blank` is the row that
    a new one, or one that is deleted, is told apart from: what is as in it goes without saying. It is unsaved, and by
    default as the model makes it.
    """
    FOLLOWED[model] = Following(
        kind,
        name,
        organisation,
        {**{field: _reader(field) for field in fields}, **(read or {})},
        {**{field: _reader(field) for field in hidden}, **(secrets or {})},
        blank or (lambda _row: model()),
    )
    _save_with_event(model)
    key = f"audit.{model._meta.label}"
    pre_save.connect(_look_before, sender=model, dispatch_uid=key)
    post_save.connect(_saved, sender=model, dispatch_uid=key)
    post_delete.connect(_deleted, sender=model, dispatch_uid=key)


def _save_with_event(model: type[Model]) -> None:
    """Where no transaction is open, a saved row is committed before its signal is sent; here both are one."""
    if model not in _SAVED_WITH_EVENT:
        _SAVED_WITH_EVENT.add(model)
        save = transaction.atomic(savepoint=False)(model.save_base)
        model.save_base = save  # type: ignore[method-assign]


def subject_of(row: Model) -> Subject:
    """A row of a followed model as the subject of a `note`."""
    return FOLLOWED[type(row)].subject(row, int(row.pk))


def _reader(field: str) -> Reader:
    return lambda row: dict(flat(field, getattr(row, field)))


def _read(readers: Mapping[str, Reader], row: Model, columns: frozenset[str]) -> Values:
    found: Values = {}
    for column, reader in readers.items():
        if column in columns:
            found |= reader(row)
    return found


def _look_before(
    sender: type[Model], instance: Model, using: str, *, raw: bool, update_fields: Sequence[str] | None, **_: object
) -> None:
    """Keep the row as the database has it: the caller's copy is changed already."""
    is_told = not raw and instance.pk is not None and FOLLOWED[sender].columns(update_fields)
    found = sender._base_manager.using(using).filter(pk=instance.pk).first() if is_told else None
    setattr(instance, _BEFORE, found)


def _saved(
    sender: type[Model], instance: Model, *, raw: bool, created: bool, update_fields: Sequence[str] | None, **_: object
) -> None:
    following, old = FOLLOWED[sender], instance.__dict__.pop(_BEFORE, None)
    columns = following.columns(update_fields)
    if raw or (old is None and not created):
        return
    before, after = following.changes(following.blank(instance) if old is None else old, instance, columns)
    if created:
        write(Event(following.subject(instance, instance.pk), CREATE, {}, after))
    elif before or after:
        write(Event(following.subject(instance, instance.pk), CHANGE, before, after))


def _deleted(sender: type[Model], instance: Model, **_: object) -> None:
    following = FOLLOWED[sender]
    shown = frozenset(following.shown)
    before, _after = following.changes(instance, following.blank(instance), shown)
    write(Event(following.subject(instance, instance.pk), DELETE, before, {}))
