"""The trail as a file: CSV for a spreadsheet, JSON Lines for a program. Both are made as they are read."""

import json
from collections.abc import Iterator
from typing import Any

from chappe.features.audit.models import AuditEvent
from chappe.features.audit.services import Wanted, every_event
from chappe.features.audit.value import HIDDEN
from chappe.features.clock import instant
from chappe.features.stream import BOM, csv_line

COLUMNS = (
    *("id", "time", "actor_kind", "actor_id", "actor", "address", "action"),
    *("subject_kind", "subject_id", "subject", "field", "before", "after"),
)


def csv_lines(organisation_id: int, wanted: Wanted) -> Iterator[str]:
    """A heading, and a line for each field that changed; for an event without fields one line. Raises InvalidInput."""
    yield BOM + csv_line(COLUMNS)
    for event in every_event(organisation_id, wanted):
        for row in _rows(event):
            yield csv_line(str(cell) for cell in row)


def json_lines(organisation_id: int, wanted: Wanted) -> Iterator[str]:
    """An object a line, for each event. Raises InvalidInput."""
    for event in every_event(organisation_id, wanted):
        yield json.dumps(_object(event), ensure_ascii=False) + "\n"


def _rows(event: AuditEvent) -> Iterator[tuple[object, ...]]:
    facts = (
        *(event.pk, _time(event), event.actor_kind, event.actor_id, event.actor_name, event.address, event.action),
        *(event.subject_kind, event.subject_id, event.subject_name),
    )
    for name in sorted({*event.before, *event.after}) or [""]:
        yield (*facts, name, _cell(event.before.get(name)), _cell(event.after.get(name)))


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return ", ".join(_cell(item) for item in value)
        case {"hidden": str(how)}:
            return f"({how}, {HIDDEN})"
    return str(value)


def _object(event: AuditEvent) -> dict[str, object]:
    return {
        "id": event.pk,
        "time": _time(event),
        "actor": {"kind": event.actor_kind, "id": event.actor_id, "name": event.actor_name},
        "address": event.address,
        "action": event.action,
        "subject": {"kind": event.subject_kind, "id": event.subject_id, "name": event.subject_name},
        "before": event.before,
        "after": event.after,
    }


def _time(event: AuditEvent) -> str:
    at = instant(event.at_ms)
    return at.isoformat(timespec="milliseconds") if at is not None else ""
