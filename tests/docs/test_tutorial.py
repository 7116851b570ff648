"""Pages that can be followed, run as they are written: every shell block in turn, in a data directory and on ports of its own.

Remarks before a block say how: `setup` runs in every terminal, `terminal` is one that stays open, `exit` is the exit
code it must have, `shows` are words it must print, and `until` are words that it is repeated for until it prints them.
"""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "tutorial.md",
    "how-to/connect-a-vendor.md",
    "how-to/connect-a-custom-provider.md",
    "how-to/connect-an-email-provider.md",
)
each_page = pytest.mark.parametrize("page", PAGES)
BLOCK = re.compile(r"((?:^<!-- .*? -->\n)*)^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REMARK = re.compile(r"<!-- (\w+)(?:: (.*?))? -->")
UNTIL_S = 60
PAUSE_S = 0.2
"""Before a block is repeated: what it waits for needs the processor, too."""
END = "-- the end of a block:"


@dataclass(frozen=True)
class Block:
    commands: str
    remarks: list[tuple[str, str]] = field(default_factory=list)

    def remark(self, name: str) -> str | None:
        return next((value for key, value in self.remarks if key == name), None)


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text("utf-8")


def blocks(page: str) -> list[Block]:
    return [Block(commands, REMARK.findall(remarks)) for remarks, commands in BLOCK.findall(text_of(page))]


class Terminal:
    """A shell that keeps its variables from one block to the next."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["bash"], cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, commands: str) -> tuple[int, str]:
        """The exit code of the last command, and all that was printed."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{commands}\nprintf '\\n%s %s\\n' '{END}' $?\n")
        self._shell.stdin.flush()
        shown = []
        for line in self._shell.stdout:
            if line.startswith(END):
                return int(line.removeprefix(END)), "".join(shown)
            shown.append(line)
        raise AssertionError(f"the shell ended: {''.join(shown)}")

    def close(self) -> None:
        self._shell.communicate()


@contextmanager
def staying_open(commands: str, environment: dict[str, str]) -> Iterator[None]:
    """A terminal of its own, ended as Ctrl-C ends what runs in it."""
    shell = subprocess.Popen(
        ["bash", "-c", commands], cwd=ROOT, env=environment, start_new_session=True, stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        os.killpg(shell.pid, signal.SIGINT)
        shell.wait(30)


def free_ports(count: int) -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in sockets]


@pytest.mark.curl
@pytest.mark.slow
@each_page
def test_every_command_of_a_page_runs_as_it_is_written(page: str, tmp_path: Path) -> None:
    web, smsc, smsc_http, vendors = free_ports(4)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHAPPE_")}
    environment = kept | {
        "CHAPPE_DATA_DIR": str(tmp_path / "data"),
        "CHAPPE_PORT": web,
        "SMSC_PORT": smsc,
        "SMSC_HTTP_PORT": smsc_http,
        "VENDORS_PORT": vendors,
        "COLUMNS": "200",
    }
    found = blocks(page)
    setup = next(block.commands for block in found if block.remark("setup") is not None)
    with ExitStack() as stack:
        terminal = Terminal(environment)
        stack.callback(terminal.close)
        for block in found:
            if block.remark("terminal") is not None:
                stack.enter_context(staying_open(f"{setup}\n{block.commands}", environment))
            else:
                carry_out(terminal, block)


def carry_out(terminal: Terminal, block: Block) -> None:
    until = block.remark("until")
    give_up = time.monotonic() + UNTIL_S
    code, shown = terminal.run(block.commands)
    while until is not None and until not in shown and time.monotonic() < give_up:
        time.sleep(PAUSE_S)
        code, shown = terminal.run(block.commands)
    words = [value for name, value in block.remarks if name in {"until", "shows"}]
    missing = [word for word in words if word not in shown]
    assert not missing, f"{block.commands}\nprinted\n{shown}"
    assert code == int(block.remark("exit") or 0), f"{block.commands}\nended with {code} after\n{shown}"


@each_page
def test_every_block_of_a_page_is_found(page: str) -> None:
    assert len(blocks(page)) == text_of(page).count("```sh\n")
