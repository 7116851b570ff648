"""The arrows of docs/seams.md: which room may import which, read from the source of every module.

An import counts wherever it stands: at the top, within a function, under TYPE_CHECKING, or by `import_module`.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator, Set
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
PACKAGE = SOURCE / "chappe"
MODULES = sorted(PACKAGE.rglob("*.py"))

TEXT = {"gsm", "messaging"}
DATA_PLANE = {"gsm", "smpp", "messaging", "rules", "providers", "engine"}
ARROWS: dict[str, set[str]] = {
    # room: the other rooms it may import
    "gsm": set(),
    "smpp": set(),
    "messaging": {"gsm"},
    "rules": {"messaging", "gsm"},
    "providers": {"messaging", "gsm", "smpp"},
    "engine": DATA_PLANE - {"engine"},
    "features": DATA_PLANE,
    "web": DATA_PLANE | {"features"},
    "simulator": {"gsm", "smpp", "messaging"},
    "cli": DATA_PLANE | {"features", "web", "simulator"},
    "": set(),  # chappe/__init__.py holds the version, and anybody may ask for that
}
STANDARD_LIBRARY_ONLY = {"gsm", "smpp"}
NO_DJANGO = DATA_PLANE | {"simulator"}
NO_INPUT_OR_OUTPUT = {"gsm", "smpp", "messaging", "rules", "providers"}
DOORS = {
    *("asyncio", "ftplib", "http", "multiprocessing", "selectors", "smtplib", "socket", "socketserver", "sqlite3"),
    *("ssl", "subprocess", "threading", "urllib.request"),
}
"""What opens sockets, processes and threads."""


def dotted(path: Path) -> str:
    """The name by which a module is imported."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The second word of `chappe.gsm.header`; "" for the package itself."""
    return module.split(".")[1] if "." in module else ""


def is_module(name: str) -> bool:
    path = SOURCE / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports(source: str, module: str, *, is_package: bool = False) -> Iterator[str]:
    """The names of the modules that `source` imports, each in full."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=name, names=names, level=level):
                base = _absolute(name or "", module, level, is_package=is_package)
                # What is imported may be a module itself: `from chappe import cli`.
                inner = [f"{base}.{alias.name}" for alias in names]
                found = [one for one in inner if is_module(one)]
                yield from found
                if len(found) < len(inner):
                    yield base
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[first, *_]):
                if called in ("import_module", "__import__"):
                    # A name that is put together at run time cannot be checked here.
                    yield first.value if isinstance(first, ast.Constant) else "?"


def _absolute(name: str, module: str, level: int, *, is_package: bool) -> str:
    if not level:
        return name
    parts = module.split(".")
    kept = parts[: len(parts) - level + is_package]
    return ".".join([*kept, name] if name else kept)


def imports_of(path: Path) -> set[str]:
    return set(imports(path.read_text("utf-8"), dotted(path), is_package=path.name == "__init__.py"))


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


IMPORTS = {path: imports_of(path) for path in MODULES}
each_module = pytest.mark.parametrize("path", MODULES, ids=dotted)


def modules_of(rooms: Set[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", [path for path in MODULES if room_of(dotted(path)) in rooms], ids=dotted)


def test_every_room_has_its_arrows() -> None:
    assert {room_of(dotted(path)) for path in MODULES} <= ARROWS.keys()


@each_module
def test_a_module_imports_only_rooms_it_may(path: Path) -> None:
    room = room_of(dotted(path))
    reached = {room_of(name) for name in IMPORTS[path] if is_within(name, "chappe")}
    assert reached <= ARROWS[room] | {room, ""}


@each_module
def test_what_a_module_imports_stands_in_its_source(path: Path) -> None:
    assert "?" not in IMPORTS[path]


@modules_of(STANDARD_LIBRARY_ONLY)
def test_text_and_protocol_need_the_standard_library_alone(path: Path) -> None:
    foreign = {name.split(".")[0] for name in IMPORTS[path]} - sys.stdlib_module_names
    assert foreign <= {"chappe"}


@modules_of(NO_DJANGO)
def test_the_data_plane_and_the_simulator_know_no_django(path: Path) -> None:
    assert not {name for name in IMPORTS[path] if name.split(".")[0] in ("django", "ninja", "asgiref")}


@modules_of(NO_INPUT_OR_OUTPUT)
def test_decisions_and_adapters_open_no_socket(path: Path) -> None:
    assert not {name for name in IMPORTS[path] if any(is_within(name, door) for door in DOORS)}


@modules_of(ARROWS.keys() - {"cli"})
def test_nobody_imports_the_command_line(path: Path) -> None:
    assert not {name for name in IMPORTS[path] if is_within(name, "chappe.cli")}


@pytest.mark.parametrize("room", ["engine", "simulator"])
def test_a_process_of_the_data_plane_runs_without_django(room: str) -> None:
    """Also what its imports import in their turn."""
    names = [dotted(path) for path in MODULES if room_of(dotted(path)) == room and path.name != "__main__.py"]
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    code += "sys.exit('django' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, *names], check=True, timeout=60)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import chappe.cli", {"chappe.cli"}),
        ("from chappe import gsm", {"chappe.gsm"}),
        ("import chappe as house", {"chappe"}),
        ("from chappe import __version__", {"chappe"}),
        ("def later():\n    from chappe.web import urls", {"chappe.web.urls"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import django.db", {"typing", "django.db"}),
        ("from .store import client", {"chappe.engine.store.client"}),
        ("from .worker import Worker", {"chappe.engine.worker"}),
        ("from ..rules import keyword", {"chappe.rules.keyword"}),
        ("from . import slot", {"chappe.engine.slot"}),
        ("import_module('chappe.web')", {"chappe.web"}),
        ("import importlib\nimportlib.import_module('chappe.' + room)", {"importlib", "?"}),
    ],
)
def test_an_import_is_found_however_it_is_written(source: str, found: set[str]) -> None:
    assert set(imports(source, "chappe.engine.engine")) == found
