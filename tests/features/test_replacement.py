"""A connection replaced by another, and the one that is used where none is named."""

import pytest
from tests import row
from tests.features.stage import Stage
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.clock import now_ms
from chappe.features.connections import services
from chappe.features.connections.models import Connection
from chappe.features.connections.replacement import replace_connection
from chappe.features.connections.services import Change
from chappe.features.jobs import services as jobs
from chappe.features.jobs.models import Job
from chappe.features.messages.models import Message, Outbox
from chappe.features.refusal import Conflict
from chappe.features.relay.models import RelayAccount
from chappe.messaging import Channel, DeliveryState

TWILIO = {"account_sid": "AC" + "1" * 32, "auth_token": "2" * 32, "sender": "+15005550006"}
ESP = {"url": "https://esp.example.org/send"}
SMSC = {"host": "smsc.example.org", "account": "relais"}


def twilio(organisation_id: int, name: str = "Twilio", **values: bool) -> Connection:
    return services.create_connection(organisation_id, name, "twilio", TWILIO, NOW_MS, **values)


def outbox(connection_id: int, first: int, last: int, **values: object) -> Outbox:
    return Outbox.objects.create(
        pk=first, connection_id=connection_id, first_id=first, last_id=last, due_ms=NOW_MS, **values
    )


def test_what_waits_goes_over_to_the_new_connection_and_what_was_sent_does_not(organisation: Organisation) -> None:
    old = twilio(organisation.pk)
    for number in (1, 2, 3):
        row.message(organisation.pk, number, connection_id=old.pk)
    row.segment(1, connection_id=old.pk)
    outbox(old.pk, 1, 3)
    made = replace_connection(organisation.pk, old.pk, {}, NOW_MS)
    assert list(Message.objects.order_by("pk").values_list("connection_id", flat=True)) == [old.pk, made.pk, made.pk]
    assert Outbox.objects.get().connection_id == made.pk


def test_what_an_engine_still_holds_goes_over_when_it_is_given_back(organisation: Organisation) -> None:
    old = twilio(organisation.pk)
    row.message(organisation.pk, 1, connection_id=old.pk)
    held = outbox(old.pk, 1, 1, lease_token=7, lease_until_ms=now_ms() + 60_000)
    made = replace_connection(organisation.pk, old.pk, {}, NOW_MS)
    jobs.run_until_empty()
    assert Outbox.objects.get().connection_id == old.pk
    Outbox.objects.filter(pk=held.pk).update(lease_until_ms=0)
    Job.objects.update(due_ms=0)
    jobs.run_until_empty()
    assert Outbox.objects.get().connection_id == made.pk
    assert Job.objects.get().status == "finished"


def test_a_delivery_that_is_not_over_goes_on_through_the_new_connection(database: str) -> None:
    stage = Stage()
    stage.person("+33612345678")
    delivery = stage.analysed()
    made = replace_connection(stage.organisation, stage.connection.pk, {}, NOW_MS)
    delivery.refresh_from_db()
    assert delivery.connection_id == made.pk
    assert Outbox.objects.get().connection_id == Message.objects.get().connection_id == made.pk


def test_nothing_is_replaced_under_an_analysis(database: str) -> None:
    stage = Stage()
    stage.reset(stage.draft(), status="analysing")
    with pytest.raises(Conflict, match="analysed"):
        replace_connection(stage.organisation, stage.connection.pk, {}, NOW_MS)
    assert services.connections_of(stage.organisation).get() == stage.connection


def test_whoever_names_the_old_connection_means_the_one_in_its_place(organisation: Organisation) -> None:
    old = twilio(organisation.pk)
    second = replace_connection(organisation.pk, old.pk, {}, NOW_MS)
    third = replace_connection(organisation.pk, second.pk, {}, NOW_MS, name="Third")
    assert services.connection_to_use(organisation.pk, old.pk) == third
    assert services.find_connection(organisation.pk, old.pk).name == f"Twilio (replaced {old.pk})"


def test_deleting_the_new_connection_brings_the_old_one_back_into_the_list(organisation: Organisation) -> None:
    old = twilio(organisation.pk)
    made = replace_connection(organisation.pk, old.pk, {}, NOW_MS)
    services.delete_connection(organisation.pk, made.pk)
    assert [one.is_enabled for one in services.connections_of(organisation.pk)] == [False]


def test_a_vendor_connection_keeps_its_settings_and_the_others_change_theirs(organisation: Organisation) -> None:
    made = twilio(organisation.pk)
    with pytest.raises(Conflict, match="replace it"):
        services.change_connection(organisation.pk, made.pk, Change(settings={"auth_token": "3" * 32}), NOW_MS)
    custom = {"url": "https://api.example.org/send"}
    other = services.create_connection(organisation.pk, "Custom", "custom", custom, NOW_MS)
    changed = services.change_connection(organisation.pk, other.pk, Change(settings={"max_per_s": 5}), NOW_MS)
    assert changed.settings["max_per_s"] == 5


def test_the_first_connection_of_the_channel_is_used(organisation: Organisation) -> None:
    email = services.create_connection(organisation.pk, "ESP", "esp", ESP, NOW_MS)
    north = services.create_connection(organisation.pk, "North", "smpp", SMSC, NOW_MS)
    south = services.create_connection(organisation.pk, "South", "smpp", SMSC, NOW_MS)
    assert services.default_connection(organisation.pk, Channel.EMAIL) == email
    assert services.default_connection(organisation.pk, Channel.SMS) == north
    services.change_connection(organisation.pk, north.pk, Change(position=2), NOW_MS)
    assert services.default_connection(organisation.pk, Channel.SMS) == south
    with pytest.raises(Conflict, match="rcs"):
        services.default_connection(organisation.pk, Channel.RCS)


def test_traffic_keeps_to_the_connection_of_before_until_a_new_one_is_set_up(organisation: Organisation) -> None:
    first = twilio(organisation.pk, "Off", is_enabled=False)
    broken = twilio(organisation.pk, "Without its token")
    Connection.objects.filter(pk=broken.pk).update(secrets=b"")
    smsc = services.create_connection(organisation.pk, "North", "smpp", SMSC, NOW_MS)
    assert services.default_connection(organisation.pk, Channel.SMS) == smsc
    services.change_connection(organisation.pk, first.pk, Change(is_enabled=True), NOW_MS)
    assert services.default_connection(organisation.pk, Channel.SMS) == first


def test_states_of_messages_are_not_touched_by_a_replacement(organisation: Organisation) -> None:
    old = twilio(organisation.pk)
    row.message(organisation.pk, 1, connection_id=old.pk, state=DeliveryState.FAILED)
    outbox(old.pk, 1, 1)
    replace_connection(organisation.pk, old.pk, {}, NOW_MS)
    assert (Message.objects.get().state, Message.objects.get().connection_id) == (DeliveryState.FAILED, old.pk)


def test_a_connection_that_another_installation_sends_through_is_not_replaced(organisation: Organisation) -> None:
    """What is on its way would be told of under a number that the other side does not know."""
    old = twilio(organisation.pk)
    RelayAccount.objects.create(connection_id=old.pk, organisation_id=organisation.pk, operator="shop")
    with pytest.raises(Conflict, match="Another installation sends through this connection"):
        replace_connection(organisation.pk, old.pk, {"auth_token": "3" * 32}, NOW_MS)
    assert Connection.objects.get().replaced_by == 0
