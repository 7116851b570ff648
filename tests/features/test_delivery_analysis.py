"""From a draft to messages: who gets one, who none and why; and what is left after a crash."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.features.stage import EXCLUDED, SETTINGS, WAITING, Stage, assert_whole, counts, exclusions, number
from tests.row import NOW_MS

from chappe.features.connections.models import Connection
from chappe.features.connections.way import Way
from chappe.features.deliveries import analysis, services
from chappe.features.deliveries.measure import Measure
from chappe.features.deliveries.models import Delivery
from chappe.features.messages.models import Message, Outbox
from chappe.features.refusal import InvalidInput
from chappe.gsm import Encoding
from chappe.messaging import (
    ConfigError,
    LeaseLost,
    MessageOptions,
    OutboundMessage,
    OutgoingTlv,
    Refused,
)
from chappe.providers.smpp import SPEC, Dialect


@pytest.fixture
def stage(database: str) -> Stage:
    return Stage()


def fates(delivery: Delivery) -> list[tuple[str, str]]:
    """The recipient and reason of each message, in the order of numbers."""
    rows = Message.objects.filter(delivery_id=delivery.pk).order_by("recipient", "contact_id")
    return list(rows.values_list("recipient", "reason"))


# -- who gets a message ----------------------------------------------------------------------------------------------


def test_everybody_of_the_audience_gets_a_message_held_until_the_delivery_is_sent(stage: Stage) -> None:
    zoe = stage.person(number(1), name="Zoë")
    stage.person(number(2), name="Ж")
    stage.person()
    delivery = stage.analysed("Hi {{ name }}", sender="Relais", category=1, short_code="36180")
    assert (delivery.status, delivery.audience, delivery.segments) == ("ready", 3, 2)
    assert delivery.encodings == {"ucs2": 2}
    assert exclusions(delivery) == {"bad_number": 1}
    assert_whole(delivery)
    message = Message.objects.get(recipient=number(1))
    assert (message.body, message.sender, message.category) == ("Hi Zoë", "Relais", 1)
    assert (message.organisation_id, message.connection_id) == (stage.organisation, stage.connection.pk)
    assert (message.contact_id, message.state, message.expires_ms) == (zoe.pk, WAITING, 0)
    outbox = Outbox.objects.get()
    assert (outbox.is_held, outbox.priority, outbox.expires_ms) == (True, analysis.PRIORITY, 0)


def test_a_number_twice_in_the_audience_gets_one_message(stage: Stage) -> None:
    for index in (3, 1, 3, 2, 3):
        stage.person(number(index))
    delivery = stage.analysed()
    duplicate = (number(3), "duplicate")
    assert fates(delivery) == [(number(1), ""), (number(2), ""), (number(3), ""), duplicate, duplicate]
    assert_whole(delivery)


def test_a_duplicate_is_told_across_the_border_of_two_batches(stage: Stage) -> None:
    for _ in range(5):
        stage.person(number(1))
    delivery = stage.draft()
    stage.reset(delivery, status="analysing")
    analysis.analyse(Delivery.objects.get(pk=delivery.pk), batch_size=2)
    assert counts(delivery) == {WAITING: 1, EXCLUDED: 4}
    assert_whole(delivery)


def test_a_number_whose_first_owner_gets_nothing_is_not_lost(stage: Stage) -> None:
    stage.person(number(1), size=0)
    stage.person(number(1), size=2)
    delivery = stage.analysed("{{ 10 / size }}")
    assert [reason for _, reason in fates(delivery)] == ["render_error", ""]


def test_people_without_a_readable_number_are_left_out_as_they_were_given(stage: Stage) -> None:
    stage.person()
    stage.person()
    assert fates(stage.analysed()) == [("12", "bad_number"), ("12", "bad_number")]


def test_quarantine_and_stop_are_heeded_for_their_short_code(stage: Stage) -> None:
    for index in range(1, 8):
        stage.person(number(index))
    stage.block(number(1))
    stage.block(number(2), "denylisted")
    stage.block(number(3), "quarantine", "36180")
    stage.block(number(4), "denylisted", "99999")
    stage.block(number(5), "valid")
    stage.block(number(6), "with_errors")
    stage.block(number(7), organisation=987)
    delivery = stage.analysed(short_code="36180")
    reasons = [reason for _, reason in fates(delivery)]
    assert reasons == ["quarantine", "denylisted", "quarantine", "", "", "", ""]
    assert exclusions(delivery) == {"quarantine": 2, "denylisted": 1}


def test_the_connections_short_code_counts_where_the_delivery_names_none(database: str) -> None:
    stage = Stage(short_code="36180")
    stage.person(number(1))
    stage.block(number(1), "denylisted", "36180")
    assert exclusions(stage.analysed()) == {"denylisted": 1}
    assert exclusions(stage.analysed(short_code="99999")) == {}


@pytest.mark.parametrize(
    ("despite_stop", "category", "reason"), [(True, 1, ""), (True, 0, "denylisted"), (False, 1, "denylisted")]
)
def test_only_a_connection_that_says_so_lets_transactional_texts_past_a_stop(
    database: str, despite_stop: bool, category: int, reason: str
) -> None:
    stage = Stage(transactional_despite_stop=despite_stop)
    stage.person(number(1))
    stage.block(number(1), "denylisted")
    assert fates(stage.analysed(category=category)) == [(number(1), reason)]


# -- what it is sent as ----------------------------------------------------------------------------------------------


def test_texts_that_cannot_be_made_or_sent_are_left_out_with_the_reason(database: str) -> None:
    stage = Stage(encodings=[{"data_coding": 0, "encoding": "gsm"}])
    for index, name in enumerate(["ok", "Ж", "x" * 200, "   "]):
        stage.person(number(index), name=name)
    stage.person(number(9))
    delivery = stage.analysed("{{ name }}", maximum_segments=1)
    assert [reason for _, reason in fates(delivery)] == ["", "unencodable", "too_long", "empty", "empty"]
    assert (delivery.encodings, delivery.segments) == ({"gsm": 1}, 1)
    assert_whole(delivery)


def test_encodings_and_segments_are_those_of_each_text(stage: Stage) -> None:
    for index, name in enumerate(["a" * 160, "a" * 161, "ж" * 70, "ж" * 71]):
        stage.person(number(index), name=name)
    delivery = stage.analysed("{{ name }}")
    segments = Message.objects.order_by("recipient").values_list("segments", flat=True)
    assert list(segments) == [1, 2, 1, 2]
    assert (delivery.segments, delivery.encodings) == (6, {"gsm": 2, "ucs2": 2})


def test_message_options_are_stored_only_where_there_are_any(stage: Stage) -> None:
    stage.person(number(1))
    stage.analysed()
    stage.analysed(maximum_segments=3, transmission_mode=1, short_code="36180")
    plain, special = Message.objects.order_by("pk").values_list("options", flat=True)
    assert plain is None
    assert msgspec.json.decode(bytes(special or b""), type=MessageOptions) == MessageOptions(
        transmission_mode=1, maximum_segments=3, short_code="36180"
    )


def test_parameters_may_mention_the_person_and_are_dropped_where_empty(stage: Stage) -> None:
    for index, code in enumerate(["7", "", "no number"]):
        stage.person(number(index), code=code)
    rows = [
        {"label": "Code", "tag": "0x1401", "value": "{{ code }}", "format": "uint16"},
        {"label": "Name", "tag": "5122", "value": "June"},
    ]
    delivery = stage.analysed(tlvs=rows)
    assert [reason for _, reason in fates(delivery)] == ["", "", "render_error"]
    sent = [
        msgspec.json.decode(bytes(options or b""), type=MessageOptions).tlvs
        for options in Message.objects.filter(state=WAITING).order_by("recipient").values_list("options", flat=True)
    ]
    june = OutgoingTlv(0x1402, b"June")
    assert sent == [(OutgoingTlv(0x1401, b"\x00\x07"), june), (june,)]


@given(
    st.text(st.sampled_from("ab zéêœ€[]ж😀中'’\n"), max_size=400),
    st.sampled_from([["gsm", "ucs2"], ["gsm"], ["latin1", "ucs2"], ["gsm", "latin1"], ["latin1"]]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 1, 3]),
)
def test_the_analysis_counts_what_the_connection_sends(
    text: str, encodings: list[str], transliterates: bool, uses_payload: bool, maximum: int
) -> None:
    settings = SPEC.parse(
        SETTINGS
        | {
            "encodings": [{"data_coding": index, "encoding": name} for index, name in enumerate(encodings)],
            "transliterate": transliterates,
            "message_payload": uses_payload,
        }
    )
    message = OutboundMessage(1, number(1), "", text, 0, 0, 0, 0, 0, 1, MessageOptions(maximum_segments=maximum))
    sent = Dialect(settings).segments(message)
    measured = Measure.of(Way(SPEC, settings), maximum)(text)
    if isinstance(sent, Refused):
        assert measured in {"too_long", "unencodable"}
    else:
        assert not isinstance(measured, str)
        assert measured[1] == len(sent)
        assert measured[0] in {Encoding(name) for name in encodings}


# -- failures and crashes --------------------------------------------------------------------------------------------


def test_an_empty_list_gives_a_delivery_that_is_ready_for_nobody(stage: Stage) -> None:
    delivery = stage.analysed()
    assert (delivery.status, delivery.audience, counts(delivery)) == ("ready", 0, {})


def test_a_text_that_mentions_what_nobody_has_by_now_fails_with_the_reason(stage: Stage) -> None:
    delivery = stage.draft("Hello {{ nickname }}")
    with pytest.raises(ConfigError, match="nickname"):
        services.analyse_now(stage.organisation, delivery.pk, NOW_MS)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.audience) == ("failed", 0)
    assert "nickname" in delivery.error


def test_settings_that_cannot_be_read_fail_the_analysis(stage: Stage) -> None:
    delivery = stage.draft()
    Connection.objects.update(settings={"host": ""})
    with pytest.raises(ConfigError, match="account"):
        services.analyse_now(stage.organisation, delivery.pk, NOW_MS)
    delivery.refresh_from_db()
    assert delivery.status == "failed"


class Killed(BaseException):
    pass


def kill_after(batches: int) -> analysis.Beat:
    remaining = [batches]

    def beat() -> None:
        remaining[0] -= 1
        if remaining[0] == 0:
            raise Killed

    return beat


@pytest.mark.parametrize("batches", [1, 2, 3, 4])
def test_an_analysis_that_died_starts_anew_and_makes_nobody_twice(stage: Stage, batches: int) -> None:
    for index in range(30):
        stage.person(number(index // 2))
    delivery = stage.draft()
    stage.reset(delivery, status="analysing")
    with pytest.raises(Killed):
        analysis.analyse(Delivery.objects.get(pk=delivery.pk), kill_after(batches), batch_size=7)
    half = Delivery.objects.get(pk=delivery.pk)
    assert sum(counts(delivery).values()) == half.audience == batches * 7
    analysis.analyse(half, batch_size=7)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.audience) == ("ready", 30)
    assert counts(delivery) == {WAITING: 15, EXCLUDED: 15}
    assert_whole(delivery)


def test_an_analysis_that_was_given_up_as_dead_can_write_no_more(stage: Stage) -> None:
    for index in range(10):
        stage.person(number(index))
    delivery = stage.draft()
    stage.reset(delivery, status="analysing")
    others: list[Delivery] = []

    def taken_over() -> None:
        if not others:
            others.append(Delivery.objects.get(pk=delivery.pk))
            analysis.analyse(others[0], batch_size=3)

    with pytest.raises(LeaseLost):
        analysis.analyse(Delivery.objects.get(pk=delivery.pk), taken_over, batch_size=3)
    assert counts(delivery) == {WAITING: 10}
    assert_whole(delivery)


def test_an_analysis_ends_when_the_delivery_is_cancelled_under_it(stage: Stage) -> None:
    for index in range(10):
        stage.person(number(index))
    delivery = stage.draft()
    stage.reset(delivery, status="analysing")
    with pytest.raises(LeaseLost):
        analysis.analyse(
            Delivery.objects.get(pk=delivery.pk),
            lambda: stage.reset(delivery, status="cancelled"),
            batch_size=3,
        )
    assert_whole(delivery)
    assert counts(delivery) == {WAITING: 3}


def test_analysing_again_starts_from_nothing(stage: Stage) -> None:
    stage.person(number(1))
    delivery = stage.analysed()
    stage.person(number(2))
    again = services.analyse_now(stage.organisation, delivery.pk, NOW_MS)
    assert (again.audience, counts(delivery)) == (2, {WAITING: 2})
    assert_whole(delivery)


def test_other_deliveries_are_not_touched_by_an_analysis(stage: Stage) -> None:
    stage.person(number(1))
    first = stage.analysed()
    services.analyse_now(stage.organisation, stage.analysed().pk, NOW_MS)
    assert_whole(first)
    assert counts(first) == {WAITING: 1}


def test_a_preview_shows_what_the_first_people_would_get_and_keeps_nothing(stage: Stage) -> None:
    stage.person()
    stage.person(number(1), name="Zoë")
    stage.person(number(2))
    stage.block(number(2))
    delivery = stage.draft("Hi {{ name }}")
    prepared, excluded = services.preview(stage.organisation, delivery.pk, 5)
    assert isinstance(prepared, analysis.Prepared) and isinstance(excluded, analysis.Excluded)
    assert (prepared.recipient, prepared.body, prepared.encoding) == (number(1), "Hi Zoë", Encoding.UCS2)
    assert (excluded.recipient, excluded.reason) == (number(2), "quarantine")
    assert not Message.objects.exists()
    with pytest.raises(InvalidInput):
        services.preview(stage.organisation, delivery.pk, 0)
