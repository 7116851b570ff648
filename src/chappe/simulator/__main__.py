"""`python -m chappe.simulator`: the simulator as a process. Its first line says where it listens, in JSON."""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvloop

from chappe.messaging import ConfigError

from .profile import load
from .quirks import Quirks
from .smsc import HTTP_PORT, SMPP_PORT, Simulator

STDIN = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT, or until standard input ends where that is asked for."""
    options = _parser().parse_args(arguments)
    try:
        quirks = load(options.quirks)
    except ConfigError as error:
        sys.stderr.write("".join(f"{one.field}: {one.message}\n" for one in error.errors))
        return 2
    gc.set_threshold(100_000, 50, 100)
    uvloop.run(_serve(quirks, options))
    return 0


async def _serve(quirks: Quirks, options: argparse.Namespace) -> None:
    done = told_to_stop(with_stdin=options.until_stdin_ends)
    async with Simulator(quirks, host=options.host, port=options.port, http_port=options.http_port) as smsc:
        gc.freeze()
        _announce(smsc, options.ready_file)
        await done.wait()


def _announce(smsc: Simulator, ready_file: Path | None) -> None:
    announce({"port": smsc.port, "http_port": smsc.http_port}, ready_file)


def announce(ports: dict[str, int], ready_file: Path | None) -> None:
    """Say where it listens: on standard output, and in a file that is there at once and whole."""
    line = msgspec.json.encode(ports).decode()
    if ready_file is not None:
        draft = ready_file.with_suffix(".draft")
        draft.write_text(line + "\n")
        draft.replace(ready_file)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def told_to_stop(*, with_stdin: bool) -> asyncio.Event:
    """Set by SIGTERM or SIGINT, or by the end of standard input where that is asked for."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    if with_stdin:
        loop.add_reader(STDIN, _watch, done)
    return done


def _watch(done: asyncio.Event) -> None:
    if not os.read(STDIN, 4096):
        asyncio.get_running_loop().remove_reader(STDIN)
        done.set()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("chappe simulate smsc", description="A scriptable SMSC with an HTTP side.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=SMPP_PORT, help="SMPP port, 0 for a free one (%(default)s)")
    parser.add_argument("--http-port", type=int, default=HTTP_PORT, help="HTTP port, 0 for a free one (%(default)s)")
    parser.add_argument("--quirks", default="plain", metavar="FILE|NAME", help="a profile or a file (%(default)s)")
    parser.add_argument("--ready-file", type=Path, help="where to write the first line as well, once both ports listen")
    parser.add_argument("--until-stdin-ends", action="store_true", help="stop when standard input is closed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
