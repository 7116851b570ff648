"""Writing the trail: an event in the transaction of the change that it tells of, or neither."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from django.db import transaction

from chappe.features.audit.actor import acting
from chappe.features.audit.models import AuditEvent
from chappe.features.audit.value import Values, bounded, differing, flat
from chappe.features.clock import now_ms

CREATE, CHANGE, DELETE = "create", "change", "delete"
LONGEST_NAME = 200


@dataclass(frozen=True)
class Subject:
    """What was changed. `name` is what people know it by, and never a number or an address of a person."""

    organisation_id: int
    kind: str
    id: int = 0
    name: str = ""


@dataclass(frozen=True)
class Event:
    subject: Subject
    action: str
    before: Values = field(default_factory=dict)
    after: Values = field(default_factory=dict)

    def then(self, later: "Event") -> "Event":
        """Both as one: from what was before the first to what is after the last."""
        first_names, later_names = self.before.keys() | self.after.keys(), later.before.keys() | later.after.keys()
        before = self.before | {name: value for name, value in later.before.items() if name not in first_names}
        after = {name: value for name, value in self.after.items() if name not in later_names} | later.after
        is_first = later.action == CHANGE or (self.action == CREATE and later.action != DELETE)
        return Event(later.subject, self.action if is_first else later.action, before, after)


@dataclass
class _Gathering:
    action: str
    events: list[Event] = field(default_factory=list)


_gathering: ContextVar[_Gathering | None] = ContextVar("chappe_audit_gathering", default=None)
_is_silent: ContextVar[bool] = ContextVar("chappe_audit_silent", default=False)


def note(
    subject: Subject,
    action: str,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Write down what was done. Of `before` and `after` only what differs is kept, and a change of nothing is none; the
    caller leaves secrets out.

    To be called in the transaction of the change.
    """
    old, new = differing(*(dict(flat("", values or {})) for values in (before, after)))
    if old or new or action != CHANGE:
        write(Event(subject, action, old, new))


def write(event: Event) -> None:
    if _is_silent.get():
        return
    gathering = _gathering.get()
    if gathering is None:
        _save(event)
    elif gathering.action and event.action == CHANGE:
        gathering.events.append(replace(event, action=gathering.action))
    else:
        gathering.events.append(event)


@contextmanager
def together(action: str = "") -> Iterator[None]:
    """A transaction whose changes are one event for each subject; `action` is what a change in it is called."""
    outer = _gathering.get()
    gathering = _Gathering(action or (outer.action if outer is not None else ""))
    _gathering.set(gathering)
    try:
        with transaction.atomic():
            try:
                yield
            finally:
                _gathering.set(outer)
            for event in _merged(gathering.events):
                write(event)
    finally:
        _gathering.set(outer)


@contextmanager
def unnoted() -> Iterator[None]:
    """What is changed inside was written down before, when somebody asked for it."""
    before = _is_silent.get()
    _is_silent.set(True)
    try:
        yield
    finally:
        _is_silent.set(before)


def _merged(events: list[Event]) -> list[Event]:
    found: dict[tuple[str, int], Event] = {}
    for event in events:
        key = (event.subject.kind, event.subject.id)
        found[key] = found[key].then(event) if key in found else event
    return list(found.values())


def _save(event: Event) -> None:
    actor, subject = acting(), event.subject
    AuditEvent.objects.create(
        organisation_id=subject.organisation_id,
        at_ms=now_ms(),
        actor_kind=actor.kind.value,
        actor_id=actor.id,
        actor_name=actor.name[:LONGEST_NAME],
        action=event.action,
        subject_kind=subject.kind,
        subject_id=subject.id,
        subject_name=str(bounded(subject.name))[:LONGEST_NAME],
        before=event.before,
        after=event.after,
        address=actor.address[:64],
    )
