"""`chappe check` against the bundled SMSC."""

from collections.abc import Iterator

import pytest
from tests.cli.shell import Shell
from tests.row import NOW_MS, link

from chappe.engine.net import trial
from chappe.features.accounts.models import Organisation
from chappe.features.clock import now_ms
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection, LinkLease
from chappe.simulator import Quirks, SimulatorProcess
from chappe.simulator.quirks import ReceiptsFor


@pytest.fixture(scope="module")
def smsc() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(Quirks(accounts={"relais": "s3cret"}, id_start=4242, receipt_delay_ms=20)) as process:
        yield process


@pytest.fixture
def north(organisation: Organisation, smsc: SimulatorProcess) -> Connection:
    values = {"host": "127.0.0.1", "port": smsc.port, "account": "relais", "allowed_networks": "127.0.0.1"}
    return connections.create_connection(organisation.pk, "North", "smpp", values | {"password": "s3cret"}, NOW_MS)


def test_a_good_connection_ends_well(shell: Shell, north: Connection) -> None:
    result = shell.done("check", "North", "--to", "+33612345678", "--text", "Hello there")
    assert "✓ Logged in as relais" in result.out
    assert "DELIVRD" in result.out
    assert "Hello there" not in result.out + result.err


def test_a_wrong_password_ends_badly(shell: Shell, north: Connection) -> None:
    change = connections.Change(settings={"password": "another"})
    connections.change_connection(north.organisation_id, north.pk, change, NOW_MS)
    result = shell("check", "North", "--json")
    assert result.code == 1
    assert result.json[-1]["level"] == "error"
    assert "wrong password" in result.json[-1]["text"]


def test_the_trace_shows_neither_password_nor_text(shell: Shell, north: Connection) -> None:
    result = shell.done("check", "--trace", "--to", "+33612345678", "--text", "Hello there")
    assert "out bind_transceiver" in result.err
    assert "s3cret" not in result.err
    assert "Hello there" not in result.err


def test_links_that_an_engine_holds_are_mentioned(shell: Shell, north: Connection) -> None:
    link(north.pk, "bound", changed_ms=now_ms())
    assert "An engine holds 1 link with this login" in shell.done("check").err


@pytest.mark.parametrize(
    ("until_ms", "words"),
    [
        (
            2**62,
            "An engine that runs holds 1 link of this connection, and the provider may have sent the receipt there",
        ),
        (NOW_MS, "No engine holds a link of this connection."),
    ],
)
def test_a_receipt_that_does_not_come_says_whether_an_engine_may_have_it(
    shell: Shell, organisation: Organisation, monkeypatch: pytest.MonkeyPatch, until_ms: int, words: str
) -> None:
    monkeypatch.setattr(trial, "RECEIPT_S", 0.2)
    with SimulatorProcess(Quirks(receipts=ReceiptsFor.NONE)) as smsc:
        values = {"host": "127.0.0.1", "port": smsc.port, "account": "relais", "allowed_networks": "127.0.0.1"}
        south = connections.create_connection(organisation.pk, "South", "smpp", values, NOW_MS)
        LinkLease.objects.create(connection_id=south.pk, slot=0, owner="engine-1", until_ms=until_ms)
        assert words in shell.done("check", "South", "--to", "+33612345678").out
        verified = connections.verify_connection(south, test_number="+33612345678").findings
        assert any(words in finding.text for finding in verified)


def test_secrets_that_cannot_be_opened_are_said(shell: Shell, north: Connection) -> None:
    Connection.objects.update(secrets=b"\1" * 100)
    result = shell("check")
    assert result.code == 1
    assert "Write them again" in result.err


def test_the_service_finds_what_the_command_finds(database: str, north: Connection) -> None:
    findings = connections.verify_connection(north).findings
    assert {finding.level for finding in findings} == {"ok"}
