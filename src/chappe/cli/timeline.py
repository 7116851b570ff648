"""`chappe timeline`: the life of one message, in words."""

from typing import Annotated

import typer

from chappe.cli.database import ready
from chappe.cli.screen import AsJson, moment, screen, show_json, show_table
from chappe.messaging import DeliveryState


def timeline(
    message: Annotated[int, typer.Argument(min=1, help="Its number, as `chappe send` and the API give it.")],
    as_json: AsJson = False,
) -> None:
    """What happened to a message, and why it waits where it does."""
    ready()
    from chappe.features.clock import now_ms
    from chappe.features.messages.models import MessageNow
    from chappe.features.messages.timeline import timeline as entries_of
    from chappe.features.page import LARGEST_ID
    from chappe.features.refusal import NotFound

    row = MessageNow.objects.filter(pk=min(message, LARGEST_ID)).first()
    if row is None:
        raise NotFound("message", message)
    entries = entries_of(row, now_ms())
    state = DeliveryState(row.state).name.lower()
    if as_json:
        show_json(
            {
                "id": row.pk,
                "state": state,
                "entries": [{"at_ms": entry.at_ms, "kind": entry.kind, "text": entry.text} for entry in entries],
            }
        )
        return
    screen().print(f"Message {row.pk} to {row.recipient}: {state}")
    rows = [(moment(entry.at_ms) if entry.kind != "now" else "now", entry.text) for entry in entries]
    show_table(("UTC", "What happened"), rows)
