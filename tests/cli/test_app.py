"""The command as a whole: quick to help, and plain where it cannot do what is asked."""

import os
import pty
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.cli.shell import Shell

import chappe
from chappe.cli.app import app

COMMANDS = (
    *("up", "demo", "send", "import", "check", "status", "timeline", "simulate", "bench", "doctor"),
    *("organisation", "key", "connection", "secrets"),
)
CHAPPE = [sys.executable, "-c", "from chappe.cli import main; main()"]


def test_help_names_every_command_and_loads_no_django() -> None:
    code = "import sys, chappe.cli.app; sys.exit('django' in sys.modules or 'cryptography' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    shown = subprocess.run([*CHAPPE, "--help"], check=True, timeout=30, capture_output=True, text=True).stdout
    assert all(command in shown for command in COMMANDS)


def parameters(command: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every option and argument of every command below, with its help."""
    for one in command.params:
        yield f"{path} {one.name}", one.help or ""
    for name, inner in getattr(command, "commands", {}).items():
        yield f"{path} {name}", inner.help or ""
        yield from parameters(inner, f"{path} {name}")


def test_every_command_and_every_option_has_its_help() -> None:
    found = dict(parameters(typer.main.get_command(app), "chappe"))
    assert "chappe connection create password_file" in found
    assert not [name for name, words in found.items() if not words]


def test_help_comes_at_once() -> None:
    """Half a second of processor time, which other work on the machine does not lengthen."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*CHAPPE, "--help"], check=True, timeout=30, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_the_simulator_shows_its_own_options(shell: Shell) -> None:
    result = shell.done("simulate", "smsc", "--help")
    assert "--quirks FILE|NAME" in result.out


def test_the_simulator_says_which_profile_does_not_exist(shell: Shell) -> None:
    result = shell("simulate", "smsc", "--quirks", "nobody")
    assert result.code == 2
    assert "'nobody' is neither a file nor one of plain" in result.err


def test_measurements_without_the_source_say_where_they_are(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src" / "chappe").mkdir(parents=True)
    monkeypatch.setattr(chappe, "__file__", str(tmp_path / "src" / "chappe" / "__init__.py"))
    result = shell("bench")
    assert result.code == 1
    assert "come with the source" in result.err


def test_measurements_of_a_checkout_get_the_arguments(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src" / "chappe").mkdir(parents=True)
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").write_text("")
    (tmp_path / "bench" / "__main__.py").write_text("def main(arguments):\n    print(arguments)\n    return 3\n")
    monkeypatch.setattr(chappe, "__file__", str(tmp_path / "src" / "chappe" / "__init__.py"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [name for name in sys.modules if name == "bench" or name.startswith("bench.")]:
        monkeypatch.delitem(sys.modules, name)
    result = shell("bench", "--quick", "engine")
    for name in ("bench", "bench.__main__"):
        sys.modules.pop(name, None)
    assert result.code == 3
    assert "['--quick', 'engine']" in result.out


def test_a_setting_of_the_process_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    environment = {**os.environ, "CHAPPE_DATA_DIR": str(tmp_path), "CHAPPE_PORT": "many"}
    result = subprocess.run([*CHAPPE, "status"], env=environment, timeout=60, capture_output=True, text=True)
    assert result.returncode == 2
    assert "CHAPPE_PORT: must be a number from 1 to 65535" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_password_typed_at_the_prompt_is_taken_and_not_shown(tmp_path: Path) -> None:
    environment = {**os.environ, "CHAPPE_DATA_DIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    subprocess.run([*CHAPPE, "organisation", "create", "Relais"], env=environment, check=True, timeout=60)
    terminal, end = pty.openpty()
    command = [*CHAPPE, "connection", "create", "North", "--set", "host=smsc.example.org", "--set", "account=relais"]
    process = subprocess.Popen(command, env=environment, stdin=end, stdout=end, stderr=end, start_new_session=True)
    os.close(end)
    shown = b""
    for prompt in (b"Password: ", b"Repeat for confirmation: "):
        while prompt not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, b"s3cret\n")
    assert process.wait(60) == 0
    with_rest = shown + read_rest(terminal)
    assert b"s3cret" not in with_rest
    listed = subprocess.run([*CHAPPE, "connection", "show", "--json"], env=environment, timeout=60, capture_output=True)
    assert b'"password": "********"' in listed.stdout


def read_rest(terminal: int) -> bytes:
    found = b""
    try:
        while piece := os.read(terminal, 4096):
            found += piece
    except OSError:  # how a terminal says that its other end is closed
        pass
    finally:
        os.close(terminal)
    return found
