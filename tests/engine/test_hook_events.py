"""What providers told our hooks, carried out by a recorder: on either database."""

from itertools import permutations

import msgspec
import pytest
from tests.engine.stock import DAY_MS, NOW_MS, Desk, Stock, policy, theirs

from chappe.engine.arrival import Arrivals
from chappe.engine.store.frame import Answered, Collect, Collected
from chappe.engine.store.hook_event import Arrived, keep
from chappe.features.consent.models import Quarantine
from chappe.messaging import (
    Category,
    DeliveryState,
    ErrorKind,
    HookEvent,
    InboundMessage,
    OptIn,
    OptOut,
    Receipt,
    ReceiptKind,
)
from chappe.rules.hook_keyword import STANDARD, KeywordCategory, KeywordRule, KeywordRules

SENT, DELIVERED, READ, FAILED = (
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.READ,
    DeliveryState.FAILED,
)
MARIE, SHOP = "+33612345678", "+33600000000"
WAIT_MS = 30_000


@pytest.fixture
def desk(stock: Stock) -> Desk:
    return Desk(stock, provider="twilio", full_phone_number=True, short_code="", implementation_name="Twilio")


def sent(stock: Stock, desk: Desk, count: int = 1, **values: object) -> list[int]:
    """Messages that the provider took."""
    ids = stock.enqueue(count, **values)  # type: ignore[arg-type]
    leases = desk.lease()
    desk.send(ids, delivery=int(str(values.get("delivery", 0))))
    desk.finish(leases)
    return ids


def told(stock: Stock, desk: Desk, *events: HookEvent, keywords: KeywordRules | None = STANDARD, **where: int) -> None:
    """A provider calls, the call is committed, and the engine acts on it."""
    come(stock, desk, *events, keywords=keywords, **where)
    collect(desk)


def come(
    stock: Stock, desk: Desk, *events: HookEvent, keywords: KeywordRules | None = STANDARD, connection_id: int = 0
) -> None:
    head = (connection_id or stock.connection_id, stock.organisation_id)
    with stock.store.transaction():
        keep(stock.store, [Arrived(*head, one, desk.now_ms, keywords) for one in events])


def collect(desk: Desk, after_ms: int = 0) -> None:
    desk.now_ms += after_ms
    answers = desk.handle(Collect(1))
    assert [one for one in answers if isinstance(one, Collected)] == [Collected(1, is_all=True)]


def waiting(stock: Stock) -> int:
    """Events that are not carried out yet."""
    return int(stock.query("SELECT count(*) FROM hook_event")[0][0])


def receipt(message_id: int, kind: ReceiptKind, status: str = "", code: str = "", **more: ErrorKind) -> Receipt:
    return Receipt(theirs(message_id), kind, status or kind.value, code, **more)


def text(body: str, sender: str = MARIE, provider_id: str = "", **more: object) -> InboundMessage:
    return InboundMessage(sender, SHOP, body, provider_id, **more)  # type: ignore[arg-type]


def ledger(stock: Stock) -> list[tuple[str, bool, str]]:
    rows = stock.query("SELECT address, is_given, source FROM consent_event ORDER BY id")
    return [(address, bool(is_given), source) for address, is_given, source in rows]


def replies(stock: Stock) -> list[str]:
    return [body for (body,) in stock.query("SELECT body FROM message WHERE category = ?", int(Category.REPLY))]


# -- receipts ------------------------------------------------------------------------------------------------------------


def test_a_receipt_says_what_became_of_its_message(stock: Stock, desk: Desk) -> None:
    good, bad = sent(stock, desk, 2, delivery=4)
    told(
        stock,
        desk,
        receipt(good, ReceiptKind.SUCCESS, "delivered"),
        receipt(bad, ReceiptKind.ERROR, "undelivered", "30005", error_kind=ErrorKind.HARD),
    )
    assert stock.states([good, bad]) == [DELIVERED, FAILED]
    assert stock.counts(4) == {DELIVERED: 1, FAILED: 1}
    assert stock.segment(good)[2] == "delivered"
    assert waiting(stock) == 0


def test_an_error_that_settles_the_number_puts_it_in_quarantine(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk)
    told(stock, desk, receipt(message_id, ReceiptKind.ERROR, "undelivered", "30005", error_kind=ErrorKind.HARD))
    found = stock.quarantine(stock.message(message_id)["recipient"])
    assert found is not None
    assert found[0] == "quarantine"


STEPS = (ReceiptKind.INTERMEDIATE, ReceiptKind.SUCCESS, ReceiptKind.READ)


@pytest.mark.parametrize("order", list(permutations(STEPS)))
def test_whatever_the_order_what_was_read_ends_as_read(
    stock: Stock, desk: Desk, order: tuple[ReceiptKind, ...]
) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    for kind in order:
        told(stock, desk, receipt(message_id, kind))
        assert stock.counts(4) == stock.counted(4)
    assert stock.state(message_id) is READ
    assert stock.counts(4) == {READ: 1}


def test_what_is_said_twice_changes_nothing_and_leaves_no_word(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    for _ in range(3):
        told(stock, desk, receipt(message_id, ReceiptKind.SUCCESS))
    assert stock.counts(4) == {DELIVERED: 1}
    assert stock.events(message_id) == []


def test_a_failure_after_the_delivery_is_not_believed(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    told(stock, desk, receipt(message_id, ReceiptKind.SUCCESS))
    told(stock, desk, receipt(message_id, ReceiptKind.ERROR, "failed"))
    assert stock.state(message_id) is DELIVERED
    assert stock.events(message_id) == [("receipt_ignored", "failed came after the end")]


def test_a_receipt_that_comes_before_its_id_is_known_waits_for_it(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, delivery=4)
    leases = desk.lease()
    told(stock, desk, receipt(message_id, ReceiptKind.SUCCESS))
    assert waiting(stock) == 1
    desk.send([message_id], delivery=4)
    desk.finish(leases)
    collect(desk, after_ms=300)
    assert stock.state(message_id) is DELIVERED
    assert waiting(stock) == 0


def test_a_receipt_that_matches_nothing_is_given_up_and_shown(stock: Stock, desk: Desk) -> None:
    told(stock, desk, Receipt("nobody", ReceiptKind.SUCCESS, "delivered"))
    collect(desk, after_ms=WAIT_MS - 1000)
    assert waiting(stock) == 1
    collect(desk, after_ms=1500)
    assert waiting(stock) == 0
    assert stock.query("SELECT provider_message_id, status FROM orphan_receipt") == [("nobody", "delivered")]


def test_a_receipt_finds_its_message_at_another_connection_with_the_same_provider(stock: Stock, desk: Desk) -> None:
    """The address of a vendor's hooks is the organisation's: a replaced connection's receipts come by it, too."""
    (message_id,) = sent(stock, desk, delivery=4)
    desk.handle(policy(stock, connection_id=8, provider="twilio"))
    told(stock, desk, receipt(message_id, ReceiptKind.SUCCESS), connection_id=8)
    assert stock.state(message_id) is DELIVERED
    assert waiting(stock) == 0


@pytest.mark.parametrize("other", [{"provider": "vonage"}, {"provider": "twilio", "organisation_id": 2}])
def test_a_receipt_finds_nothing_of_another_provider_or_organisation(
    stock: Stock, desk: Desk, other: dict[str, object]
) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    desk.handle(policy(stock, connection_id=8, **other))
    told(stock, desk, receipt(message_id, ReceiptKind.SUCCESS), connection_id=8)
    assert stock.state(message_id) is SENT


def test_events_of_a_connection_nobody_knows_yet_wait_for_an_engine_that_does(stock: Stock, desk: Desk) -> None:
    come(stock, desk, OptOut(MARIE, "STOP"), connection_id=9)
    collect(desk)
    assert waiting(stock) == 1
    desk.handle(policy(stock, connection_id=9, provider="twilio"))
    collect(desk)
    assert waiting(stock) == 0
    assert ledger(stock) == [(MARIE, False, "provider")]


# -- texts ---------------------------------------------------------------------------------------------------------------


def test_a_stop_is_heeded_everywhere_and_written_into_the_ledger(stock: Stock, desk: Desk) -> None:
    told(stock, desk, text("Stop!"))
    assert stock.inbound() == [(MARIE, SHOP, "Stop!", True)]
    found = stock.quarantine(MARIE)
    assert found is not None
    assert found[0] == "denylisted"
    assert ledger(stock) == [(MARIE, False, "keyword")]
    assert desk.blocked == [(MARIE, "", "denylisted")], "workers are told at once"


def test_start_takes_it_back(stock: Stock, desk: Desk) -> None:
    told(stock, desk, text("STOP"))
    told(stock, desk, text("start"))
    assert stock.quarantine(MARIE) == ("valid", "", 0)
    assert ledger(stock) == [(MARIE, False, "keyword"), (MARIE, True, "keyword")]


def test_a_near_miss_changes_nothing_and_gets_the_exact_word(stock: Stock, desk: Desk) -> None:
    rules = KeywordRules(near_miss_reply="Write {word} to leave").with_defaults()
    told(stock, desk, text("CANCIL"), keywords=rules)
    assert stock.quarantine(MARIE) is None
    assert ledger(stock) == []
    assert replies(stock) == ["Write CANCEL to leave"]
    assert stock.query("SELECT keyword, action FROM inbound") == [("CANCEL", "near_miss")]


def test_each_category_has_its_reply(stock: Stock, desk: Desk) -> None:
    rules = KeywordRules(
        (
            KeywordRule(KeywordCategory.OPT_OUT, ("ADIEU",), "Goodbye"),
            KeywordRule(KeywordCategory.HELP, ("AIDE",), "Call us"),
            KeywordRule(KeywordCategory.DOUBLE_OPT_IN, ("CLUB",), "Write OUI to join"),
            KeywordRule(KeywordCategory.CUSTOM, ("PRIX",), "Ten euros"),
            KeywordRule(KeywordCategory.DEFAULT, (), "Pardon?"),
        )
    ).with_defaults()
    for place, words in enumerate(["Aide", "club", "Prix svp", "hm", "Adieu !"]):
        told(stock, desk, text(words, sender=f"+3361234567{place}"), keywords=rules)
    assert sorted(replies(stock)) == sorted(["Call us", "Write OUI to join", "Ten euros", "Pardon?", "Goodbye"])
    assert ledger(stock) == [("+33612345674", False, "keyword")], "to be asked for a yes is none"


def test_a_text_that_its_provider_repeats_is_one_text_with_one_reply(stock: Stock, desk: Desk) -> None:
    rules = KeywordRules((KeywordRule(KeywordCategory.HELP, ("HELP",), "Call us"),)).with_defaults()
    told(stock, desk, text("HELP", provider_id="SM1"), text("HELP", provider_id="SM1"), keywords=rules)
    told(stock, desk, text("HELP", provider_id="SM1"), keywords=rules)
    assert len(stock.inbound()) == 1
    assert replies(stock) == ["Call us"]


def test_what_the_provider_answered_we_do_not(stock: Stock, desk: Desk) -> None:
    rules = KeywordRules((KeywordRule(KeywordCategory.OPT_OUT, ("STOP",), "Goodbye"),))
    told(stock, desk, text("STOP", is_answered=True), keywords=rules)
    assert replies(stock) == []
    assert ledger(stock) == [(MARIE, False, "keyword")]


def test_segments_of_a_text_are_joined_before_its_words_are_looked_at(stock: Stock, desk: Desk) -> None:
    parts = [("OP please", 2), ("ST", 1)]
    told(stock, desk, *(text(body, reference=7, total=2, position=place) for body, place in parts))
    assert stock.inbound() == [(MARIE, SHOP, "STOP please", True)]
    assert ledger(stock) == [(MARIE, False, "keyword")]


def test_every_character_of_a_text_is_kept(stock: Stock, desk: Desk) -> None:
    body = "Ça alors 🎉 \U00010348 \u202e"
    told(stock, desk, text(body + "\0"))
    assert stock.inbound() == [(MARIE, SHOP, body, True)]


# -- wishes --------------------------------------------------------------------------------------------------------------


def test_what_the_provider_tells_of_wishes_is_heeded(stock: Stock, desk: Desk) -> None:
    told(stock, desk, OptOut(MARIE, "opted out at the carrier (9)"))
    assert stock.quarantine(MARIE) == ("denylisted", "opted out at the carrier (9)", 0)
    told(stock, desk, OptIn(MARIE, "START"))
    assert ledger(stock) == [(MARIE, False, "provider"), (MARIE, True, "provider")]


def test_a_start_that_is_told_again_does_not_undo_the_stop_after_it(stock: Stock, desk: Desk) -> None:
    start = (OptIn(MARIE, "START", SHOP, "SM1"), text("START", provider_id="SM1", is_answered=True))
    told(stock, desk, *start)
    told(stock, desk, OptOut(MARIE, "STOP", SHOP, "SM2"), text("STOP", provider_id="SM2", is_answered=True))
    told(stock, desk, *start)
    found = stock.quarantine(MARIE)
    assert found is not None
    assert found[0] == "denylisted"


def test_a_wish_told_of_one_sender_holds_for_all(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, recipient=MARIE, delivery=4)
    told(stock, desk, OptOut(MARIE, "STOP", "+33611111111"))
    assert desk.lease() == []
    assert stock.state(message_id) is DeliveryState.EXCLUDED
    assert stock.query("SELECT sender FROM consent_event") == [("+33611111111",)]


def test_a_person_who_left_gets_no_queued_message(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, recipient=MARIE, delivery=4)
    told(stock, desk, text("STOP"))
    assert desk.lease() == []
    assert stock.state(message_id) is DeliveryState.EXCLUDED


def test_an_event_that_cannot_be_carried_out_is_refused_alone(stock: Stock, desk: Desk) -> None:
    come(stock, desk, OptOut(MARIE, "STOP"), OptOut("+33600000002", "STOP"), OptOut("+33600000003", "STOP"))
    ((second,),) = stock.query("SELECT id FROM hook_event ORDER BY id LIMIT 1 OFFSET 1")
    stock.query("UPDATE hook_event SET data = ? WHERE id = ?", b"not what we write", second)
    collect(desk)
    assert [address for address, _, _ in ledger(stock)] == [MARIE, "+33600000003"]
    assert waiting(stock) == 0


def test_two_engines_that_meet_the_same_broken_event_refuse_that_one_alone(stock: Stock, desk: Desk) -> None:
    come(stock, desk, OptOut(MARIE, "STOP"), OptOut("+33600000002", "STOP"))
    stock.query("UPDATE hook_event SET data = ? WHERE id = (SELECT min(id) FROM hook_event)", b"not what we write")
    engines = Arrivals(stock.store), Arrivals(stock.store)
    for engine in engines:
        with pytest.raises(msgspec.DecodeError), stock.store.transaction():
            engine.take(desk.now_ms, [stock.connection_id], 1)
    for engine in engines:
        with stock.store.transaction():
            engine.refuse()
    collect(desk)
    assert [address for address, _, _ in ledger(stock)] == ["+33600000002"]


def test_nothing_is_done_twice(stock: Stock, desk: Desk) -> None:
    told(stock, desk, OptOut(MARIE, "STOP"))
    collect(desk)
    other = Desk(stock, "engine-2", provider="twilio")
    collect(other)
    assert len(ledger(stock)) == 1


def test_many_events_are_carried_out_in_several_turns(stock: Stock, desk: Desk) -> None:
    come(stock, desk, *(OptOut(f"+336{number:08d}", "STOP") for number in range(1500)))
    (first,) = [one for one in desk.handle(Collect(1)) if isinstance(one, Collected)]
    assert not first.is_all
    collect(desk)
    assert len(ledger(stock)) == 1500
    assert desk.now_ms == NOW_MS


def test_wishes_and_texts_are_heeded_in_the_order_they_came(stock: Stock, desk: Desk) -> None:
    """A provider tells of its own words as wishes, and of ours as texts; an engine that was away finds both at once."""
    rules = KeywordRules((KeywordRule(KeywordCategory.OPT_OUT, ("ARRET",)),))
    come(stock, desk, text("START", provider_id="a"), OptIn(MARIE, "START", provider_message_id="a"), keywords=rules)
    come(stock, desk, text("ARRET", provider_id="b"), keywords=rules)
    collect(desk)
    assert ledger(stock)[-1] == (MARIE, False, "keyword")
    assert (stock.quarantine(MARIE) or ("",))[0] == "denylisted"


def test_a_start_that_is_repeated_before_an_engine_looks_does_not_undo_the_stop_between(
    stock: Stock, desk: Desk
) -> None:
    start = (text("START", provider_id="a"), OptIn(MARIE, "START", provider_message_id="a"))
    come(stock, desk, *start)
    come(stock, desk, text("STOP", provider_id="b"), OptOut(MARIE, "STOP", provider_message_id="b"))
    come(stock, desk, *start)
    collect(desk)
    assert (stock.quarantine(MARIE) or ("",))[0] == "denylisted"
    assert len(stock.inbound()) == 2


def test_a_receipt_is_not_given_up_while_another_connection_waits_for_its_answer(stock: Stock, desk: Desk) -> None:
    """One address for all connections with a provider: its calls are noted for the first, which may have nothing to do."""
    desk.handle(policy(stock, connection_id=8, provider="twilio"))
    (message_id,) = stock.enqueue(1, delivery=4)
    leases = desk.lease()
    desk.handle(Answered(0, stock.connection_id, desk.now_ms - 1))
    come(stock, desk, receipt(message_id, ReceiptKind.SUCCESS), connection_id=8)
    desk.handle(Answered(0, 8, desk.now_ms + 1_000))
    collect(desk, after_ms=1_000)
    assert waiting(stock) == 1
    desk.send([message_id], delivery=4)
    desk.finish(leases)
    collect(desk, after_ms=1_000)
    assert stock.state(message_id) is DELIVERED


def test_a_stop_is_heeded_at_once_whatever_the_clocks_say(stock: Stock, desk: Desk) -> None:
    """The web process may run on another machine, or the clock may have been put back since."""
    desk.now_ms += 3_600_000
    come(stock, desk, text("STOP"))
    desk.now_ms -= 3_600_000
    collect(desk)
    assert waiting(stock) == 0
    assert (stock.quarantine(MARIE) or ("",))[0] == "denylisted"


@pytest.mark.parametrize("kind", [ReceiptKind.SUCCESS, ReceiptKind.READ])
def test_errors_are_counted_from_the_last_message_that_reached_the_person(
    kind: ReceiptKind, stock: Stock, desk: Desk
) -> None:
    soft = {"error_kind": ErrorKind.SOFT}
    for word, more in ((ReceiptKind.ERROR, soft), (kind, {}), (ReceiptKind.ERROR, soft)):
        desk.now_ms += 2 * DAY_MS
        (message_id,) = stock.enqueue(1, recipient=MARIE, due_ms=desk.now_ms)
        desk.send([message_id])
        told(stock, desk, receipt(message_id, word, **more))
    assert stock.quarantine(MARIE) == ("with_errors", "unreachable", 1)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Marie.Curie@Example.ORG", "marie.curie@example.org"),
        ("Marie Curie <marie.curie@example.org>", "marie.curie@example.org"),
        (f"{'m' * 60}@{'e' * 40}.example.org", f"{'m' * 60}@{'e' * 40}.example.org"),
    ],
)
def test_a_stop_by_email_holds_for_the_address_as_it_is_kept(written: str, kept: str, stock: Stock, desk: Desk) -> None:
    desk.handle(policy(stock, provider="esp", channel="email", full_phone_number=True))
    told(stock, desk, text("STOP", sender=written))
    assert (stock.quarantine(kept) or ("",))[0] == "denylisted"
    told(stock, desk, OptIn(written, "subscribed again"))
    assert ledger(stock) == [(kept, False, "keyword"), (kept, True, "provider")]
    assert (stock.quarantine(kept) or ("",))[0] == "valid"


def test_a_stop_is_heard_of_while_very_many_numbers_change(stock: Stock, desk: Desk) -> None:
    """An engine hears by the table of what others wrote; errors by the thousand are written there as well."""
    common = {"organisation_id": stock.organisation_id, "channel": "sms", "status": "with_errors"}
    Quarantine.objects.bulk_create(
        Quarantine(address=f"+337{number:08d}", changed_ms=NOW_MS - 10_000, **common) for number in range(10_000)
    )
    desk.tick()
    other = Desk(stock, "engine-2", provider="twilio", full_phone_number=True)
    told(stock, other, text("STOP"))
    desk.tick(after_ms=200)
    assert (MARIE, "", "denylisted") in desk.blocked
