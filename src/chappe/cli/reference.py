"""docs/reference/commands.md, written from the declarations: `python -m chappe.cli.reference > FILE`."""

import sys
from collections.abc import Iterator
from typing import Any

import typer

HEAD = """\
# The commands

Written from `src/chappe/cli/` by `python -m chappe.cli.reference`; change it there.

Commands work on the installation that the environment describes: `CHAPPE_DATA_DIR`, `CHAPPE_DATABASE_URL` and the rest.
Where there is one organisation, or one connection, it need not be named. `--json` gives the same facts to programs.

| exit code | meaning |
|---|---|
| 0 | done, and nothing is wrong |
| 1 | something is wrong: a finding is an error, a row was not taken, a number is not sent to, it could not be done |
| 2 | nothing was done: what was given, or a setting of the environment, cannot be used; each is named |
"""


def page() -> str:
    from chappe.cli.app import app

    return HEAD + "".join(_entries(typer.main.get_command(app), "chappe"))


def _entries(command: Any, path: str) -> Iterator[str]:
    """`command` and its parameters are the framework's, read by the attributes that its own help is made from."""
    inner = getattr(command, "commands", {})
    if not inner:
        yield _entry(command, path)
    for name, one in inner.items():
        yield from _entries(one, f"{path} {name}")


def _entry(command: Any, path: str) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    names = [one.name.upper() if one.required else f"[{one.name.upper()}]" for one in arguments]
    lines = [f"- `{one.name.upper()}`: {_help(one)}" for one in arguments]
    lines += [f"- `{'`, `'.join([*one.opts, *one.secondary_opts])}`: {_help(one)}" for one in options]
    head = f"\n## `{' '.join([path, *names])}`\n\n{command.help.strip()}\n"
    return head + "".join(f"{line}\n" for line in ["", *lines] if lines)


def _help(parameter: Any) -> str:
    text, default = (parameter.help or "").strip(), parameter.default
    if parameter.required or isinstance(default, bool) or default in (None, "", ()):
        return f"{text} Needed." if parameter.required and parameter.param_type_name == "option" else text
    return f"{text} Default: {getattr(default, 'value', default)}."


if __name__ == "__main__":
    sys.stdout.write(page())
