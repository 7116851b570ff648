"""`python -m chappe.simulator.http_process`: the HTTP simulator as a process. Its first line says where it listens, in
JSON.
"""

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from chappe.messaging import ConfigError

from .__main__ import announce, told_to_stop
from .http_profile import load
from .http_quirks import HttpQuirks
from .http_simulator import VENDORS_PORT, HttpSimulator


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


async def _serve(quirks: HttpQuirks, options: argparse.Namespace) -> None:
    done = told_to_stop(with_stdin=options.until_stdin_ends)
    async with HttpSimulator(quirks, host=options.host, port=options.port) as simulator:
        gc.freeze()
        announce({"port": simulator.port}, options.ready_file)
        await done.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("chappe simulate http", description="Scriptable HTTP providers.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=VENDORS_PORT, help="port, 0 for a free one (%(default)s)")
    parser.add_argument("--quirks", default="plain", metavar="FILE|NAME", help="a profile or a file (%(default)s)")
    parser.add_argument("--ready-file", type=Path, help="where to write the first line as well, once the port listens")
    parser.add_argument("--until-stdin-ends", action="store_true", help="stop when standard input is closed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
