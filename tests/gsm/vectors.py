"""The recorded vectors of this room: one JSON file a kind, each vector with its name, meaning and source."""

import json
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(__file__).parent.parent / "vectors"


def vectors(kind: str) -> pytest.MarkDecorator:
    """Parametrizes a test with `vector`, once for each vector of `tests/vectors/gsm_<kind>.json`."""
    found: list[dict[str, Any]] = json.loads((_FOLDER / f"gsm_{kind}.json").read_text(encoding="utf-8"))
    return pytest.mark.parametrize("vector", found, ids=[each["name"] for each in found])
