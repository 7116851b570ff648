"""`chappe send`: the intake's rules, the store's rows."""

import pytest
from tests.cli.shell import Shell
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection
from chappe.features.consent.models import Quarantine
from chappe.features.messages.models import Message, Outbox
from chappe.messaging import Category, DeliveryState

VALUES = {"host": "smsc.example.org", "account": "relais"}


@pytest.fixture
def north(organisation: Organisation) -> Connection:
    return connections.create_connection(organisation.pk, "North", "smpp", VALUES, NOW_MS)


def test_a_message_is_stored_and_waits_for_the_engine(shell: Shell, north: Connection) -> None:
    result = shell.done("send", "--to", "+33612345678", "--text", "Hello", "--sender", "Relais")
    row = Message.objects.get()
    assert (row.recipient, row.body, row.sender, row.state) == (
        "+33612345678",
        "Hello",
        "Relais",
        DeliveryState.WAITING,
    )
    assert (row.connection_id, row.organisation_id, row.category) == (
        north.pk,
        north.organisation_id,
        Category.TRANSACTIONAL,
    )
    assert Outbox.objects.get().connection_id == north.pk
    assert f"chappe timeline {row.pk}" in result.out


def test_several_numbers_get_a_message_each(shell: Shell, north: Connection) -> None:
    result = shell.done("send", "--to", "+33612345678", "--to", "+33 6 12 34 56 79", "--text", "Hello", "--json")
    assert [one["state"] for one in result.json] == ["waiting", "waiting"]
    assert set(Message.objects.values_list("recipient", flat=True)) == {"+33612345678", "+33612345679"}


def test_the_text_may_come_from_standard_input(shell: Shell, north: Connection) -> None:
    shell.done("send", "--to", "+33612345678", "--text", "-", stdin="Two\nlines\n")
    assert Message.objects.get().body == "Two\nlines"


def test_of_numbers_of_which_one_is_bad_none_is_sent_to(shell: Shell, north: Connection) -> None:
    result = shell("send", "--to", "+33612345678", "--to", "12", "--text", "Hello")
    assert result.code == 2
    assert "to: must be an international number" in result.err
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "field"), [(("--text", ""), "text"), (("--text", "Hello", "--sender", "x" * 30), "sender")]
)
def test_the_limits_of_the_intake_hold(shell: Shell, north: Connection, arguments: tuple[str, ...], field: str) -> None:
    result = shell("send", "--to", "+33612345678", *arguments)
    assert result.code == 2
    assert result.err.startswith(f"{field}: ")


def test_a_number_in_quarantine_is_not_sent_to(shell: Shell, north: Connection) -> None:
    Quarantine.objects.create(organisation_id=north.organisation_id, address="+33612345678", status="quarantine")
    result = shell("send", "--to", "+33612345678", "--text", "Hello", "--json")
    assert result.code == 1
    assert result.json[0]["state"] == "excluded"
    assert result.json[0]["reason"]


def test_a_connection_that_is_off_takes_nothing(shell: Shell, north: Connection) -> None:
    shell.done("connection", "disable", "North")
    result = shell("send", "--to", "+33612345678", "--text", "Hello")
    assert result.code == 2
    assert "there is no enabled connection" in result.err


def test_the_first_connection_is_used_where_none_is_named(shell: Shell, north: Connection) -> None:
    south = connections.create_connection(north.organisation_id, "South", "smpp", VALUES, NOW_MS)
    shell.done("send", "--to", "+33612345678", "--text", "Hello")
    shell.done("send", "--to", "+33612345678", "--text", "Hello", "--connection", "South", "--category", "marketing")
    sent = Message.objects.order_by("pk").values_list("connection_id", "category")
    assert list(sent) == [(north.pk, Category.TRANSACTIONAL), (south.pk, Category.MARKETING)]


def test_without_a_connection_the_command_that_makes_one_is_named(shell: Shell, organisation: Organisation) -> None:
    assert "chappe connection create NAME" in shell("send", "--to", "+33612345678", "--text", "Hello").err
