"""Messages that another Chappe hands over: each of its numbers is taken once, and stands for one message."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.engine.stock import NOW_MS, Stock
from tests.web.desk import MANY, Desk, Reply, lined
from tests.web.relay_operator import Marketing, marketing

from chappe.engine.net.http_client import MOST_ANSWER
from chappe.engine.store.relay_catalogue import INSERT_RELAYED, RELAYED_AMONG, RELAYED_IN_RANGE, relayed
from chappe.engine.store.statement import Query
from chappe.engine.store.store import Store, open_store
from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection
from chappe.features.messages.models import DeliveryCount, Message, Outbox
from chappe.features.relay.models import Relayed
from chappe.messaging import About, Channel, Deferred, Refused, SendOutcome
from chappe.providers.http import Account, HttpResponse
from chappe.providers.relay import packed, read_bundle
from chappe.web.intake import relay
from chappe.web.intake.app import MOST_LINES
from chappe.web.intake.request import MessageIn
from chappe.web.intake.submission import Checked, Submission

PHONE = "+33612345678"


@pytest.fixture
def stock(database: str) -> Iterator[Stock]:
    made = Stock(database)
    yield made
    made.close()


@pytest.fixture
def sms(organisation: Organisation, north: Connection) -> Marketing:
    """The operator of the account that is called crm on its side."""
    north.internal_name = "sms_crm"
    north.save()
    return marketing(organisation)


def given(number: int, text: str = "Bonjour", to: str = PHONE, **values: object) -> dict[str, object]:
    return {"to": to, "text": text, "relay_id": number, **values}


def bundle(desk: Desk, sms: Marketing, lines: Sequence[object]) -> Reply:
    body = packed(lined(lines))
    return desk.post(body, f"{MANY}?account=crm", authorization=sms.by_key, content_encoding="gzip")


def submission(*messages: MessageIn) -> Submission:
    target: Any = SimpleNamespace(id=1, organisation_id=1, way=SimpleNamespace(channel=Channel.SMS), identifier=None)
    checked = [Checked(one, target, one.to, NOW_MS, 1, "gsm") for one in messages]
    return Submission(1, [], lines=[relay.line_of(one, NOW_MS) for one in checked])


# -- taken once ------------------------------------------------------------------------------------------------------


def test_a_number_that_comes_again_is_the_same_message(desk: Desk, sms: Marketing) -> None:
    lines = [given(7, relay_delivery=3), given(8, "Bonsoir", relay_delivery=3)]
    first, again = bundle(desk, sms, lines), bundle(desk, sms, [*lines, given(9)])
    assert (first.status, again.status) == (202, 202)
    assert again.lines[:2] == first.lines
    assert Message.objects.count() == 3


def test_bundles_of_one_moment_share_what_both_bring(desk: Desk, sms: Marketing) -> None:
    desk.run(desk.committer.lookup())
    asked = [
        desk.ask(lined([given(number) for number in numbers]), f"{MANY}?account=crm", authorization=sms.by_key)
        for numbers in ((1, 2, 3), (2, 3, 4), (4, 1))
    ]
    replies = desk.together(*asked)
    assert [reply.status for reply in replies] == [202] * 3
    by_number = {one.pk & 0xFF: one.message_id for one in Relayed.objects.all()}
    assert [[line["id"] for line in reply.lines] for reply in replies] == [
        [by_number[number] for number in numbers] for numbers in ((1, 2, 3), (2, 3, 4), (4, 1))
    ]
    assert Message.objects.count() == len(by_number) == 4
    assert sum(row.last_id - row.first_id + 1 for row in Outbox.objects.all()) == 4
    assert DeliveryCount.objects.get().messages == 4


@pytest.mark.parametrize("other", [{"text": "Your code is 222"}, {"to": "+33698765432"}])
def test_another_message_of_a_number_that_was_taken_is_refused(desk: Desk, sms: Marketing, other: Any) -> None:
    assert bundle(desk, sms, [given(7, "Your code is 111")]).status == 202
    reply = bundle(desk, sms, [given(6), {**given(7, "Your code is 111"), **other}])
    assert (reply.status, reply.type) == (409, "application/problem+json")
    assert "database was put back" in reply.json["detail"]
    assert Message.objects.count() == 1


def test_of_two_messages_of_a_number_in_one_moment_the_second_is_refused(stock: Stock) -> None:
    one, two = submission(MessageIn(PHONE, "one", relay_id=5)), submission(MessageIn(PHONE, "two", relay_id=5))
    with stock.store.transaction():
        relay.take(stock.store, [one, two], NOW_MS)
    assert one.error is None
    assert two.error is not None
    assert (two.error.status, two.accepted) == (409, [])
    assert Message.objects.get().pk == one.accepted[0].id


def test_what_was_taken_before_texts_were_compared_is_taken_for_the_same(desk: Desk, sms: Marketing) -> None:
    first = bundle(desk, sms, [given(7)])
    Relayed.objects.update(digest=0)
    assert bundle(desk, sms, [given(7, "Bonsoir")]).lines[0]["id"] == first.lines[0]["id"]


# -- refused ---------------------------------------------------------------------------------------------------------


def outcomes(reply: Reply, count: int) -> Sequence[SendOutcome]:
    """What the other side reads in an answer."""
    response = HttpResponse(reply.status, reply.text.encode(), {"content-type": reply.type})
    return read_bundle(response, cast(Account, None), count)


@pytest.mark.parametrize("wrong", [{"sender": "é"}, {"to": "nobody"}], ids=["read", "checked"])
def test_every_line_that_cannot_be_sent_is_named_so_that_the_others_go_the_next_time(
    desk: Desk, sms: Marketing, wrong: Any
) -> None:
    lines = [given(number, **(wrong if number % 3 else {})) for number in range(1, 1_001)]
    reply = bundle(desk, sms, lines)
    assert reply.status == 422
    assert len(reply.json["errors"]) == 1
    told = outcomes(reply, len(lines))
    assert [isinstance(one, Refused) for one in told] == [bool(number % 3) for number in range(1, 1_001)]
    right = [line for line, one in zip(lines, told, strict=True) if not isinstance(one, Refused)]
    assert bundle(desk, sms, right).status == 202


def test_ten_thousand_wrong_lines_are_told_within_what_an_answer_may_have(desk: Desk, sms: Marketing) -> None:
    lines = [given(number, **{f"novelty{number}": 1}) for number in range(1, MOST_LINES + 1)]
    for wrong in (lines, [{"relay_id": number} for number in range(1, MOST_LINES + 1)]):
        reply = bundle(desk, sms, wrong)
        assert reply.status == 422
        assert len(reply.text) < MOST_ANSWER / 8
        named = [one["field"].partition(":")[0].partition(" ")[2] for one in reply.json["errors"]]
        assert sorted(int(number) for some in named for number in some.split(",")) == list(range(1, MOST_LINES + 1))


def test_a_number_that_is_twice_in_a_bundle_is_refused(desk: Desk, sms: Marketing) -> None:
    reply = bundle(desk, sms, [given(7), given(8), given(7), {"to": PHONE, "text": "x"}, given(8)])
    assert reply.fields == {
        "lines 3,5: relay_id": "is that of a line before",
        "line 4: relay_id": "is needed where an account is named",
    }


def test_a_field_that_mid_does_not_know_holds_the_account_and_costs_no_message(desk: Desk, sms: Marketing) -> None:
    reply = bundle(desk, sms, [given(1), given(2, options={"novelty": 1}), given(3, to="")])
    first, newer, wrong = outcomes(reply, 3)
    assert isinstance(first, Deferred)
    assert isinstance(newer, Deferred)
    assert (newer.about, newer.reason) == (About.ACCOUNT, "mid is older, and does not know options.novelty")
    assert isinstance(wrong, Refused)


def test_another_message_of_a_number_holds_the_account_and_costs_no_message(desk: Desk, sms: Marketing) -> None:
    bundle(desk, sms, [given(7)])
    told = outcomes(bundle(desk, sms, [given(6), given(7, "Bonsoir")]), 2)
    for one in told:
        assert isinstance(one, Deferred)
        assert one.about is About.ACCOUNT
        assert "database" in one.reason


# -- what it costs ---------------------------------------------------------------------------------------------------


class Watched:
    """A database, and what it was asked of numbers that were taken."""

    def __init__(self, store: Store) -> None:
        self._query = store.database.query
        self.asked: list[Query] = []

    def query(self, statement: Query, values: Sequence[Any] = ()) -> list[Any]:
        if statement in (RELAYED_AMONG, RELAYED_IN_RANGE):
            self.asked.append(statement)
        return self._query(statement, values)


def test_an_old_number_among_new_ones_does_not_have_all_between_read(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stock.store.transaction():
        stock.store.database.run(INSERT_RELAYED, [(relayed(1, number), number, 0) for number in range(1, 301)])
    watched = Watched(stock.store)
    monkeypatch.setattr(stock.store.database, "query", watched.query)
    for numbers, known in (({5, 300, 301}, {5, 300}), (set(range(290, 310)), set(range(290, 301)))):
        found = relay._known(stock.store, {relayed(1, number) for number in numbers})
        assert found == {relayed(1, number): (number, 0) for number in known}
    assert watched.asked == [RELAYED_AMONG, RELAYED_IN_RANGE]


@pytest.mark.postgresql
def test_whoever_counts_takes_deliveries_in_the_order_of_their_numbers(postgresql_url: str) -> None:
    """The intake holds one delivery's count and waits for the next; somebody who goes the same way waits, and no more."""
    third, fifth = relayed(1, 3), relayed(1, 5)
    brought = [submission(MessageIn(PHONE, "one", relay_id=one, relay_delivery=on)) for one, on in ((1, 5), (2, 3))]
    counted: list[list[int]] = []
    with closing(open_store(postgresql_url).database) as first, closing(open_store(postgresql_url).database) as second:
        mine, other = Store(first), Store(second)
        with other.transaction():
            other.add_counts(Counter({(third, 10): 1, (fifth, 10): 1}))
        other.database.begin()
        other.add_counts(Counter({(third, 10): 1}))

        def take() -> None:
            with mine.transaction():
                relay.take(mine, brought, NOW_MS)

        taking = threading.Thread(target=take)
        taking.start()
        while not somebody_waits(postgresql_url):
            pass
        counted.append(other.add_counts(Counter({(fifth, 10): 1})))
        other.database.commit()
        taking.join(20)
    assert counted == [[]]
    assert [one.error for one in brought] == [None, None]


def somebody_waits(url: str) -> bool:
    asked = Query("SELECT count(*) FROM pg_locks WHERE NOT granted", ("count",))
    with closing(open_store(url).database) as database:
        return bool(database.query(asked)[0][0])
