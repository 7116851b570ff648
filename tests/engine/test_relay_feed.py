"""On mid: what happens to messages of an account becomes pages, one for each commit, which are handed out to be pushed."""

from typing import Any

import msgspec
import pytest
from tests.engine.stock import DAY_MS, NOW_MS, Desk, Stock, theirs

from chappe.engine import relay_feed
from chappe.engine.relay_feed import KEPT_MS, LEASE_MS, SWEEP_MS
from chappe.engine.store.frame import LoadConnections, Record, Settled
from chappe.engine.store.relay_catalogue import relayed
from chappe.engine.store.relay_frame import PagesDue, PagesFound, PagesTold, PagesWanted, RelayAccounts
from chappe.features.accounts.models import Operator, Organisation
from chappe.features.connections.models import Connection
from chappe.features.relay.models import RelayAccount, RelayPage
from chappe.messaging import DeliveryState, Told
from chappe.messaging.relay import StateTold

THEIR_DELIVERY = relayed(1, 17)
STOP = [{"keyword": "STOP", "short_code": "", "reply": "", "action": "send_to_quarantine"}]
PHONE = "+33612345678"


class Mid(Desk):
    """An engine of an installation through whose connection 1 another Chappe sends."""

    def pages(self) -> list[Told]:
        rows = RelayPage.objects.order_by("pk").values_list("pk", "size", "told")
        told = [msgspec.json.decode(bytes(data), type=Told) for _, _, data in rows]
        assert [pk for pk, _, _ in rows] == [relayed(1, 1 + place) for place in range(len(rows))], "numbers have no gap"
        assert all(size >= page.size for (_, size, _), page in zip(rows, told, strict=True))
        return told

    def find(self, account: int = 1) -> PagesFound:
        (found,) = [one for one in self.handle(PagesWanted(self.number(), account)) if isinstance(one, PagesFound)]
        return found

    def told(self, last: int, error: str = "") -> None:
        self.handle(PagesTold(self.number(), 1, last, error))

    def fill(self, pages: int) -> None:
        """Messages that end one by one, each in a commit of its own."""
        for message_id in self.stock.enqueue(pages, delivery=THEIR_DELIVERY):
            self.settle(message_id, DeliveryState.FAILED)


def account() -> dict[str, Any]:
    return RelayAccount.objects.values().get(pk=1)


@pytest.fixture
def mid(stock: Stock) -> Mid:
    organisation = Organisation.objects.create(pk=1, name="Relais")
    Operator.objects.create(organisation=organisation, login="shop", label="Shop", is_relay=True)
    Connection.objects.create(pk=1, organisation=organisation, name="North", provider="smpp", internal_name="shop_bulk")
    RelayAccount.objects.create(connection_id=1, organisation_id=1, operator="shop", push_url="https://a.example/")
    return Mid(stock, automatic_replies=STOP)


# -- writing ---------------------------------------------------------------------------------------------------------


def test_each_commit_is_one_page_and_their_numbers_have_no_gap(stock: Stock, mid: Mid) -> None:
    ids = stock.enqueue(3, delivery=THEIR_DELIVERY)
    mid.send(ids[:2], delivery=THEIR_DELIVERY)
    mid.record(receipts=[mid.received(theirs(one)) for one in ids[:2]])
    mid.settle(ids[2], DeliveryState.EXPIRED, "too late")
    assert mid.pages() == [
        Told(sent=[(ids[0], NOW_MS), (ids[1], NOW_MS)]),
        Told(delivered=[(one, NOW_MS, "DELIVRD", "000") for one in ids[:2]]),
        Told(states=[StateTold(ids[2], int(DeliveryState.EXPIRED), NOW_MS, "too late")]),
    ]


def test_what_is_taken_and_delivered_in_one_commit_is_on_one_page(stock: Stock, mid: Mid) -> None:
    (one,) = stock.enqueue(1, delivery=THEIR_DELIVERY)
    mid.record(**mid.accepted(one, delivery=THEIR_DELIVERY), receipts=[mid.received(theirs(one))])
    (page,) = mid.pages()
    assert (page.sent, page.delivered) == ([(one, NOW_MS)], [(one, NOW_MS, "DELIVRD", "000")])


def test_messages_of_our_own_are_on_no_page(stock: Stock, mid: Mid) -> None:
    ids = stock.enqueue(2, delivery=17)
    mid.send(ids, delivery=17)
    mid.record(receipts=[mid.received(theirs(ids[0]))])
    mid.settle(stock.enqueue(1)[0], DeliveryState.FAILED)
    assert mid.pages() == []


def test_each_account_has_pages_of_its_own(stock: Stock, mid: Mid) -> None:
    (one,), (other,) = (stock.enqueue(1, delivery=relayed(account, 17)) for account in (1, 2))
    mid.send([one], delivery=relayed(1, 17))
    mid.send([other], delivery=relayed(2, 17))
    assert list(RelayPage.objects.order_by("pk").values_list("pk", flat=True)) == [relayed(1, 1), relayed(2, 1)]


def test_a_message_left_out_when_it_is_leased_is_told(stock: Stock, mid: Mid) -> None:
    mid.text("STOP", sender=PHONE.removeprefix("+"))
    before = len(mid.pages())
    (one,) = stock.enqueue(1, delivery=THEIR_DELIVERY, recipient=PHONE)
    mid.lease()
    (told,) = mid.pages()[before:]
    assert [(state.message_id, state.state) for state in told.states] == [(one, DeliveryState.EXCLUDED)]


def test_a_receipt_that_came_as_an_error_is_told_with_its_reason(stock: Stock, mid: Mid) -> None:
    (one,) = stock.enqueue(1, delivery=THEIR_DELIVERY, expires_ms=NOW_MS + 1)
    mid.send([one], delivery=THEIR_DELIVERY)
    mid.tick(1000)
    mid.receipt(theirs(one), "error", code="069")
    (state,) = mid.pages()[-1].states
    assert (state.message_id, state.state) == (one, stock.state(one))
    assert state.state in (DeliveryState.FAILED, DeliveryState.EXPIRED)
    assert state.reason == stock.message(one)["reason"]


def test_a_text_and_a_wish_that_came_by_the_account_are_told(stock: Stock, mid: Mid) -> None:
    mid.text("STOP", sender=PHONE.removeprefix("+"))
    told = mid.pages()
    texts = [text for page in told for text in page.texts]
    wishes = [wish for page in told for wish in page.wishes]
    assert [(text.sender, text.recipient, text.body) for text in texts] == [(PHONE, "36180", "STOP")]
    assert [(wish.address, wish.is_given, wish.sender) for wish in wishes] == [(PHONE, False, "36180")]


def test_a_text_that_came_otherwise_is_not_told(stock: Stock) -> None:
    mid = Mid(stock, automatic_replies=STOP)
    mid.text("STOP")
    assert mid.pages() == []


def test_the_engine_is_told_which_accounts_there_are_and_which_have_new_pages(stock: Stock, mid: Mid) -> None:
    (one,) = stock.enqueue(1, delivery=THEIR_DELIVERY)
    answers = mid.handle(LoadConnections(mid.number()))
    (accounts,) = [answer.accounts for answer in answers if isinstance(answer, RelayAccounts)]
    assert [row[:3] for row in accounts] == [(1, 1, "https://a.example/")]
    settled = [Settled(one, int(DeliveryState.FAILED), "", NOW_MS)]
    answers = mid.handle(Record(mid.number(), settled=settled))
    assert [answer for answer in answers if isinstance(answer, PagesDue)] == [PagesDue([1])]


# -- handing out -----------------------------------------------------------------------------------------------------


def test_pages_are_handed_out_from_the_first_that_was_not_taken(stock: Stock, mid: Mid) -> None:
    mid.fill(3)
    found = mid.find()
    assert (found.first, len(found.told)) == (1, 3)
    assert [msgspec.json.decode(data, type=Told) for data in found.told] == mid.pages()
    mid.told(2)
    found = mid.find()
    assert (found.first, len(found.told)) == (3, 1)
    mid.told(3)
    assert mid.find().told == []


def test_a_push_that_was_taken_late_takes_nothing_back(stock: Stock, mid: Mid) -> None:
    mid.fill(3)
    mid.told(3)
    mid.told(1)
    assert account()["told"] == 3


def test_numbers_of_pushes_rise_with_the_clock_and_without_it(stock: Stock, mid: Mid) -> None:
    mid.fill(1)
    numbers = [mid.find().push_number for _ in range(3)]
    assert numbers == [NOW_MS, NOW_MS + 1, NOW_MS + 2]
    mid.now_ms -= DAY_MS
    assert mid.find().push_number == NOW_MS + 3
    mid.now_ms += 2 * DAY_MS
    assert mid.find().push_number == mid.now_ms


def test_one_engine_pushes_for_an_account_and_another_when_that_one_is_no_more(stock: Stock, mid: Mid) -> None:
    mid.fill(2)
    other = Mid(stock, "engine-2")
    assert len(mid.find().told) == 2
    assert other.find().told == []
    other.now_ms += LEASE_MS + 1
    assert len(other.find().told) == 2
    assert mid.find().told == []


def test_a_push_that_was_not_taken_leaves_everything_as_it_is_but_its_reason(stock: Stock, mid: Mid) -> None:
    mid.fill(2)
    mid.find()
    mid.told(2, "it answered 503")
    assert (account()["told"], account()["error"]) == (0, "it answered 503")
    assert len(mid.find().told) == 2
    mid.told(2)
    assert (account()["told"], account()["error"], account()["told_ms"]) == (2, "", NOW_MS)


def test_a_push_tells_only_so_much_at_once(stock: Stock, mid: Mid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_feed, "MOST_TOLD", 4)
    ids = stock.enqueue(12, delivery=THEIR_DELIVERY)
    for start in (0, 3, 6):
        mid.send(ids[start : start + 3], delivery=THEIR_DELIVERY)
    found = mid.find()
    assert (len(found.told), found.is_full) == (1, True)
    mid.told(2)
    mid.send(ids[9:], delivery=THEIR_DELIVERY)
    monkeypatch.setattr(relay_feed, "MOST_TOLD", 100)
    found = mid.find()
    assert (found.first, len(found.told), found.is_full) == (3, 2, False)


def test_long_texts_count_by_their_length(stock: Stock, mid: Mid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_feed, "MOST_TOLD", 30)
    for _ in range(2):
        mid.text("x" * 1500)
    assert len(mid.find().told) == 1


def test_pages_past_their_time_are_forgotten_and_those_after_them_keep_their_numbers(stock: Stock, mid: Mid) -> None:
    mid.fill(3)
    mid.tick(KEPT_MS - SWEEP_MS)
    mid.fill(2)
    mid.tick(2 * SWEEP_MS)
    assert list(RelayPage.objects.order_by("pk").values_list("pk", flat=True)) == [relayed(1, 4), relayed(1, 5)]
    found = mid.find()
    assert (found.first, len(found.told)) == (4, 2)


def test_an_account_that_nobody_signed_in_for_is_told_nothing(stock: Stock, mid: Mid) -> None:
    assert mid.find(2) == PagesFound(mid.number() - 1, 2)
