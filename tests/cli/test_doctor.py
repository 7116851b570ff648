"""`chappe doctor`: what is wrong, and what to do about it."""

import os
import resource
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.cli.shell import Shell
from tests.conftest import NUMBERS, administer, sibling
from tests.engine.certificate import issue
from tests.row import NOW_MS, link, message

from chappe.cli.examination import installation as set_up
from chappe.cli.examination import machine, traffic
from chappe.cli.examination.symptom import Symptom
from chappe.cli.installation import installation
from chappe.engine.vault import Vault
from chappe.features.accounts import services as accounts
from chappe.features.accounts.models import Organisation
from chappe.features.clock import now_ms
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection, ErrorQualification, OrphanReceipt
from chappe.features.messages.models import Outbox

VALUES = {"host": "smsc.example.org", "account": "relais", "password": "s3cret"}


def wrong(symptoms: Iterable[Symptom]) -> list[Symptom]:
    return [symptom for symptom in symptoms if symptom.level != "ok"]


def one(symptoms: Iterable[Symptom]) -> Symptom:
    found = wrong(symptoms)
    assert len(found) == 1, found
    assert found[0].fix
    return found[0]


@pytest.fixture
def north(organisation: Organisation) -> Connection:
    return connections.create_connection(organisation.pk, "North", "smpp", VALUES, NOW_MS)


# -- the command -----------------------------------------------------------------------------------------------------


def test_a_sound_installation_ends_well(shell: Shell, north: Connection) -> None:
    link(north.pk, "bound", changed_ms=now_ms())
    result = shell.done("doctor")
    assert "✓ The database has every table of this version." in result.out
    assert "0 errors" in result.out


def test_an_error_ends_badly_and_says_what_to_do(shell: Shell, north: Connection) -> None:
    link(north.pk, "down", changed_ms=now_ms(), reason="the provider closed the connection")
    result = shell("doctor")
    assert result.code == 1
    assert "✗ Link 1 (transceiver) of North (Relais) is down: the provider closed the connection." in result.out
    assert "→ `chappe check" in result.out
    found = shell("doctor", "--json").json
    assert any(one["level"] == "error" and one["fix"] for one in found)


# -- the machine -----------------------------------------------------------------------------------------------------


def test_this_machine_has_versions_that_do() -> None:
    assert not wrong(machine.versions())


def test_a_data_directory_that_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert one(machine.data_dir(tmp_path / "file" / "data")).level == "error"


def test_a_disk_that_fills_up_is_warned_of_and_a_full_one_is_an_error(tmp_path: Path) -> None:
    assert not wrong(machine.room(tmp_path, 50 << 30))
    assert one(machine.room(tmp_path, 1 << 30)).level == "warning"
    assert one(machine.room(tmp_path, 1 << 20)).level == "error"


def test_a_slow_disk_and_one_that_is_none_are_warned_of() -> None:
    assert machine.disk_speed(0.002).level == "ok"
    assert "50 ms" in machine.disk_speed(0.05).text
    assert "less than a disk takes" in machine.disk_speed(0.000_002).text


def test_key_files_that_others_may_read_are_an_error(shell: Shell) -> None:
    configuration = installation()
    assert not [symptom for symptom in machine.secret_files(configuration) if symptom.level == "error"]
    (configuration.data_dir / "keys").chmod(0o644)
    found = next(symptom for symptom in machine.secret_files(configuration) if symptom.level == "error")
    assert found.fix == f"chmod 600 {configuration.data_dir / 'keys'}"


def test_a_database_that_others_may_read_is_warned_of(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAPPE_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("CHAPPE_DATA_DIR", str(tmp_path / "data"))
    installation.cache_clear()
    configuration = installation()
    installation.cache_clear()
    tmp_path.chmod(0o755)
    (tmp_path / "chappe.sqlite3").chmod(0o644)
    assert one(machine.secret_files(configuration)).fix == f"chmod 700 {tmp_path}"
    tmp_path.chmod(0o700)
    assert not wrong(machine.secret_files(configuration))


def test_few_open_files_are_warned_of() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        assert "512 files" in one(machine.open_files()).text
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_clock_before_the_release_is_an_error() -> None:
    assert one(machine.clock(datetime(1970, 1, 1, tzinfo=UTC))).level == "error"
    assert not wrong(machine.clock(datetime(2027, 1, 1, tzinfo=UTC)))


def test_a_free_port_is_fine_and_a_taken_one_is_an_error() -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        assert one(machine.web_port("127.0.0.1", port, ["localhost"])).level == "error"
    assert not wrong(machine.web_port("127.0.0.1", port, ["localhost"]))


def test_a_port_on_which_chappe_answers_is_fine() -> None:
    hosts: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosts.append(self.headers["Host"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status": "ok"}')

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        symptoms = list(machine.web_port("127.0.0.1", server.server_port, [".example.org", "chappe.example.org"]))
        thread.join()
    assert not wrong(symptoms)
    assert hosts == ["chappe.example.org"]


# -- the installation ------------------------------------------------------------------------------------------------


def test_a_database_without_tables_says_how_they_are_made(
    postgresql_server: str, bound: Callable[[str], None], tmp_path: Path
) -> None:
    name = f"empty_{next(NUMBERS)}"
    administer(postgresql_server, f"CREATE DATABASE {name}")
    for url in (f"sqlite:///{tmp_path / 'empty.sqlite3'}", sibling(postgresql_server, name)):
        bound(url)
        assert "chappe up" in one(set_up.database()).fix
    bound(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    administer(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("url", ["sqlite:////nowhere/chappe.sqlite3", "postgresql://u:s3cret@127.0.0.1:1/chappe"])
def test_a_database_that_cannot_be_reached_is_an_error_without_its_password(
    bound: Callable[[str], None], url: str
) -> None:
    bound(url)
    found = one(set_up.database())
    assert found.level == "error"
    assert "s3cret" not in found.text


def test_commands_ask_for_the_tables_of_this_version(
    shell: Shell, bound: Callable[[str], None], tmp_path: Path
) -> None:
    bound(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    result = shell("status")
    assert result.code == 1
    assert "does not have the tables of this version yet" in result.err


def test_a_first_organisation_brings_the_tables(shell: Shell, bound: Callable[[str], None], tmp_path: Path) -> None:
    bound(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    shell.done("organisation", "create", "Relais")
    assert "Relais" in shell.done("organisation", "list").out


def test_two_connections_on_one_login_are_warned_of(north: Connection) -> None:
    connections.create_connection(north.organisation_id, "South", "smpp", VALUES, NOW_MS)
    other = {**VALUES, "password": "another"}
    connections.create_connection(north.organisation_id, "West", "smpp", other, NOW_MS)
    found = one(set_up.connections())
    assert "North (Relais) and South (Relais) log in at the same server" in found.text
    assert "s3cret" not in found.text


def test_secrets_that_no_key_opens_are_an_error(north: Connection) -> None:
    place = f"organisation/{north.organisation_id}/connection/{north.pk}"
    Connection.objects.update(secrets=Vault([os.urandom(32)]).encrypt({"password": "s3cret"}, place))
    symptoms = list(set_up.connections())
    assert any(one.level == "error" and "cannot be read" in one.text for one in symptoms)


def test_settings_that_this_version_cannot_use_are_an_error(north: Connection) -> None:
    Connection.objects.update(settings={**north.settings, "port": 0})
    assert "port expected" in one(set_up.connections()).text
    Connection.objects.update(provider="pigeon")
    assert "unknown kind, pigeon" in one(set_up.connections()).text


def test_a_connection_without_a_password_is_warned_of(organisation: Organisation) -> None:
    values = {"host": "smsc.example.org", "account": "relais"}
    connections.create_connection(organisation.pk, "North", "smpp", values, NOW_MS)
    assert "without a password" in one(set_up.connections()).text


def test_an_installation_without_a_connection_is_warned_of(database: str) -> None:
    assert "no connection yet" in one(set_up.connections()).text


# -- the traffic -----------------------------------------------------------------------------------------------------


def test_a_connection_without_an_engine_is_told_from_an_installation_without_one(north: Connection) -> None:
    now = now_ms()
    assert "No engine runs" in one(traffic.links(now)).text
    south = connections.create_connection(north.organisation_id, "South", "smpp", VALUES, NOW_MS)
    link(south.pk, "bound", changed_ms=now)
    assert one(traffic.links(now)).text == "No engine serves North (Relais)."


def test_a_provider_that_asks_for_less_is_warned_of(north: Connection) -> None:
    link(north.pk, "slowed", changed_ms=now_ms())
    assert "asks North (Relais) to slow down" in one(traffic.links(now_ms())).text


def test_messages_that_are_late_are_warned_of(north: Connection) -> None:
    Outbox.objects.create(pk=1, connection_id=north.pk, due_ms=NOW_MS, expires_ms=0, first_id=1, last_id=2_000)
    found = one(traffic.late_messages(NOW_MS + 7_200_000))
    assert "2,000 messages for North in the queue, the first due for 2 h" in found.text
    assert not wrong(traffic.late_messages(NOW_MS + 1_000))


def test_receipts_that_match_nothing_are_warned_of_for_a_day(north: Connection) -> None:
    for number in range(5):
        OrphanReceipt.objects.create(
            connection_id=north.pk, provider_message_id=f"id-{number}", first_ms=NOW_MS, last_ms=NOW_MS + number
        )
    found = one(traffic.unmatched_receipts(NOW_MS + 10))
    assert "5 receipts of North matched no message in the last day, such as id-4, id-3, id-2." in found.text
    assert not wrong(traffic.unmatched_receipts(NOW_MS + 2 * 86_400_000))


def test_errors_that_nobody_has_qualified_are_warned_of(north: Connection) -> None:
    assert not wrong(traffic.unknown_errors())
    ErrorQualification.objects.create(
        organisation_id=north.organisation_id, text="SR Generic UNDELIV 099|#MESSAGE#", kind="soft", occurrences=3
    )
    found = one(traffic.unknown_errors())
    assert "Nobody of Relais has said yet what to make of 1 error of providers" in found.text
    assert "SR Generic UNDELIV 099" in found.text
    assert "a key of Relais" in found.fix


def test_errors_are_told_apart_by_organisation(north: Connection) -> None:
    other = accounts.create_organisation("Another", NOW_MS)
    for organisation_id, text in ((north.organisation_id, "SR A UNDELIV 1"), (other.pk, "SR B UNDELIV 2")):
        ErrorQualification.objects.create(organisation_id=organisation_id, text=text, kind="soft")
    relais, another = sorted(wrong(traffic.unknown_errors()), key=lambda symptom: "Another" in symptom.text)
    assert ("SR A" in relais.text, "SR B" in relais.text) == (True, False)
    assert "Nobody of Another" in another.text
    assert "SR B" in another.text


def test_rows_from_the_future_tell_of_a_clock(north: Connection) -> None:
    message(north.organisation_id)
    assert not wrong(traffic.future_times(NOW_MS + 10))
    assert "from now" in one(traffic.future_times(NOW_MS - 3_600_000)).text


# -- providers by HTTP ------------------------------------------------------------------------------------------------


def test_a_client_certificate_that_ends_soon_is_mentioned(organisation: Organisation, tmp_path: Path) -> None:
    certificate, key = issue("relais", days=9).write(tmp_path, "ours")
    values = {
        "url": "https://api.example.org/messages",
        "client_certificate": Path(certificate).read_text(),
        "client_key": Path(key).read_text(),
    }
    connections.create_connection(organisation.pk, "Custom", "custom", values, NOW_MS)
    texts = [symptom.text for symptom in wrong(set_up.connections())]
    assert [text for text in texts if "client certificate expires in 9 days" in text]
    assert not [text for text in texts if "PRIVATE KEY" in text]


def test_providers_that_cannot_reach_us_are_mentioned(organisation: Organisation) -> None:
    connections.create_connection(organisation.pk, "Custom", "custom", {"url": "https://api.example.org/"}, NOW_MS)
    symptom = one(set_up.connections())
    assert "not told where to report" in symptom.text
    assert "CHAPPE_PUBLIC_URL" in symptom.fix
