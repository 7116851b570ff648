"""What the environment may say, and what happens when it says something else."""

import base64
import stat
from pathlib import Path

import pytest

from chappe.engine.configuration import Configuration, declaration, sqlite_path
from chappe.messaging import ConfigError

KEY = base64.b64encode(b"k" * 32).decode()
OTHER_KEY = base64.urlsafe_b64encode(b"\xff" * 32).decode()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"CHAPPE_DATA_DIR": str(tmp_path / "data")}


def refusal(environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        Configuration.load(environ)
    return {error.field: error.message for error in caught.value.errors}


def test_an_empty_environment_gives_a_machine_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    configuration = Configuration.load({})
    assert configuration.data_dir == tmp_path / "chappe-data"
    assert sqlite_path(configuration.database_url) == tmp_path / "chappe-data" / "chappe.sqlite3"
    assert (configuration.host, configuration.port) == ("127.0.0.1", 8025)
    assert "localhost" in configuration.allowed_hosts


def test_everything_given_is_taken(environ: dict[str, str]) -> None:
    configuration = Configuration.load(
        environ
        | {
            "CHAPPE_DATABASE_URL": "postgresql://chappe:pw@db/chappe",
            "CHAPPE_KEYS": f"{KEY}, {OTHER_KEY}",
            "CHAPPE_SECRET_KEY": "s" * 40,
            "CHAPPE_HOST": "::",
            "CHAPPE_PORT": "80",
            "CHAPPE_ALLOWED_HOSTS": "a.example, b.example",
            "CHAPPE_LOG_LEVEL": "WARNING",
            "CHAPPE_LANGUAGE": "fr",
        }
    )
    assert configuration.database_url == "postgresql://chappe:pw@db/chappe"
    assert configuration.keys == (b"k" * 32, b"\xff" * 32)
    assert configuration.secret_key == "s" * 40
    assert (configuration.host, configuration.port) == ("::", 80)
    assert configuration.allowed_hosts == ("a.example", "b.example")
    assert configuration.log_level == "warning"
    assert configuration.language == "fr"


def test_keys_nobody_gave_are_made_once_for_the_owner_alone(environ: dict[str, str]) -> None:
    first, second = Configuration.load(environ), Configuration.load(environ)
    assert first.keys == second.keys
    assert first.secret_key == second.secret_key
    assert len(first.secret_key) >= 50
    for name in ("keys", "secret-key"):
        assert stat.S_IMODE((first.data_dir / name).stat().st_mode) == 0o600
    assert sorted(path.name for path in first.data_dir.iterdir()) == ["keys", "secret-key"]


def test_two_machines_make_different_keys(tmp_path: Path) -> None:
    here, there = (Configuration.load({"CHAPPE_DATA_DIR": str(tmp_path / name)}) for name in ("here", "there"))
    assert here.keys != there.keys
    assert here.secret_key != there.secret_key


def test_keys_that_were_given_leave_no_file(environ: dict[str, str]) -> None:
    configuration = Configuration.load(environ | {"CHAPPE_KEYS": KEY, "CHAPPE_SECRET_KEY": "s" * 32})
    assert not configuration.data_dir.exists()


def test_a_secret_may_be_named_by_a_file(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "ring").write_text(f"{KEY}\n{OTHER_KEY}\n")
    configuration = Configuration.load(environ | {"CHAPPE_KEYS_FILE": str(tmp_path / "ring")})
    assert configuration.keys == (b"k" * 32, b"\xff" * 32)


def test_a_file_that_is_not_there_stops_the_start(environ: dict[str, str], tmp_path: Path) -> None:
    found = refusal(environ | {"CHAPPE_SECRET_KEY_FILE": str(tmp_path / "gone")})
    assert "CHAPPE_SECRET_KEY_FILE" in found["CHAPPE_SECRET_KEY"]


def test_a_file_with_nothing_in_it_stops_the_start_instead_of_making_new_keys(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "ring").write_text("\n")
    assert "is empty" in refusal(environ | {"CHAPPE_KEYS_FILE": str(tmp_path / "ring")})["CHAPPE_KEYS"]


def test_a_secret_given_twice_stops_the_start(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "ring").write_text(KEY)
    assert "twice" in refusal(environ | {"CHAPPE_KEYS": KEY, "CHAPPE_KEYS_FILE": str(tmp_path / "ring")})["CHAPPE_KEYS"]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("CHAPPE_PORT", "eighty", "1 to 65535"),
        ("CHAPPE_PORT", "0", "1 to 65535"),
        ("CHAPPE_PORT", "65536", "1 to 65535"),
        ("CHAPPE_PORT", "\N{ARABIC-INDIC DIGIT EIGHT}", "1 to 65535"),
        ("CHAPPE_LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("CHAPPE_LANGUAGE", "de", "en, fr"),
        ("CHAPPE_DATABASE_URL", "mysql://host/name", "postgresql://"),
        ("CHAPPE_DATABASE_URL", "sqlite://", "sqlite:///"),
        ("CHAPPE_DATABASE_URL", "sqlite:///", "sqlite:///"),
        ("CHAPPE_KEYS", "c2hvcnQ=", "32 octets"),
        ("CHAPPE_KEYS", "not base64", "32 octets"),
        ("CHAPPE_SECRET_KEY", "short", "32 characters"),
    ],
)
def test_a_value_that_cannot_be_read_stops_the_start_and_says_what_is_allowed(
    environ: dict[str, str], name: str, value: str, allowed: str
) -> None:
    assert allowed in refusal(environ | {name: value})[name]


def test_every_unreadable_value_is_named_at_once(environ: dict[str, str]) -> None:
    assert refusal(environ | {"CHAPPE_PORT": "x", "CHAPPE_LOG_LEVEL": "y"}).keys() == {
        "CHAPPE_PORT",
        "CHAPPE_LOG_LEVEL",
    }


def test_a_key_file_that_was_damaged_stops_the_start_instead_of_being_replaced(environ: dict[str, str]) -> None:
    kept = Configuration.load(environ).data_dir / "keys"
    kept.write_text("damaged")
    assert str(kept) in refusal(environ)["CHAPPE_KEYS"]
    assert kept.read_text() == "damaged"


def test_a_data_directory_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be used" in refusal({"CHAPPE_DATA_DIR": str(tmp_path / "file")})["CHAPPE_KEYS"]


def test_neither_a_refusal_nor_the_configuration_itself_shows_a_secret(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Configuration.load(environ | {"CHAPPE_KEYS": "hunter2", "CHAPPE_DATABASE_URL": "mysql://u:hunter2@h/n"})
    assert "hunter2" not in str(caught.value)
    shown = repr(Configuration.load(environ | {"CHAPPE_SECRET_KEY": "hunter2" * 8}))
    assert "hunter2" not in shown


def test_every_setting_is_declared_once_with_a_default_that_can_be_read() -> None:
    names = [declared.name for declared in declaration()]
    assert len(set(names)) == len(names)
    for declared in declaration():
        assert declared.help
        declared.read(declared.default)
    assert {name.removeprefix("CHAPPE_").lower() for name in names} == set(Configuration.__struct_fields__)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("https://chappe.example.org", "https://chappe.example.org"),
        ("https://chappe.example.org/", "https://chappe.example.org"),
        ("http://[::1]:8025/sms/", "http://[::1]:8025/sms"),
    ],
)
def test_the_public_address_is_kept_without_a_slash_at_its_end(environ: dict[str, str], given: str, kept: str) -> None:
    assert Configuration.load(environ | {"CHAPPE_PUBLIC_URL": given}).public_url == kept


@pytest.mark.parametrize(
    "given",
    [
        "chappe.example.org",
        "ftp://chappe.example.org",
        "https://",
        "https://a@b.example",
        "https://b.example/?x=1",
        "https://é.fr",
        "https://b.example:99999",
        "https://b.example/a b",
        "https://b.example/'",
        "https://[::1",
    ],
)
def test_a_public_address_that_is_none_stops_the_start(environ: dict[str, str], given: str) -> None:
    assert "https://chappe.example.org" in refusal(environ | {"CHAPPE_PUBLIC_URL": given})["CHAPPE_PUBLIC_URL"]
