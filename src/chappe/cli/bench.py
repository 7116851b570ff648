"""`chappe bench`: the measurements of the source tree."""

import sys
from importlib import import_module
from pathlib import Path

import typer

import chappe
from chappe.messaging import ChappeError


def bench(context: typer.Context) -> None:
    """Measure this machine; needs a checkout of the source."""
    tree = Path(chappe.__file__).parents[2]
    if not (tree / "bench" / "__main__.py").is_file():
        raise ChappeError("The measurements come with the source, not with the installed package: clone it, and run "
                          "`make bench` there.")  # fmt: skip
    sys.path.insert(0, str(tree))
    sys.exit(import_module("bench.__main__").main(context.args))
