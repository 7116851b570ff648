"""The docs say what there is: every setting, command, metric and problem, and nothing that leads nowhere."""

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chappe.cli.app import app
from chappe.engine.configuration import declaration
from chappe.providers.contract import Feature
from chappe.providers.http_settings import http_settings
from chappe.providers.registry import HTTP, PROVIDERS
from chappe.rules.smpp_status import STATUSES
from chappe.simulator import Quirks
from chappe.smpp import CommandStatus
from docs import generate

ROOT = Path(__file__).parent.parent.parent
REFERENCE = ROOT / "docs" / "reference"
SOURCE = ROOT / "src" / "chappe"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def page(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


def headings(text: str) -> list[str]:
    return [line.lstrip("#").strip() for line in FENCE.sub("", text).splitlines() if line.startswith("#")]


def rows(text: str) -> list[list[str]]:
    """Cells of the tables of a page."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


# -- what is drawn from the source -----------------------------------------------------------------------------------


@pytest.fixture
def written(sqlite_url: str, bound: Callable[[str], None]) -> dict[str, str]:
    bound(sqlite_url)
    return generate.pages()


def test_the_pages_in_the_tree_are_those_that_the_source_gives(written: dict[str, str]) -> None:
    stale = [name for name, text in written.items() if not (REFERENCE / name).exists() or page(name) != text]
    assert not stale, "run `make docs`"


def test_the_index_names_every_page_of_the_reference() -> None:
    listed = set(LINK.findall(page(generate.INDEX)))
    found = {path.name if path.is_file() else f"{path.name}/{generate.INDEX}" for path in REFERENCE.iterdir()}
    assert listed == found - {generate.INDEX}


def test_every_page_begins_with_its_title_and_ends_with_one_line_feed(written: dict[str, str]) -> None:
    for name, text in written.items():
        assert text.startswith("# " if name.endswith(".md") else "{"), name
        assert text.endswith("\n"), name
        assert not text.endswith("\n\n"), name


# -- what has to be there --------------------------------------------------------------------------------------------


SHARED = {setting.name for setting in http_settings()}


@pytest.mark.parametrize("key", PROVIDERS)
def test_every_setting_of_a_provider_is_described(key: str) -> None:
    for setting in PROVIDERS[key].settings:
        own = f"providers/{key}.md" if key in HTTP else f"{key}-settings.md"
        text = page("providers/http-settings.md" if key in HTTP and setting.name in SHARED else own)
        assert f"`{setting.name}`" in headings(text)
        assert setting.help in text, setting.name
        for column in setting.columns:
            assert f"| `{column.name}` |" in text, f"{setting.name}.{column.name}"


@pytest.mark.parametrize("key", HTTP)
def test_everything_that_an_adapter_declares_is_on_its_page(key: str) -> None:
    adapter, text = HTTP[key], page(f"providers/{key}.md")
    cells = {cell.strip("`") for row in rows(text) for cell in row[:1]}
    assert {*adapter.STATES, *adapter.REFUSALS, *adapter.ACCOUNT_TROUBLE} <= cells
    for sentence in (adapter.SPEC.summary, adapter.HOOK_PROOF, *adapter.QUIRKS, *adapter.SOURCES):
        assert sentence in text
    for code in adapter.ERROR_KINDS:
        assert f"`{code}`" in text
    for step in adapter.HOOK_SETUP:
        assert all(part in text for part in re.split(r"\{\w+_url\}", step)), step
    assert not re.search(r"\{(status|inbound)_url\}", text)


def test_the_matrix_says_of_every_provider_what_it_can_do() -> None:
    names, channels, *features = rows(page("providers/README.md"))
    assert [re.sub(r"\[(.*)\]\(.*\)", r"\1", name) for name in names[1:]] == [spec.label for spec in PROVIDERS.values()]
    assert all(channels)
    said = {row[0]: row[1:] for row in features}
    assert said.keys() == set(Feature)
    for place, spec in enumerate(PROVIDERS.values()):
        assert {feature for feature, cells in said.items() if cells[place]} == spec.features, spec.key


def test_every_setting_of_a_process_is_described() -> None:
    text = page("configuration.md")
    assert {f"`{declared.name}`" for declared in declaration()} <= set(headings(text))
    assert [declared.name for declared in declaration() if not declared.help or declared.help not in text] == []


HANDED_ON = {"CHAPPE_STORE_URL"}
"""What one of our processes tells another that it starts; nobody sets it."""


def test_every_variable_that_the_source_reads_is_declared() -> None:
    read = set()
    for path in SOURCE.rglob("*.py"):
        read |= set(re.findall(r"""environ(?:\.get\(|\[)["'](CHAPPE_[A-Z_]+)""", path.read_text("utf-8")))
    assert read - HANDED_ON <= {declared.name for declared in declaration()}


def named(group: object, words: str) -> Iterator[str]:
    """Every command, with its whole name, without asking the generator."""
    for one in group.registered_commands:  # type: ignore[attr-defined]
        yield f"{words} {one.name or one.callback.__name__}"
    for one in group.registered_groups:  # type: ignore[attr-defined]
        yield from named(one.typer_instance, f"{words} {one.name or one.typer_instance.info.name}")


def test_every_command_is_described() -> None:
    text = page("commands.md")
    commands = set(named(app, "chappe"))
    assert {"chappe up", "chappe simulate smsc"} <= commands
    found = re.findall(r"^## `(chappe [^`]*?)(?: [A-Z\[][^`]*)?`\n\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    sections = dict(found)
    assert sections.keys() == commands
    assert [name for name, section in sections.items() if not re.match(r"[A-Z].*\.", section)] == []
    # Each parameter says what it is for.
    assert re.findall(r"^- `[^:]*`: *(?:Default|Needed|$)", text, re.MULTILINE) == []


def literals(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_metric_is_described() -> None:
    listed = {row[0].strip("`") for row in rows(page("metrics.md"))[1:]}
    found = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text("utf-8")
        if "prometheus_client" in text:
            found |= {one for one in literals(path) if re.fullmatch(r"chappe_[a-z_]+", one)}
    assert found
    assert listed == found
    assert all(row[1] for row in rows(page("metrics.md")))


STATUS_CALLS = {"problem", "HttpError", "BadRequest"}


def statuses() -> Iterator[int]:
    """Statuses that the API answers with, as they stand in its source."""
    for path in (SOURCE / "web").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in STATUS_CALLS:
                yield from (one.value for one in node.args[:1] if isinstance(one, ast.Constant))
            elif isinstance(node, ast.Dict):
                keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
                yield from (key for key in keys if isinstance(key, int) and 400 <= key < 600)


def test_every_problem_of_the_api_is_described() -> None:
    listed = {int(row[0]) for row in rows(page("problems.md"))[1:]}
    assert set(statuses()) | {403} == listed  # 403 is the framework's AuthorizationError


def test_every_status_of_smpp_is_described() -> None:
    listed = {row[1].strip("`") for row in rows(page("smpp-status.md"))[1:]}
    assert listed == {status.name for status in STATUSES.values()}
    assert listed == {status.name for status in CommandStatus} - {"ESME_ROK"}


def test_every_knob_of_the_simulator_is_described() -> None:
    text = page("simulator.md")
    assert [name for name in Quirks.__struct_fields__ if f"`{name}`" not in text] == []


def test_the_description_of_the_api_has_what_developers_come_for() -> None:
    paths = json.loads(page("openapi.json"))["paths"]
    assert {"get", "post"} <= paths["/v1/messages"].keys()
    assert "post" in paths["/v1/messages/batch"]
    assert [path for path, methods in paths.items() for one in methods.values() if not one.get("summary")] == []


# -- what has to hold for every page ---------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """How a heading is linked to: small letters, hyphens for blanks, punctuation left out."""
    words = [re.sub(r"[^\w\- ]", "", heading).strip().lower() for heading in headings(path.read_text("utf-8"))]
    return {word.replace(" ", "-") for word in words}


@each_page
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(FENCE.sub("", path.read_text("utf-8"))):
        if urlsplit(target).scheme:
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), target
        assert found.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(found), target


EXAMPLES = re.compile(r"(^|\.)example(\.(com|net|org))?$|^localhost$|^127\.0\.0\.1$|^\[::1\]$|^host$")
DOMAIN = re.compile(r"(?<![\w@./-])(?!chappe\.)(?:[a-z0-9-]+\.)+(?:com|dev|io|net|org)\b(?![\w-])", re.IGNORECASE)
URL = re.compile(r"\b[a-z+]{3,10}://[^\s`)\"'<>]+")
MACHINE_PATH = re.compile(r"(?<![\w.}/:-])/(?:Users|home|root|tmp|work|workspace)/")
"""Where people and machines keep their own things; no other machine has them."""


@cache
def hosts_of_vendors() -> set[str]:
    """Those that adapters name, and so their pages: where APIs stand, and what was read of them."""
    text = "\n".join(path.read_text("utf-8") for path in (SOURCE / "providers").glob("*.py"))
    return {urlsplit(url.rstrip(".,;")).hostname or "" for url in URL.findall(text)} | set(DOMAIN.findall(text))


@each_page
def test_a_page_names_no_host_but_examples(path: Path) -> None:
    text = path.read_text("utf-8")
    hosts = {urlsplit(url.rstrip(".,;")).hostname or "" for url in URL.findall(text)}
    hosts |= set(DOMAIN.findall(text))
    hosts -= hosts_of_vendors() if path.parent == REFERENCE / "providers" else set()
    assert not {host for host in hosts if host and not EXAMPLES.search(host)}


@each_page
def test_a_page_names_no_place_on_somebodys_machine(path: Path) -> None:
    assert not MACHINE_PATH.findall(path.read_text("utf-8"))


@each_page
def test_examples_in_a_page_can_be_read(path: Path) -> None:
    for language, example in FENCE.findall(path.read_text("utf-8")):
        match language:
            case "json":
                json.loads(example)
            case "toml":
                tomllib.loads(example)
            case "python" if path.name != "seams.md":  # which lists signatures, without what they do
                compile(example, str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        ("see https://packages.acme.org/simple", True),
        ("from packages.acme.io", True),
        ("https://chappe.example.org and localhost", False),
        ("smsc.example", False),
        ("chappe.engine.net.smpp_client", False),
    ],
)
def test_a_host_in_a_page_is_found(text: str, is_told: bool, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(text, "utf-8")
    if is_told:
        with pytest.raises(AssertionError):
            test_a_page_names_no_host_but_examples(path)
    else:
        test_a_page_names_no_host_but_examples(path)
