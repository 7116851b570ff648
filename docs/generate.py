"""Writes the pages of docs/reference/ that are drawn from declarations in the source: `make docs`.

Nothing is said here that the source does not say, but for the lines that open a page. tests/docs holds that the pages
in the tree are those that this writes.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parent / "reference"
INDEX = "README.md"
LINE = "Written by `make docs` from the source; change it there."
PUBLIC_URL = "https://chappe.example.org"
COMMANDS = """\
Commands work on the installation that the [environment](configuration.md) describes. Where there is one organisation,
or one connection, it need not be named. `--json` gives the same facts to programs; `--help` says what stands here.

| exit code | meaning |
|---|---|
| 0 | done, and nothing is wrong |
| 1 | something is wrong: a finding is an error, a row was not taken, a number is not sent to, it could not be done |
| 2 | nothing was done: what was given, or a setting of the environment, cannot be used; each is named |
"""
CONFIGURATION = """\
They are read from the environment when a process starts. A value that cannot be read stops it and is named; a secret
may also be kept in a file, which the same name with `_FILE` at its end points to.
"""
METRICS = """\
`GET /metrics` answers in the format of Prometheus; where
[`CHAPPE_METRICS_TOKEN`](configuration.md#chappe_metrics_token) is set, only to requests that carry it.
"""
PROBLEM = """\
An error of the API is a JSON object of the type `application/problem+json` (RFC 9457). Its `type` is always
`about:blank`: `status` says what kind of problem it is, `detail` what happened, for people, and `errors`, where there
are any, which `field` cannot be used and why (`message`). No problem repeats a secret or the text of a message.
"""
SMPP_STATUS = """\
What becomes of a message when the provider answers its `submit_sm` with this `command_status`. *Again*: it is tried
again after the time between attempts; *slower*: the link pauses as well. The kind is what the error says about the
number until somebody qualifies it otherwise. A status that is not here has the
[kind of a new error](smpp-settings.md#default_error_kind), and is tried again unless that is hard.
"""


def configuration() -> str:
    """The settings of a process."""
    from chappe.engine.configuration import declaration

    lines = ["# Settings of a process", "", LINE, "", CONFIGURATION]
    for declared in declaration():
        facts = [declared.type, f"default: `{declared.default}`" if declared.default else "default: empty"]
        facts += ["one of " + ", ".join(f"`{choice}`" for choice in declared.choices)] if declared.choices else []
        facts += [f"secret, also as `{declared.name}_FILE`"] if declared.secret else []
        sentence = "; ".join(facts)
        lines += [f"## `{declared.name}`", "", f"{sentence[0].upper()}{sentence[1:]}.", "", declared.help, ""]
    return "\n".join(lines)


def commands() -> str:
    """The command line."""
    import typer

    from chappe.cli.app import app

    return "\n".join(["# Commands", "", LINE, "", COMMANDS, *_commands(typer.main.get_command(app), "chappe")])


def _commands(command: Any, path: str) -> Iterator[str]:
    """`command` and its parameters are the framework's, read by the attributes that its own help is made from."""
    inner = getattr(command, "commands", {})
    if not inner:
        yield from _command(command, path)
    for name, one in inner.items():
        yield from _commands(one, f"{path} {name}")


def _command(command: Any, path: str) -> list[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    names = [one.name.upper() if one.required else f"[{one.name.upper()}]" for one in arguments]
    lines = [f"- `{one.name.upper()}`: {_parameter(one)}" for one in arguments]
    lines += [f"- `{'`, `'.join([*one.opts, *one.secondary_opts])}`: {_parameter(one)}" for one in options]
    return [f"## `{' '.join([path, *names])}`", "", command.help.strip(), "", *([*lines, ""] if lines else [])]


def _parameter(parameter: Any) -> str:
    text, default = (parameter.help or "").strip(), parameter.default
    if parameter.required:
        return f"{text} Needed." if parameter.param_type_name == "option" else text
    if isinstance(default, bool) or default in (None, "", ()):
        return text
    return f"{text} Default: `{getattr(default, 'value', default)}`."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def metrics() -> str:
    """What /metrics answers; asks the database that Django is bound to."""
    from chappe.web.health import Collector

    lines = ["# Metrics", "", LINE, "", METRICS]
    lines += ["| metric | what | labels |", "|---|---|---|"]
    for family in Collector().collect():
        labels = ", ".join(f"`{label}`" for label in getattr(family, "_labelnames", ()))
        lines.append(f"| `{family.name}` | {_cell(family.documentation)} | {labels} |")
    return "\n".join([*lines, ""])


PROBLEMS = {
    400: "The request cannot be read: no JSON, no UTF-8, a file without rows. Send it otherwise.",
    401: "There is no API key, or it is revoked; at a hook: the provider's proof is absent or wrong. `WWW-Authenticate` says "
    "what is wanted.",
    403: "The API key does not have the scope that the address needs; at a hook: the provider's proof is wrong, or the hook is "
    "switched off.",
    404: "There is nothing at this address, or nothing of this organisation's.",
    405: "The address does not answer this method; `Allow` says which it answers.",
    408: "The body stopped coming before it was whole. Nothing was sent; send it again.",
    409: "What is there does not allow it: a name is taken, a version is old, a delivery has gone on. Read it again.",
    413: "The body is larger than the address takes.",
    415: "The body is of a kind that the address does not take.",
    422: "Fields cannot be used; `errors` names each of them. Nothing was changed.",
    429: "Too much of it: other requests of the organisation are still being read, or too many came from this address "
    "with a key or proof that is none. Nothing was stored; `Retry-After` says when to try again.",
    500: "Something went wrong on our side; the log of the web process says what.",
    503: "The database does not answer, or too much waits. Try again; `Retry-After` says when, where it is known. Where it "
    "went away during a commit, `detail` says that it is not known whether the messages were stored: only under the same "
    "`Idempotency-Key` can they be sent again without being sent twice.",
}


def problems() -> str:
    """Errors of the API."""
    lines = ["# Problems", "", LINE, "", PROBLEM]
    lines += ["| status | means |", "|---|---|"]
    lines += [f"| {status} | {_cell(text)} |" for status, text in PROBLEMS.items()]
    return "\n".join([*lines, ""])


def smpp_status() -> str:
    """What becomes of a message that the provider answers with an error."""
    from chappe.rules.smpp_status import STATUSES

    lines = ["# SMPP statuses", "", LINE, "", SMPP_STATUS]
    lines += ["| status | name | reason shown | kind | then |", "|---|---|---|---|---|"]
    for status in STATUSES.values():
        then = "again, slower" if status.slows_down else "again" if status.is_retried else "failed"
        lines.append(f"| `{status.code}` | `{status.name}` | {_cell(status.words)} | {status.kind.value} | {then} |")
    return "\n".join([*lines, ""])


def simulator() -> str:
    """The simulator's knobs, profiles and requests."""
    from chappe.simulator.reference import render

    return render()


def http_simulator() -> str:
    """The knobs, profiles and requests of the simulated HTTP providers."""
    from chappe.simulator.http_reference import render

    return render()


def openapi() -> str:
    """The description of the API, as it answers it itself."""
    from chappe.web.api.api import api

    return json.dumps(api.get_openapi_schema(), indent=1, ensure_ascii=False) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "configuration.md": configuration,
    "http-simulator.md": http_simulator,
    "metrics.md": metrics,
    "openapi.json": openapi,
    "problems.md": problems,
    "simulator.md": simulator,
    "smpp-status.md": smpp_status,
}


def hook_addresses(provider: str) -> tuple[str, str]:
    """Where a provider calls an installation that stands at PUBLIC_URL: with what became of messages, with texts."""
    from chappe.engine.address import hook_url, inbound_url, status_url
    from chappe.features.hooks.reading import reads_own_calls

    if reads_own_calls(provider):
        return status_url(PUBLIC_URL, provider, 1), inbound_url(PUBLIC_URL, provider, 1)
    return hook_url(PUBLIC_URL, "SECRET"), hook_url(PUBLIC_URL, "SECRET")


def pages() -> dict[str, str]:
    """File name under docs/reference/ → its text. Django has to be set up, and bound to a migrated database."""
    from chappe.providers import reference

    written = {name: page() for name, page in PAGES.items()} | reference.pages(hook_addresses, LINE)
    return written | {INDEX: index(written)}


def index(written: dict[str, str]) -> str:
    """All pages of the folder, those written by hand as well; of a folder in it, the page that names its others."""
    by_hand = {path.name: path.read_text("utf-8") for path in REFERENCE.glob("*.md") if path.name != INDEX}
    of_folders = {name: text for name, text in written.items() if "/" not in name or name.endswith(f"/{INDEX}")}
    lines = ["# Reference", ""]
    for name, text in sorted((by_hand | of_folders).items()):
        title = text.splitlines()[0].removeprefix("# ") if name.endswith(".md") else "The API, as an OpenAPI document"
        lines.append(f"- [{title}]({name})")
    return "\n".join([*lines, ""])


def main() -> int:
    """Write them all, by an installation of their own that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="chappe-docs-") as folder:
        for name in [name for name in os.environ if name.startswith("CHAPPE_")]:
            del os.environ[name]
        os.environ["CHAPPE_DATA_DIR"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "chappe.web.settings"
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        changed = 0
        for name, text in pages().items():
            path = REFERENCE / name
            path.parent.mkdir(exist_ok=True)
            if not path.exists() or path.read_text("utf-8") != text:
                path.write_text(text, "utf-8")
                sys.stdout.write(f"docs/reference/{name}\n")
                changed += 1
    sys.stdout.write(f"{changed} pages changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
