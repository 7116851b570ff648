"""Whose messages another Chappe may hand over, how, and what is said of those that cannot be taken; and to many processes."""

import gzip
import threading
import zlib
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Any

import pytest
from tests.row import connection
from tests.web.caller import Caller
from tests.web.desk import MANY, Desk, Reply, lined
from tests.web.relay_operator import Marketing, basic, marketing

from chappe.engine.store.relay_catalogue import relayed
from chappe.engine.store.store import unpack_ids
from chappe.features.accounts import services
from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection
from chappe.features.messages.models import DeliveryCount, Message, Outbox
from chappe.features.relay.models import RelayDelivery, Relayed
from chappe.messaging import DeliveryState

PHONE = "+33612345678"


@pytest.fixture
def sms(organisation: Organisation, north: Connection) -> Marketing:
    """The operator of the account that is called crm on its side."""
    north.internal_name = "sms_crm"
    north.save()
    return marketing(organisation)


def given(number: int, **values: object) -> dict[str, object]:
    return {"to": PHONE, "text": "Bonjour", "relay_id": number, **values}


def send(desk: Desk, sms: Marketing, lines: Sequence[object], account: str = "crm", **headers: str) -> Reply:
    return desk.post(lined(lines), f"{MANY}?account={account}", **{"authorization": sms.by_key, **headers})


# -- who may ---------------------------------------------------------------------------------------------------------


def test_only_an_operator_with_the_right_hands_over(
    desk: Desk, sms: Marketing, organisation: Organisation, caller: Caller
) -> None:
    weak = marketing(organisation, "weak", ["send", "read", "manage"])
    connection(organisation.pk, "Of the weak", internal_name="weak_crm")
    for authorization in (f"Bearer {caller.secret}", weak.by_key):
        assert send(desk, sms, [given(1)], authorization=authorization).status == 403
    assert send(desk, sms, [given(1)], authorization=basic("sms", "wrong")).status == 401
    assert not Message.objects.exists()
    for number, authorization in enumerate((sms.by_key, sms.by_password, sms.by_key_alone), 1):
        assert send(desk, sms, [given(number)], authorization=authorization).status == 202


def test_an_operator_hands_over_for_its_own_accounts_alone(
    desk: Desk, sms: Marketing, organisation: Organisation
) -> None:
    marketing(organisation, "other")
    connection(organisation.pk, "Of another", internal_name="other_crm")
    stranger = services.create_organisation("Another", 1)
    theirs = marketing(stranger, "theirs")
    connection(stranger.pk, "Theirs", internal_name="sms_theirs")
    for who, account in ((sms, "other_crm"), (sms, "../crm"), (sms, "theirs"), (theirs, "crm"), (sms, "CRM ")):
        assert send(desk, sms, [given(1)], account, authorization=who.by_key).status == 404, account
    assert not Message.objects.exists()


def test_a_wrong_name_is_answered_with_what_is_looked_for_and_what_there_is(desk: Desk, sms: Marketing) -> None:
    reply = send(desk, sms, [given(1)], "crn")
    assert reply.status == 404
    assert "internal name sms_crn" in reply.json["detail"]
    assert "There is sms_crm." in reply.json["detail"]


def test_an_account_that_is_switched_off_takes_nothing(desk: Desk, sms: Marketing, north: Connection) -> None:
    Connection.objects.filter(pk=north.pk).update(is_enabled=False)
    reply = send(desk, sms, [given(1)])
    assert (reply.status, Message.objects.count()) == (404, 0)
    assert "switched on" in reply.json["detail"]


def test_the_connection_that_a_line_names_is_not_asked_for(
    desk: Desk, sms: Marketing, organisation: Organisation, north: Connection
) -> None:
    other = connection(organisation.pk, "South", settings={"host": "smsc.example.org", "account": "relais"})
    assert send(desk, sms, [given(1, connection_id=other.pk)]).status == 202
    assert Message.objects.get().connection_id == north.pk


# -- compressed ------------------------------------------------------------------------------------------------------


def test_lines_may_come_as_gzip_and_as_they_are(desk: Desk, sms: Marketing) -> None:
    body = gzip.compress(lined([given(1), given(2)]))
    reply = desk.post(body, f"{MANY}?account=crm", authorization=sms.by_key, content_encoding="gzip")
    assert (reply.status, len(reply.lines)) == (202, 2)
    again = send(desk, sms, [given(1), given(2)])
    assert again.lines == reply.lines


@pytest.mark.parametrize(
    "body",
    [
        b"no gzip",
        gzip.compress(lined([given(1)]))[:-4],
        gzip.compress(lined([given(1)])) + b"more",
        zlib.compress(lined([given(1)])),
        gzip.compress(b" " * (96 << 20)),
    ],
    ids=["no gzip", "cut", "more after it", "zlib", "a bomb"],
)
def test_what_cannot_be_unpacked_is_refused(desk: Desk, sms: Marketing, body: bytes) -> None:
    reply = desk.post(body, f"{MANY}?account=crm", authorization=sms.by_key, content_encoding="gzip")
    assert reply.status in (400, 413)
    assert reply.type == "application/problem+json"
    assert not Message.objects.exists()


# -- lines -----------------------------------------------------------------------------------------------------------


def test_wrong_lines_are_named_and_nothing_of_the_bundle_is_taken(desk: Desk, sms: Marketing) -> None:
    lines: list[dict[str, object]] = [
        given(1),
        {"to": PHONE, "text": "without a number"},
        given(1),
        given(3, to="nobody"),
        given(4, options={"maximum_segments": 1}, text="x" * 400),
        given(5),
    ]
    reply = send(desk, sms, lines)
    assert reply.status == 422
    assert {field.partition(":")[0] for field in reply.fields} == {"line 2", "line 3", "line 4", "line 5"}
    assert "a line before" in reply.fields["line 3: relay_id"]
    assert not Message.objects.exists()
    assert not Relayed.objects.exists()
    assert [send(desk, sms, [given(1), given(5)]).status] == [202]


@pytest.mark.parametrize("number", [0, -1, 1 << 40, "7", 1.5])
def test_a_number_that_none_can_have_is_refused(desk: Desk, sms: Marketing, number: Any) -> None:
    for values in ({"relay_id": number}, {"relay_delivery": number} if number else {"relay_id": number}):
        assert send(desk, sms, [given(1, **values)]).status == 422
    assert not Message.objects.exists()


def test_who_names_no_account_sends_as_everybody_does_and_each_time_anew(
    desk: Desk, organisation: Organisation, sms: Marketing
) -> None:
    own = marketing(organisation, "both", ["administration", "send"])
    replies = [desk.batch([{"to": PHONE, "text": "x"}], authorization=own.by_key) for _ in range(2)]
    assert [reply.status for reply in replies] == [202, 202]
    assert Message.objects.count() == 2
    assert not Relayed.objects.exists()


# -- stored ----------------------------------------------------------------------------------------------------------


def test_messages_are_stored_under_what_their_delivery_is_called_here(
    desk: Desk, sms: Marketing, north: Connection, organisation: Organisation
) -> None:
    reply = send(desk, sms, [given(1, relay_delivery=17, category="marketing", validity_s=60), given(2)])
    first, second = (Message.objects.get(pk=line["id"]) for line in reply.lines)
    assert (first.delivery_id, second.delivery_id) == (relayed(north.pk, 17), relayed(north.pk, 0))
    assert first.expires_ms - first.due_ms == 60_000
    assert {row.pk: row.status for row in RelayDelivery.objects.all()} == {
        first.delivery_id: "sending",
        second.delivery_id: "sending",
    }
    counted = {row.delivery_id: (row.state, row.messages) for row in DeliveryCount.objects.all()}
    assert counted[first.delivery_id] == (DeliveryState.WAITING, 1)


@pytest.mark.parametrize(("status", "is_held"), [("paused", True), ("sending", False)])
def test_what_comes_for_a_delivery_that_is_paused_waits(
    desk: Desk, sms: Marketing, north: Connection, organisation: Organisation, status: str, is_held: bool
) -> None:
    RelayDelivery.objects.create(pk=relayed(north.pk, 17), organisation_id=organisation.pk, status=status)
    assert send(desk, sms, [given(1, relay_delivery=17)]).status == 202
    assert Outbox.objects.get().is_held is is_held


def test_two_accounts_have_numbers_of_their_own(desk: Desk, sms: Marketing, organisation: Organisation) -> None:
    crm = marketing(organisation, "crm")
    settings = {"host": "smsc.example.org", "account": "relais"}
    connection(organisation.pk, "South", internal_name="crm_crm", settings=settings)
    first, second = (send(desk, who, [given(7)]) for who in (sms, crm))
    assert (first.status, second.status) == (202, 202)
    assert first.lines[0]["id"] != second.lines[0]["id"]


def test_numbers_are_known_after_a_restart(database: str, desk: Desk, sms: Marketing) -> None:
    first = send(desk, sms, [given(7), given(8)])
    with closing(Desk(database)) as anew:
        again = send(anew, sms, [given(8), given(7), given(9)])
    assert [line["id"] for line in again.lines[:2]] == [line["id"] for line in reversed(first.lines)]
    assert Message.objects.count() == 3


def test_two_processes_that_get_the_same_at_once_take_it_once(database: str, sms: Marketing) -> None:
    """As when a bundle was not answered in time, and goes to another process meanwhile."""
    lines = [given(number, relay_delivery=number % 3) for number in range(1, 301)]
    replies: list[Reply] = []
    barrier = threading.Barrier(4)

    def hand_over(desk: Desk, own: Sequence[object]) -> None:
        barrier.wait(20)
        replies.append(send(desk, sms, own))

    with ExitStack() as stack:
        desks = [stack.enter_context(closing(Desk(database))) for _ in range(4)]
        parts = (lines, lines[100:], lines[::-1], lines[:200])
        hands = [threading.Thread(target=hand_over, args=pair) for pair in zip(desks, parts, strict=True)]
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join(60)
    assert [reply.status for reply in replies] == [202] * 4
    assert Message.objects.count() == Relayed.objects.count() == 300
    waiting = [message_id for row in Outbox.objects.all() for message_id in ids_of(row)]
    assert sorted(waiting) == sorted(Message.objects.values_list("pk", flat=True))
    counted = Counter(Message.objects.values_list("delivery_id", flat=True))
    assert {row.delivery_id: row.messages for row in DeliveryCount.objects.all()} == counted


def ids_of(row: Outbox) -> Sequence[int]:
    return unpack_ids(bytes(row.ids)) if row.ids else range(row.first_id, row.last_id + 1)
