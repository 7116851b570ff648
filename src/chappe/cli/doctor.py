"""`chappe doctor`: what is wrong with this installation, and what to do about it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from chappe.cli.examination import installation as set_up
from chappe.cli.examination import machine, traffic
from chappe.cli.examination.symptom import Symptom
from chappe.cli.installation import installation
from chappe.cli.screen import AsJson, counted, screen, show_findings, show_json

if TYPE_CHECKING:
    from chappe.engine.configuration import Configuration


def doctor(as_json: AsJson = False) -> None:
    """Examine the machine, the database, connections and traffic. Exit code 1 where anything is wrong."""
    found: list[Symptom] = []
    for symptom in examination(installation()):
        found.append(symptom)
        if not as_json:
            show_findings([(symptom.level, symptom.text, symptom.fix)])
    errors, warnings = (sum(one.level == level for one in found) for level in ("error", "warning"))
    if as_json:
        show_json(found)
    else:
        screen().print(f"{counted(errors, 'error')}, {counted(warnings, 'warning')}.")
    if errors:
        raise typer.Exit(1)


def examination(configuration: "Configuration") -> Iterator[Symptom]:
    """Everything in order; what needs the database only where that can be used."""
    from chappe.features.clock import now_ms

    yield from machine.examine(configuration)
    is_usable = True
    for symptom in set_up.database():
        is_usable = is_usable and symptom.level != "error"
        yield symptom
    if is_usable:
        yield from set_up.connections()
        yield from traffic.examine(now_ms())
