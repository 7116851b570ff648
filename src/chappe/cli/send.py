"""`chappe send`: messages into the store by the rules of the API's intake, without an API key."""

import asyncio
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from chappe.cli.choice import OrganisationName, chosen_connection, chosen_organisation
from chappe.cli.database import ready
from chappe.cli.screen import AsJson, fields_named, screen, show_json, show_table
from chappe.engine.bus.local import LocalBus
from chappe.messaging import ChappeError, FieldError

if TYPE_CHECKING:
    from chappe.features.accounts.models import Organisation
    from chappe.web.intake.request import MessageIn
    from chappe.web.intake.submission import Answer


class Purpose(StrEnum):
    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"


def send(
    to: Annotated[
        list[str],
        typer.Option(help="A number with its country code, or an e-mail address; may be given several times."),
    ],
    text: Annotated[
        str, typer.Option(help="The text, for e-mail the provider's JSON; - reads it from standard input.")
    ],
    connection: Annotated[str, typer.Option(help="Its name; else the first of the list of the right channel.")] = "",
    sender: Annotated[str, typer.Option(help="The number or name it comes from; else the connection's.")] = "",
    category: Annotated[Purpose, typer.Option(help="Marketing asks for consent.")] = Purpose.TRANSACTIONAL,
    organisation: OrganisationName = "",
    as_json: AsJson = False,
) -> None:
    """Send a text. Exit code 1 where one of the numbers is not sent to, 2 where nothing was taken."""
    configuration = ready()
    owner = chosen_organisation(organisation)
    through = _through(owner, connection)
    body = sys.stdin.read().rstrip("\n") if text == "-" else text
    values = {"text": body, "connection_id": through, "sender": sender, "category": category.value}
    with fields_named():
        accepted = asyncio.run(_submit(configuration.database_url, owner.pk, [{"to": one, **values} for one in to]))
    _show(accepted, to, as_json=as_json)
    if any(one.state == "excluded" for one in accepted):
        raise typer.Exit(1)


def _through(owner: "Organisation", name: str) -> int | None:
    """The connection that is meant; None for the first of the list."""
    from chappe.features.connections.services import connections_of

    # Where there is none, choosing one says how it is made.
    return chosen_connection(owner, name).pk if name or not connections_of(owner.pk).exists() else None


async def _submit(database_url: str, organisation_id: int, messages: Sequence[dict[str, object]]) -> "list[Answer]":
    """Check all, store all or none, wake the engine. Raises InvalidInput, or ChappeError where it cannot be stored."""
    from chappe.engine.store.store import open_store
    from chappe.features.clock import now_ms
    from chappe.features.refusal import InvalidInput
    from chappe.web.intake.check import check_message
    from chappe.web.intake.committer import Committer
    from chappe.web.intake.lookup import by_number
    from chappe.web.intake.submission import Checked, Submission
    from chappe.web.wire import BadRequest

    bus = LocalBus(database_url)
    committer = Committer(lambda: open_store(database_url), bus.tell)
    try:
        await committer.caller("")  # nobody; asking reads the connections
        targets = by_number(committer.targets(organisation_id))
        checked: list[Checked] = []
        for message in messages:
            found = check_message(_read(message), targets, now_ms())
            if not isinstance(found, Checked):
                raise InvalidInput(found)
            checked.append(found)
        submission = Submission(organisation_id, checked)
        await committer.commit(submission)
        return submission.accepted
    except BadRequest as error:
        raise ChappeError(error.detail) from None
    finally:
        await committer.close()
        bus.close()


def _read(message: dict[str, object]) -> "MessageIn":
    """As the intake reads a body, so that its limits hold here too."""
    from chappe.features.refusal import InvalidInput
    from chappe.web.intake.request import read_one
    from chappe.web.wire import BadRequest

    try:
        return read_one(msgspec.json.encode(message))
    except BadRequest as error:
        raise InvalidInput(error.errors or [FieldError("text", error.detail)]) from None


def _show(accepted: "list[Answer]", to: list[str], *, as_json: bool) -> None:
    rows = [
        {"id": one.id, "to": number, "state": one.state, "reason": one.reason, "segments": one.segments}
        for one, number in zip(accepted, to, strict=True)
    ]
    if as_json:
        show_json(rows)
        return
    show_table(
        ("Message", "To", "State", ">Segments", "Reason"),
        [(row["id"], row["to"], row["state"], row["segments"], row["reason"]) for row in rows],
    )
    screen().print(f"`chappe timeline {rows[0]['id']}` says what becomes of it.")
