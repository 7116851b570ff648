"""`chappe status` and `chappe timeline`: what is, and why."""

import os

import pytest
from tests.cli.shell import Shell
from tests.row import NOW_MS, event, link, message, segment

from chappe.engine.vault import Vault, connection_place
from chappe.features.accounts import services as accounts
from chappe.features.accounts.models import Organisation
from chappe.features.clock import now_ms
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection
from chappe.features.contacts.services import create_list
from chappe.features.deliveries.models import Delivery
from chappe.features.messages.models import DeliveryCount, Outbox
from chappe.messaging import DeliveryState

VALUES = {"host": "smsc.example.org", "account": "relais"}


@pytest.fixture
def north(organisation: Organisation) -> Connection:
    return connections.create_connection(organisation.pk, "North", "smpp", VALUES, NOW_MS)


def test_without_a_connection_there_is_little_to_say(shell: Shell) -> None:
    result = shell.done("status")
    assert "There is no connection yet" in result.out
    assert "Nothing waits." in result.out


def test_a_link_shows_its_window_its_speed_and_its_round_trip(shell: Shell, north: Connection) -> None:
    link(
        north.pk,
        "bound",
        changed_ms=now_ms(),
        since_ms=now_ms() - 7_200_000,
        window=50,
        in_flight=12,
        sent_per_s=98.5,
        limit_per_s=100,
        round_trip_p50_ms=31.5,
        round_trip_p99_ms=44,
    )
    words = shell.done("status").out
    for part in ("North (Relais)", "1 transceiver", "bound", "2 h", "12/50", "98.5 of 100", "31.5/44 ms"):
        assert part in words


def test_what_limits_the_speed_is_told_in_words(shell: Shell, north: Connection) -> None:
    link(north.pk, "bound", changed_ms=now_ms(), window=50, in_flight=50, sent_per_s=480, round_trip_p50_ms=100)
    row = {"connection_id": north.pk, "due_ms": now_ms(), "first_id": 1, "last_id": 900}
    Outbox.objects.create(pk=1, **row)
    assert "The window is full: with 50 messages at a time and answers after 100 ms" in " ".join(
        shell.done("status").out.split()
    )
    (speed,) = shell.done("status", "--json").json["speed"]
    assert (speed["connection"], speed["limited_by"], speed["sent_per_s"]) == ("North", "window", 480.0)


def test_a_link_that_is_down_says_why(shell: Shell, north: Connection) -> None:
    link(north.pk, "down", changed_ms=now_ms(), reason="the provider refused the log-in: wrong password")
    assert "wrong password" in shell.done("status").out


def states(shell: Shell) -> list[tuple[str, str, str]]:
    return [(one["link"], one["state"], one["reason"]) for one in shell.done("status", "--json").json["links"]]


def test_connections_without_links_say_why(shell: Shell, north: Connection) -> None:
    ((_, state, reason),) = states(shell)
    assert state == "no engine"
    assert reason.startswith("no engine shows a link for it: start one by `chappe up`; if one runs, look for")
    assert "no engine shows a link for it" in shell.done("status").out
    shell.done("connection", "disable", "North")
    assert states(shell) == [("", "off", "switched off")]


def test_a_link_whose_engine_is_gone_is_not_bound_any_more(shell: Shell, north: Connection) -> None:
    link(north.pk, "bound", changed_ms=NOW_MS, window=50, in_flight=12, sent_per_s=98.5)
    silent, nobody = states(shell)
    assert silent[:2] == ("1 transceiver", "silent")
    assert silent[2].startswith("not seen since 2026-01-01 00:00:00 UTC, when it was bound")
    assert nobody[1] == "no engine"
    assert "12/50" not in shell.done("status").out


def test_one_of_two_engines_that_is_gone_shows(shell: Shell, north: Connection) -> None:
    link(north.pk, "bound", changed_ms=now_ms())
    link(north.pk, "bound", changed_ms=NOW_MS, slot=1, owner="engine-2")
    assert [state for _, state, _ in states(shell)] == ["bound", "silent"]


def test_what_a_slot_was_before_its_mode_changed_is_not_shown(shell: Shell, north: Connection) -> None:
    link(north.pk, "bound", changed_ms=NOW_MS)
    for role in ("transmitter", "receiver"):
        link(north.pk, "bound", changed_ms=now_ms(), role=role)
    assert [(name, state) for name, state, _ in states(shell)] == [("1 receiver", "bound"), ("1 transmitter", "bound")]


def test_a_connection_that_the_running_engine_does_not_serve_says_where_to_look(
    shell: Shell, north: Connection
) -> None:
    south = connections.create_connection(north.organisation_id, "South", "smpp", VALUES, NOW_MS)
    link(south.pk, "bound", changed_ms=now_ms())
    reason = next(reason for _, state, reason in states(shell) if state == "no engine")
    assert "connection.unusable in the log of the engine" in reason
    assert "`chappe doctor`" in reason


def test_a_connection_whose_key_is_missing_says_so_with_an_engine_and_without(shell: Shell, north: Connection) -> None:
    place = connection_place(north.organisation_id, north.pk)
    Connection.objects.update(secrets=Vault([os.urandom(32)]).encrypt({"password": "s3cret"}, place))
    ((_, state, reason),) = states(shell)
    assert state == "no engine"
    assert "its secrets cannot be read: the key" in reason
    assert f"`chappe connection change {north.pk} --new-password`" in reason
    link(north.pk, "bound", changed_ms=now_ms())
    assert [state for _, state, _ in states(shell)] == ["bound", "unusable"]


def test_what_waits_says_why(shell: Shell, north: Connection) -> None:
    shell.done("send", "--to", "+33612345678", "--to", "+33612345679", "--text", "Hello")
    (waiting,) = shell.done("status", "--json").json["waiting"]
    assert (waiting["connection"], waiting["messages"], waiting["held"]) == ("North", 2, 0)
    assert waiting["why"] == ["No engine serves the connection North."]
    assert "No engine serves the connection North." in shell.done("status").out


def test_running_deliveries_say_how_far_they_are(shell: Shell, north: Connection) -> None:
    people = create_list(north.organisation_id, "Customers", NOW_MS)
    delivery = Delivery.objects.create(
        organisation_id=north.organisation_id,
        label="June",
        contact_list=people,
        connection=north,
        body="Hello",
        status="sending",
        audience=10,
    )
    for state, messages in ((DeliveryState.SENT, 3), (DeliveryState.DELIVERED, 4), (DeliveryState.FAILED, 1)):
        DeliveryCount.objects.create(delivery_id=delivery.pk, state=state, messages=messages)
    words = shell.done("status").out
    assert "June" in words
    assert "5 of 10" in words


def test_one_organisation_may_be_looked_at_alone(shell: Shell, north: Connection) -> None:
    other = accounts.create_organisation("Another", NOW_MS)
    connections.create_connection(other.pk, "South", "smpp", VALUES, NOW_MS)
    assert "South" in shell.done("status").out
    assert "South" not in shell.done("status", "--organisation", "Relais").out
    assert shell("status", "--organisation", "Nobody").code == 1


def test_the_life_of_a_message_is_told(shell: Shell, north: Connection) -> None:
    message(north.organisation_id, 7, state=DeliveryState.DELIVERED, connection_id=north.pk, done_ms=NOW_MS + 900)
    segment(7, provider_message_id="4711", status="DELIVRD", done_ms=NOW_MS + 800)
    event(7, "deferred", "The provider was full.")
    words = shell.done("timeline", 7).out
    for part in ("Message 7 to +33612345678: delivered", "2026-01-01 00:00:00", "4711", "The provider was full."):
        assert part in words
    assert "Your parcel" not in words
    assert shell.done("timeline", 7, "--json").json["state"] == "delivered"


def test_a_message_that_waits_says_why_now(shell: Shell, north: Connection) -> None:
    message(north.organisation_id, 7, connection_id=north.pk)
    assert "No engine serves the connection North." in shell.done("timeline", 7).out


def test_a_message_that_does_not_exist_is_said(shell: Shell) -> None:
    result = shell("timeline", 7)
    assert result.code == 1
    assert "There is no message 7." in result.err
    assert shell("timeline", 10**30).code == 1
