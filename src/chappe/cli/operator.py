"""`chappe operator`: machines that sign in by name, such as another Chappe. Passwords are never arguments, which others see."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chappe.cli.choice import NoChoice, OrganisationName, chosen_organisation
from chappe.cli.connection import secret_in
from chappe.cli.database import ready
from chappe.cli.screen import AsJson, fields_named, moment, screen, show_json, show_table

if TYPE_CHECKING:
    from chappe.features.accounts.models import Operator, Organisation

PASSWORD = "CHAPPE_OPERATOR_PASSWORD"  # noqa: S105 - the name of a variable

app = typer.Typer(no_args_is_help=True, help="Make, change and list operators: another Chappe, a CRM.")

Login = Annotated[str, typer.Argument(help="Its login.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        help="administration (it signs in for another Chappe), replies (and changes its account's automatic replies), send, "
        "read or manage; may be given several times.",
    ),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="A file that holds the password. Else CHAPPE_OPERATOR_PASSWORD or its _FILE."
    ),
]


@app.command("create")
def create(
    login: Annotated[str, typer.Argument(help="In small letters. It cannot be changed later.")],
    label: Annotated[str, typer.Option(help="As people here call it.")],
    scope: Scopes = None,
    password_file: PasswordFile = None,
    organisation: OrganisationName = "",
) -> None:
    """Make an operator; without --scope it gets administration. Leaves it without a password where none is given."""
    ready()
    from chappe.features.accounts.operator import create_operator
    from chappe.features.clock import now_ms

    owner = chosen_organisation(organisation)
    with fields_named():
        password = _given(password_file) or ""
        made = create_operator(owner.pk, login, label, scope or ["administration"], now_ms(), password)
    screen().print(f"The operator {made.login} of {owner.name} is made ({', '.join(made.scopes)}).")
    _warn(made)


@app.command("list")
def list_(organisation: OrganisationName = "", as_json: AsJson = False) -> None:
    """The operators of an organisation, with their keys in use."""
    ready()
    from chappe.features.accounts.operator import every_operator, warnings_of

    rows = [
        {
            "login": one.login,
            "label": one.label,
            "scopes": ", ".join(one.scopes),
            "password": "set" if one.password else "none",
            "keys": one.keys.filter(revoked_ms=0).count(),
            "enabled": "yes" if one.is_enabled else "no",
            "created": moment(one.created_ms),
            "warnings": warnings_of(one),
        }
        for one in every_operator(chosen_organisation(organisation).pk)
    ]
    if as_json:
        show_json(rows)
        return
    columns = ("Login", "Label", "Scopes", "Password", ">Keys", "Enabled", "Made (UTC)")
    show_table(columns, [[value for name, value in row.items() if name != "warnings"] for row in rows])


@app.command("password")
def password(
    login: Login,
    password_file: PasswordFile = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take it away: the operator signs in with keys alone.")
    ] = False,
    organisation: OrganisationName = "",
) -> None:
    """Set, change or take away a password. Asked for where neither a file nor a variable holds it."""
    ready()
    from chappe.features.accounts.operator import Change, change_operator
    from chappe.features.clock import now_ms

    row = _chosen(chosen_organisation(organisation), login)
    with fields_named():
        new = "" if remove else _given(password_file) or _prompted()
        changed = change_operator(row.organisation_id, row.pk, Change(password=new), now_ms())
    screen().print(f"The password of {login} is {'taken away' if remove else 'set'}.")
    _warn(changed)


@app.command("key")
def key(
    login: Login,
    name: Annotated[str, typer.Argument(help="Where the key is used.")],
    organisation: OrganisationName = "",
) -> None:
    """Make one more key and show it, this once. Standard output holds the key alone; `chappe key revoke` ends one."""
    ready()
    from chappe.features.accounts.operator import add_key
    from chappe.features.clock import now_ms

    row = _chosen(chosen_organisation(organisation), login)
    with fields_named():
        created = add_key(row.organisation_id, row.pk, name, now_ms())
    screen(stderr=True).print(f"Key {created.row.pk} of the operator {login}. It is shown now and never again:")
    typer.echo(created.secret)


@app.command("scopes")
def scopes(login: Login, scope: Scopes = None, organisation: OrganisationName = "") -> None:
    """Say anew what an operator may do; all its keys may do that."""
    ready()
    from chappe.features.accounts.operator import Change, change_operator
    from chappe.features.clock import now_ms

    row = _chosen(chosen_organisation(organisation), login)
    with fields_named():
        changed = change_operator(row.organisation_id, row.pk, Change(scopes=scope or []), now_ms())
    screen().print(f"{login} may: {', '.join(changed.scopes)}.")
    _warn(changed)


@app.command("on")
def on(login: Login, organisation: OrganisationName = "") -> None:
    """Let an operator in again."""
    _switch(login, organisation, is_enabled=True)


@app.command("off")
def off(login: Login, organisation: OrganisationName = "") -> None:
    """Let an operator in no more, by nothing that it has; within a second."""
    _switch(login, organisation, is_enabled=False)


def _switch(login: str, organisation: str, *, is_enabled: bool) -> None:
    ready()
    from chappe.features.accounts.operator import Change, change_operator
    from chappe.features.clock import now_ms

    row = _chosen(chosen_organisation(organisation), login)
    change_operator(row.organisation_id, row.pk, Change(is_enabled=is_enabled), now_ms())
    screen().print(f"The operator {login} is switched {'on' if is_enabled else 'off'}.")


def _chosen(organisation: "Organisation", login: str) -> "Operator":
    from chappe.features.accounts.operator import every_operator

    found = list(every_operator(organisation.pk))
    chosen = next((one for one in found if one.login == login), None)
    if chosen is None:
        listed = ", ".join(one.login for one in found)
        there = f" There is: {listed}." if listed else " `chappe operator create LOGIN` makes one."
        raise NoChoice(f"There is no operator {login} in {organisation.name}.{there}")
    return chosen


def _given(file: Path | None) -> str | None:
    """The password that a file or the environment holds; None for none. Raises ConfigError."""
    if file is not None:
        return secret_in(file, "--password-file")
    named = os.environ.get(f"{PASSWORD}_FILE")
    return os.environ.get(PASSWORD) or (secret_in(Path(named), f"{PASSWORD}_FILE") if named else None)


def _prompted() -> str:
    answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer


def _warn(operator: "Operator") -> None:
    from chappe.features.accounts.operator import warnings_of

    for words in warnings_of(operator):
        screen(stderr=True).print(f"Warning: {words}", style="yellow")
