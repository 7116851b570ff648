"""Idempotency-Key: the same request with the same key is taken once, and answered the same each time."""

import json
from typing import Any

import pytest
from tests.row import connection
from tests.web.caller import Caller
from tests.web.desk import MANY, ONE, Desk, lined

from chappe.features.connections.models import Connection
from chappe.features.consent.models import Quarantine
from chappe.features.messages.models import Idempotency, Message
from chappe.messaging import DeliveryState

GOOD: dict[str, Any] = {"to": "+33612345678", "text": "Bonjour"}
REPLAYED = "idempotent-replayed"


def test_the_same_request_again_is_answered_the_same_and_stored_once(desk: Desk, north: Connection) -> None:
    first, second = (desk.post(GOOD, idempotency_key="order 7") for _ in range(2))
    assert (first.status, second.status) == (202, 202)
    assert first.text == second.text
    assert (REPLAYED in first.headers, second.headers[REPLAYED]) == (False, "true")
    assert Message.objects.count() == 1


def test_the_answer_stays_the_same_whatever_became_of_the_message(desk: Desk, north: Connection) -> None:
    first = desk.post(GOOD, idempotency_key="a")
    row = Message.objects.get()
    for state, reason in ((DeliveryState.FAILED, "unknown"), (DeliveryState.EXCLUDED, "denylisted")):
        Message.objects.update(state=state, reason=reason, done_ms=row.created_ms + 9)
        assert desk.post(GOOD, idempotency_key="a").text == first.text
    Message.objects.all().delete()
    assert desk.post(GOOD, idempotency_key="a").text == first.text


def test_an_exclusion_is_answered_again_with_its_reason(desk: Desk, north: Connection) -> None:
    Quarantine.objects.create(organisation_id=north.organisation_id, address="+33612345678", status="quarantine")
    lines = lined([GOOD, GOOD | {"to": "+33612345679", "text": "x" * 200}])
    first, second = (desk.post(lines, MANY, idempotency_key="b") for _ in range(2))
    assert [line["state"] for line in first.lines] == ["excluded", "waiting"]
    assert first.text == second.text
    assert Message.objects.count() == 2


def test_the_same_request_twice_at_the_same_time_is_one(desk: Desk, north: Connection) -> None:
    replies = desk.together(*(desk.ask(GOOD, idempotency_key="c") for _ in range(5)), desk.ask(GOOD))
    assert [reply.status for reply in replies] == [202] * 6
    assert len({reply.text for reply in replies[:5]}) == 1
    assert sum(REPLAYED in reply.headers for reply in replies) == 4
    assert Message.objects.count() == 2


def test_the_same_request_to_two_processes_at_the_same_time_is_one(
    desk: Desk, north: Connection, database: str
) -> None:
    other = Desk(database, desk.key)
    try:
        for round_ in range(15):
            key = f"round {round_}"
            asked = [one.ask(GOOD, idempotency_key=key) for one in (desk, other) for _ in range(3)]
            bystanders = [one.ask(GOOD | {"to": f"+3361234{round_:04d}"}) for one in (desk, other)]
            replies = desk.together(*asked, *bystanders)
            assert [reply.status for reply in replies] == [202] * 8
            assert len({reply.text for reply in replies[:6]}) == 1
    finally:
        other.close()
    assert Message.objects.count() == 15 * 3


def test_a_key_used_for_another_body_is_refused(desk: Desk, north: Connection) -> None:
    assert desk.post(GOOD, idempotency_key="d").status == 202
    for other in (GOOD | {"text": "Bonsoir"}, json.dumps(GOOD).encode() + b" "):
        reply = desk.post(other, idempotency_key="d")
        assert (reply.status, reply.type) == (422, "application/problem+json")
        assert "Idempotency-Key" in reply.json["detail"]
    assert desk.post(GOOD, MANY, idempotency_key="d").status == 422
    assert Message.objects.count() == 1


def test_a_key_used_for_two_bodies_at_the_same_time_takes_one_of_them(desk: Desk, north: Connection) -> None:
    texts = [GOOD | {"text": f"{number}"} for number in range(4)]
    replies = desk.together(*(desk.ask(one, idempotency_key="e") for one in texts))
    assert sorted(reply.status for reply in replies) == [202, 422, 422, 422]
    assert Message.objects.count() == 1


def test_a_key_is_known_after_a_restart(desk: Desk, north: Connection, database: str) -> None:
    first = desk.post(GOOD, idempotency_key="f")
    other = Desk(database, desk.key)
    try:
        second = other.post(GOOD, idempotency_key="f")
    finally:
        other.close()
    assert (second.status, second.text) == (202, first.text)
    assert Message.objects.count() == 1


def test_the_same_key_of_another_organisation_is_another_key(desk: Desk, north: Connection, stranger: Caller) -> None:
    connection(stranger.organisation.pk, settings=north.settings)
    first = desk.post(GOOD, idempotency_key="g")
    desk.key, ours = stranger.secret, desk.key
    second = desk.post(GOOD, idempotency_key="g")
    assert first.json["id"] != second.json["id"]
    assert REPLAYED not in second.headers
    replies = desk.together(
        desk.ask(GOOD, idempotency_key="h"), desk.ask(GOOD, idempotency_key="h", authorization=f"Bearer {ours}")
    )
    assert replies[0].json["id"] != replies[1].json["id"]


def test_what_was_refused_may_be_put_right_under_the_same_key(desk: Desk, north: Connection) -> None:
    assert desk.post(GOOD | {"to": "12"}, idempotency_key="i").status == 422
    assert desk.post(GOOD, idempotency_key="i").status == 202


def test_what_was_taken_is_answered_again_although_it_could_not_be_taken_now(
    desk: Desk, north: Connection, database: str
) -> None:
    first = desk.post(GOOD, idempotency_key="j")
    Connection.objects.update(is_enabled=False, version=2)
    other = Desk(database, desk.key)
    try:
        again = other.post(GOOD, idempotency_key="j")
        assert (again.status, again.text, again.headers[REPLAYED]) == (202, first.text, "true")
        assert other.post(GOOD | {"text": "Bonsoir"}, idempotency_key="j").status == 422
        assert other.post(GOOD, idempotency_key="new").status == 422
    finally:
        other.close()


def test_the_answer_stays_the_same_whatever_became_of_the_connection(
    desk: Desk, north: Connection, database: str
) -> None:
    Quarantine.objects.create(organisation_id=north.organisation_id, address="+33612345678", status="denylisted")
    texts = ["gsm", "gsm", "x" * 161, "漢", "gsm"]
    lines = lined([*({"to": "+33612345679", "text": text} for text in texts), GOOD])
    first = desk.batch([GOOD | {"to": "+33612345679"}], idempotency_key="one")
    many = desk.post(lines, MANY, idempotency_key="many")
    assert [line["encoding"] for line in many.lines] == ["gsm", "gsm", "gsm", "ucs2", "gsm", "gsm"]
    assert [line["segments"] for line in many.lines] == [1, 1, 2, 1, 1, 1]
    ucs2 = north.settings | {"encodings": [{"encoding": "ucs2", "data_coding": 8}]}
    for version, change in enumerate(({"settings": ucs2}, {"is_enabled": False}), 2):
        Connection.objects.update(version=version, **change)
        other = Desk(database, desk.key)
        try:
            assert other.batch([GOOD | {"to": "+33612345679"}], idempotency_key="one").text == first.text
            assert other.post(lines, MANY, idempotency_key="many").text == many.text
        finally:
            other.close()
    Message.objects.all().delete()
    assert desk.post(lines, MANY, idempotency_key="many").text == many.text


def test_an_answer_from_before_answers_were_kept_is_told_from_the_messages(
    desk: Desk, north: Connection, database: str
) -> None:
    first = desk.post(GOOD, idempotency_key="a")
    Idempotency.objects.update(answers=None)
    assert desk.post(GOOD, idempotency_key="a").text == first.text
    Connection.objects.update(is_enabled=False, version=2)
    other = Desk(database, desk.key)
    try:
        without_encoding = {name: value for name, value in first.json.items() if name != "encoding"}
        assert other.post(GOOD, idempotency_key="a").json == without_encoding
    finally:
        other.close()


def test_quotes_around_a_key_are_not_part_of_it(desk: Desk, north: Connection) -> None:
    assert desk.post(GOOD, idempotency_key='"k"').text == desk.post(GOOD, idempotency_key="k").text
    assert Idempotency.objects.get().key == "k"


@pytest.mark.parametrize("path", [ONE, MANY])
@pytest.mark.parametrize("key", ["", " ", '""', "x" * 256, "é", "a\x00b", 'a"b', "\x7f"])
def test_a_key_that_is_none_is_refused_rather_than_forgotten(
    desk: Desk, north: Connection, path: str, key: str
) -> None:
    reply = desk.post(GOOD, path, idempotency_key=key)
    assert (reply.status, list(reply.fields)) == (422, ["Idempotency-Key"])
    assert not Message.objects.exists()


def test_the_longest_key_is_taken(desk: Desk, north: Connection) -> None:
    assert desk.post(GOOD, idempotency_key="x" * 255).status == 202
