"""`chappe connection`: accounts with providers. Secrets are never arguments, which others on the machine see."""

import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chappe.cli.choice import OrganisationName, chosen_connection, chosen_organisation
from chappe.cli.database import ready
from chappe.cli.screen import AsJson, fields_named, screen, show_json, show_table
from chappe.messaging import ConfigError, FieldError

if TYPE_CHECKING:
    from chappe.features.connections.models import Connection
    from chappe.providers.contract import ProviderSpec

SECRET_PREFIX = "CHAPPE_CONNECTION_"  # noqa: S105 - how the variables begin that hold secrets, not a secret

app = typer.Typer(no_args_is_help=True, help="Make, change and list connections.")

Name = Annotated[str, typer.Argument(help="Its name or number.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting; may be given several times.")
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", exists=True, dir_okay=False, help="A TOML file of settings, tables included."),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="A file that holds the password. Else CHAPPE_CONNECTION_PASSWORD, its _FILE, or a prompt.",
    ),
]
NewPasswordFile = Annotated[
    Path | None, typer.Option("--password-file", exists=True, dir_okay=False, help="A file that holds a new password.")
]
FromEnvironment = Annotated[
    bool,
    typer.Option(
        "--password-from-env",
        help="Take a new password from CHAPPE_CONNECTION_PASSWORD or its _FILE (the receiver's from "
        "CHAPPE_CONNECTION_RECEIVER_PASSWORD), which are not looked at otherwise.",
    ),
]
InternalName = Annotated[
    str | None,
    typer.Option(
        help="The name by which another Chappe finds it, whose operator signs in here: <operator>_<its account there>."
    ),
]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="A name that no other connection of the organisation has.")],
    provider: Annotated[str, typer.Option(help="The kind of provider.")] = "smpp",
    set_: Set = None,
    settings: SettingsFile = None,
    password_file: PasswordFile = None,
    enabled: Annotated[bool, typer.Option(help="Whether the engine opens it at once.")] = True,
    internal_name: InternalName = None,
    organisation: OrganisationName = "",
) -> None:
    """Make a connection; `chappe check NAME` tries it."""
    ready()
    from chappe.features.clock import now_ms
    from chappe.features.connections.services import create_connection, provider_spec

    owner = chosen_organisation(organisation)
    with fields_named():
        spec = provider_spec(provider)
        values = given_settings(spec, set_ or [], settings) | given_secrets(spec, password_file, os.environ)
        if "password" in spec.secrets and "password" not in values and sys.stdin.isatty():
            values["password"] = prompted()
        made = create_connection(
            owner.pk, name, provider, values, now_ms(), is_enabled=enabled, internal_name=internal_name or ""
        )
    screen().print(f"The connection {made.name} is made, as number {made.pk}. `chappe check {made.pk}` tries it.")
    _warn(made)


@app.command("change")
def change(
    name: Name,
    set_: Set = None,
    settings: SettingsFile = None,
    password_file: NewPasswordFile = None,
    password_from_env: FromEnvironment = False,
    new_password: Annotated[bool, typer.Option("--new-password", help="Ask for a new password.")] = False,
    rename: Annotated[str, typer.Option(help="Another name.")] = "",
    position: Annotated[
        int | None, typer.Option(help="Its place in the list, whose first is used where none is named; from 0.")
    ] = None,
    internal_name: InternalName = None,
    organisation: OrganisationName = "",
) -> None:
    """Change what is given and leave the rest, the password too; a running engine takes it over within seconds.

    The settings of a connection with a vendor do not change: `chappe connection replace` makes a new one from it.
    """
    ready()
    from chappe.features.clock import now_ms
    from chappe.features.connections.services import Change, change_connection, provider_spec

    row = chosen_connection(chosen_organisation(organisation), name)
    with fields_named():
        spec = provider_spec(row.provider)
        values = _changed(spec, set_, settings, password_file, from_env=password_from_env)
        if new_password:
            values["password"] = prompted()
        wanted = Change(
            name=rename or None,
            settings=values,
            version=row.version,
            position=position,
            internal_name=internal_name,
        )
        changed = change_connection(row.organisation_id, row.pk, wanted, now_ms())
    same = changed.version == row.version
    screen().print(f"{changed.name} {'stays as it was' if same else f'is changed, now at version {changed.version}'}.")
    _warn(changed)


def _warn(connection: "Connection") -> None:
    from chappe.features.connections.account import Naming

    for words in Naming(connection.organisation_id).warnings(connection):
        screen(stderr=True).print(f"Warning: {words}", style="yellow")


@app.command("replace")
def replace(
    name: Name,
    set_: Set = None,
    settings: SettingsFile = None,
    password_from_env: FromEnvironment = False,
    rename: Annotated[str, typer.Option(help="Another name than the old one's.")] = "",
    organisation: OrganisationName = "",
) -> None:
    """Make a new connection from one, with other settings, in its place; what waits goes over. Secrets stay unless given."""
    ready()
    from chappe.features.clock import now_ms
    from chappe.features.connections.replacement import replace_connection
    from chappe.features.connections.services import provider_spec

    row = chosen_connection(chosen_organisation(organisation), name)
    with fields_named():
        values = _changed(provider_spec(row.provider), set_, settings, None, from_env=password_from_env)
        made = replace_connection(
            row.organisation_id, row.pk, values, now_ms(), name=rename or None, version=row.version
        )
    screen().print(f"{made.name} is connection {made.pk} now, in the place of connection {row.pk}.")


def _changed(
    spec: "ProviderSpec",
    pairs: Sequence[str] | None,
    file: Path | None,
    password_file: Path | None,
    *,
    from_env: bool,
) -> dict[str, object]:
    """What is given of a connection that is there. Raises ConfigError."""
    # Variables that were set to make another connection are still there when this one is changed.
    secrets = given_secrets(spec, password_file, os.environ if from_env else {})
    if from_env and not secrets:
        names = ["password"] if "password" in spec.secrets else sorted(spec.secrets)
        listed = " nor ".join(_variable(one) for one in names)
        raise ConfigError([FieldError("--password-from-env", f"neither {listed} nor its _FILE is set")])
    return given_settings(spec, pairs or [], file, hint=", with --password-from-env") | secrets


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Its name or number; may be left out where there is one.")] = "",
    organisation: OrganisationName = "",
    as_json: AsJson = False,
) -> None:
    """Every setting of a connection; secrets are masked."""
    ready()
    from chappe.features.connections.services import shown_settings

    row = chosen_connection(chosen_organisation(organisation), name)
    values = shown_settings(row)
    if as_json:
        facts = {"id": row.pk, "name": row.name, "internal_name": row.internal_name, "provider": row.provider}
        show_json({**facts, "is_enabled": row.is_enabled, "settings": values})
    else:
        title = f"{row.name} ({row.provider}{f', {row.internal_name}' if row.internal_name else ''})"
        show_table(("Setting", "Value"), values.items(), title)


@app.command("list")
def list_(organisation: OrganisationName = "", as_json: AsJson = False) -> None:
    """The connections of an organisation, the first one first; those that were replaced are left out."""
    ready()
    from chappe.features.clock import now_ms
    from chappe.features.connections.link import links_of
    from chappe.features.connections.services import connections_of

    found = list(connections_of(chosen_organisation(organisation).pk))
    links = links_of([row.pk for row in found], now_ms())
    rows = [
        {
            "id": row.pk,
            "name": row.name,
            "internal_name": row.internal_name,
            "provider": row.provider,
            "server": _server(row.settings),
            "account": row.settings.get("account", ""),
            "enabled": "yes" if row.is_enabled else "no",
            "links_bound": sum(link.is_bound for link in links if link.connection_id == row.pk),
        }
        for row in found
    ]
    if as_json:
        show_json(rows)
    else:
        columns = (">Id", "Name", "Internal name", "Provider", "Server", "Account", "Enabled", ">Links")
        show_table(columns, [row.values() for row in rows])


def _server(settings: Mapping[str, object]) -> str:
    """Whom the connection calls: a host and its port, or an address."""
    if "host" in settings:
        return f"{settings['host']}:{settings.get('port', '')}"
    return str(settings.get("base_url") or settings.get("url") or "")


@app.command("enable")
def enable(name: Name, organisation: OrganisationName = "") -> None:
    """Switch a connection on."""
    _switch(name, organisation, is_enabled=True)


@app.command("disable")
def disable(name: Name, organisation: OrganisationName = "") -> None:
    """Switch a connection off; what waits for it goes on waiting."""
    _switch(name, organisation, is_enabled=False)


def _switch(name: str, organisation: str, *, is_enabled: bool) -> None:
    ready()
    from chappe.features.clock import now_ms
    from chappe.features.connections.services import Change, change_connection

    row: Connection = chosen_connection(chosen_organisation(organisation), name)
    change_connection(row.organisation_id, row.pk, Change(is_enabled=is_enabled), now_ms())
    screen().print(f"{row.name} is switched {'on' if is_enabled else 'off'}.")


def given_settings(
    spec: "ProviderSpec", pairs: Sequence[str], file: Path | None, *, hint: str = ""
) -> dict[str, object]:
    """The file's settings, and over them the pairs. Raises ConfigError; `hint` is more on how secrets are given."""
    values = _read(file) if file is not None else {}
    errors = []
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            errors.append(FieldError(pair, "expected NAME=VALUE"))
        elif name in spec.secrets:
            where = f"{_variable(name)} or its _FILE{hint}"
            errors.append(FieldError(name, f"not on the command line, where others see it: use {where}"))
        else:
            values[name] = value
    if errors:
        raise ConfigError(errors)
    return values


def given_secrets(spec: "ProviderSpec", password_file: Path | None, environ: Mapping[str, str]) -> dict[str, object]:
    """The secrets that `environ` or files hold, by name. Raises ConfigError for a file that cannot be read."""
    found: dict[str, object] = {}
    for name in spec.secrets:
        variable = _variable(name)
        file = environ.get(f"{variable}_FILE")
        if name == "password" and password_file is not None:
            found[name] = secret_in(password_file, "--password-file")
        elif variable in environ:
            found[name] = environ[variable]
        elif file:
            found[name] = secret_in(Path(file), f"{variable}_FILE")
    return found


def prompted() -> str:
    """The password from the terminal, typed twice, shown never; empty for none."""
    answer: str = typer.prompt("Password", default="", hide_input=True, show_default=False, confirmation_prompt=True)
    return answer


def _variable(name: str) -> str:
    return f"{SECRET_PREFIX}{name.upper()}"


def secret_in(file: Path, where: str) -> str:
    """What a file holds, without the line that ends it. Raises ConfigError."""
    try:
        return file.read_text("utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise ConfigError([FieldError(where, f"the file {file} cannot be read")]) from None


def _read(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([FieldError("--settings", f"{file} cannot be read as TOML: {error}")]) from None
