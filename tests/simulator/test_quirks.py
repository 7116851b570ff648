"""Knobs: where they are read from, what is refused, and the page that describes them."""

from pathlib import Path

import pytest

from chappe.messaging import ConfigError
from chappe.simulator import Quirks, reference
from chappe.simulator.profile import PROFILES, load, parse
from chappe.simulator.quirks import TABLES, Failure, Inbound, check

PAGE = Path(__file__).parents[2] / "docs/reference/simulator.md"
FILE = """
profile = "demo"
latency_ms = 80
identity = '#(\\d+)'
[accounts]
esme = "secret"
[[failures]]
stat = "UNDELIV"
err = "001"
fraction = 0.03
[[inbound]]
reply_to = "(?i)question"
text = "OUI"
"""


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_valid_and_known_by_its_name(name: str) -> None:
    check(load(name))
    assert load(name) == PROFILES[name]


def test_a_file_starts_from_its_profile(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    quirks = load(str(path))
    assert quirks.failures == (Failure("UNDELIV", "001", 0.03),)
    assert quirks.inbound == (Inbound("OUI", reply_to="(?i)question"),)
    assert (quirks.latency_ms, quirks.accounts) == (80, {"esme": "secret"})
    assert quirks.id_format == PROFILES["demo"].id_format


@pytest.mark.parametrize(
    ("values", "field", "says"),
    [
        ({"latency": 1}, "latency", "did you mean latency_ms"),
        ({"latency_ms": "1"}, "latency_ms", "Expected"),
        ({"early_fraction": 1.5}, "early_fraction", "<= 1"),
        ({"id_format": "octal"}, "id_format", "octal"),
        ({"receipt_dialect": "latin"}, "receipt_dialect", "standard"),
        ({"identity": "#\\d+"}, "identity", "one group"),
        ({"identity": "("}, "identity", "regular expression"),
        ({"window_status": "ESME_RTROTTLED"}, "window_status", "ESME_RTHROTTLED"),
        ({"refusals": [{"pattern": "", "status": 0}]}, "refusals[0].status", "from 1"),
        ({"failures": [{"stat": "A", "err": "1", "fraction": 0.6}] * 2}, "failures", "more than 1"),
        ({"inbound": [{"text": "a"}]}, "inbound[0]", "exactly one"),
        ({"inbound": [{"text": "☀", "reply_to": ""}]}, "inbound[0].text", "U+2600"),
        ({"inbound": [{"text": "a", "tlvs": [{"tga": 1}]}]}, "inbound[0].tlvs[0].tga", "tag"),
        ({"throttle_windows": [{"from_s": 2, "to_s": 1}]}, "throttle_windows[0]", "from_s"),
        ({"tls_key": "key.pem"}, "tls_key", "together"),
        ({"profile": "none"}, "profile", "demo"),
        ("text", "quirks", "table"),
    ],
)
def test_what_cannot_be_is_refused_by_name(values: object, field: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(values)
    found = {error.field: error.message for error in caught.value.errors}
    assert field in found
    assert says in found[field]


def test_a_file_that_is_not_there_or_not_readable_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("latency_ms = ")
    for source in ("nothing-of-this-name", str(path)):
        with pytest.raises(ConfigError):
            load(source)


def test_the_page_is_what_the_declarations_say() -> None:
    assert PAGE.read_text() == reference.render(), (
        "run python -m chappe.simulator.reference > docs/reference/simulator.md"
    )


@pytest.mark.parametrize("kind", [Quirks, *TABLES.values()])
def test_every_knob_is_described(kind: type) -> None:
    assert set(reference.descriptions(kind)) == set(kind.__struct_fields__)  # type: ignore[attr-defined]
