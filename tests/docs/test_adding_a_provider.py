"""The adapter and the recordings of docs/adding-a-provider.md are held to what every provider is held to."""

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from tests.providers import recordings
from tests.providers import test_http_contract as contract
from tests.providers.recordings import Entry, Recordings

from chappe.messaging import ConfigError
from chappe.providers import reference
from chappe.providers.http import HttpProvider

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-provider.md").read_text("utf-8")
BLOCK = re.compile(r"^```(python|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SETTINGS = {
    "settings": {"api_key": "k-1", "sender": "+33600000000", "hook_secret": "h-1"},
    "hook_secrets": ["hook_secret"],
}


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recordings]:
    """Of the page, as if its files stood where it says."""
    (source, *files) = [text for _, text in BLOCK.findall(PAGE)]
    path = tmp_path / "acme.py"
    path.write_text(source, "utf-8")
    spec = importlib.util.spec_from_file_location("acme", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "acme").mkdir()
    for found in [SETTINGS, *(json.loads(text) for text in files)]:
        (tmp_path / "acme" / f"{next(name for name in recordings.FILES if name in found)}.json").write_text(
            json.dumps(found), "utf-8"
        )
    monkeypatch.setattr(recordings, "HOME", tmp_path)
    yield Recordings(cast(HttpProvider, module))


def entries(recorded: Recordings, file: str, **wanted: object) -> list[Entry]:
    found = [e for e in recorded.entries(file) if all(e.get(name) == value for name, value in wanted.items())]
    assert found
    return found


def test_the_example_sends_what_the_page_says(recorded: Recordings, monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in entries(recorded, "requests"):
        contract.test_request_is_the_recorded_one(recorded, entry, monkeypatch)
    contract.test_text_that_is_far_too_long_is_refused_without_being_quoted(recorded)


def test_the_example_reads_answers_as_the_page_says(recorded: Recordings) -> None:
    outcomes = set()
    for entry in entries(recorded, "responses"):
        contract.test_answer_is_read_as_recorded(recorded, entry)
        outcomes.add(entry["expected"]["outcome"])
    assert outcomes == contract.OUTCOMES.keys()
    for status in (200, 302, 401, 404, 418, 429, 503):
        contract.test_answer_in_no_format_loses_no_message(recorded, status, b"<html>")


def test_the_example_believes_signed_calls_only(recorded: Recordings) -> None:
    for entry in entries(recorded, "hooks", verified=True):
        contract.test_hook_tells_what_was_recorded(recorded, entry)
        contract.test_hook_without_its_proof_is_refused(recorded, entry)
        contract.test_hook_is_refused_where_its_secret_is_not_set(recorded, entry)
    for entry in entries(recorded, "hooks", verified=False):
        contract.test_hook_without_a_good_proof_is_refused(recorded, entry)


def test_the_example_has_all_that_its_page_is_drawn_from(recorded: Recordings) -> None:
    declared = [name for name in HttpProvider.__annotations__ if name.isupper()]
    declared += [name for name, value in vars(HttpProvider).items() if callable(value) and not name.startswith("_")]
    assert [name for name in declared if not hasattr(recorded.adapter, name)] == []
    contract.test_documents_can_be_drawn_of_it(recorded)
    text = reference.page(
        recorded.adapter, lambda key: (f"https://x.example/{key}/s", f"https://x.example/{key}/m"), ""
    )
    assert "On the dashboard enter `https://x.example/acme/s` for reports" in text


def test_a_mistake_in_the_settings_of_the_example_is_named(recorded: Recordings) -> None:
    with pytest.raises(ConfigError, match="api_key"):
        recorded.adapter.SPEC.parse({"sender": "+33600000000"})
