"""Deliveries whose links are followed: where that can be, what goes out, how it is measured, and what is told of it."""

import msgspec
import pytest
from tests import row
from tests.features.stage import Stage, number
from tests.linked import BASE, NEWS, SALE, URL, opened, set_address
from tests.row import NOW_MS

from chappe.features.connections.services import create_connection
from chappe.features.deliveries import proof, services
from chappe.features.deliveries.composer import compose
from chappe.features.deliveries.export import message_lines
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.options import Options
from chappe.features.deliveries.progress import fingerprint
from chappe.features.deliveries.sample import samples
from chappe.features.deliveries.services import Draft
from chappe.features.messages.models import Message
from chappe.features.refusal import InvalidInput
from chappe.features.relay.models import RelayLink
from chappe.features.templates import services as templates
from chappe.features.templates.services import Change
from chappe.gsm import Encoding, Unencodable, count
from chappe.messaging import ConfigError, DeliveryState, MessageOptions
from chappe.rules.link import ELSEWHERE, TOKEN, LinkSigner, measured

SIGNER = LinkSigner([b"k" * 32])
RELAY = {"internal_name": "summer", "base_url": "https://mid.example.org", "operator": "relais"}


@pytest.fixture
def stage(database: str) -> Stage:
    return Stage()


@pytest.fixture
def _address(monkeypatch: pytest.MonkeyPatch) -> None:
    set_address(monkeypatch)


addressed = pytest.mark.usefixtures("_address")


def messages(delivery: Delivery) -> list[Message]:
    return list(Message.objects.filter(delivery_id=delivery.pk).order_by("pk"))


def options(message: Message) -> MessageOptions:
    assert message.options is not None
    return msgspec.json.decode(bytes(message.options), type=MessageOptions)


def outgoing(message: Message) -> str:
    """The text as a worker makes it."""
    return SIGNER.shortened(message.body, options(message).link_base, message.pk)


def segments(text: str) -> int:
    try:
        return count(text, Encoding.GSM)
    except Unencodable:
        return count(text, Encoding.UCS2)


def refused(stage: Stage, **values: object) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        stage.draft(f"See {SALE}", **values)
    return {one.field: one.message for one in caught.value.errors}


# -- where it can be -------------------------------------------------------------------------------------------------


def test_an_installation_without_an_address_for_links_says_which_setting_it_lacks(stage: Stage) -> None:
    assert "CHAPPE_LINK_URL" in refused(stage, follow_links=True)["follow_links"]
    assert not Options.of(stage.draft(f"See {SALE}")).follow_links


@addressed
def test_links_in_email_are_its_providers(stage: Stage) -> None:
    esp = create_connection(stage.organisation, "Mail", "esp", {"url": "https://esp.example.org/send"}, NOW_MS)
    with pytest.raises(InvalidInput) as caught:
        stage.draft('{"to": "{{ user_identifier }}"}', connection_id=esp.pk, follow_links=True)
    assert {one.field: one.message for one in caught.value.errors} == {
        "follow_links": "cannot be done in e-mail: its provider does that"
    }


def test_who_hands_over_needs_no_address_and_leaves_the_links_to_mid(stage: Stage) -> None:
    mid = create_connection(stage.organisation, "Mid", "relay", RELAY, NOW_MS)
    stage.person(number(1))
    text = "x" * 110 + " https://shop.example/a/long/way/to/the/sale?of=the+summer"
    delivery = stage.analysed(text, connection_id=mid.pk, follow_links=True)
    (message,) = messages(delivery)
    assert (message.body, options(message).link_base) == (text, ELSEWHERE)
    assert delivery.segments == segments(measured(text, ELSEWHERE)) == 1
    assert segments(text) == 2


def through_mid(stage: Stage, base: str | None) -> int:
    """A connection to a mid that said what its links begin with, or did not."""
    mid = create_connection(stage.organisation, "Mid", "relay", RELAY, NOW_MS)
    RelayLink.objects.create(connection_id=mid.pk, mid_link_base=base)
    return mid.pk


@addressed
@pytest.mark.parametrize(
    ("base", "expected"), [(None, ELSEWHERE), ("https://a.io/l/", "https://a.io/l/"), (f"https://{'a' * 80}/l/",) * 2]
)
def test_what_is_handed_over_is_measured_with_the_links_of_who_makes_them(
    stage: Stage, base: str | None, expected: str
) -> None:
    """A text that fills its segment to the last character is sent, and one with a character more is not."""
    mid = through_mid(stage, base)
    stage.person(number(1))
    room = 160 - len(expected) - TOKEN
    terms = {"connection_id": mid, "follow_links": True, "maximum_segments": 1}
    delivery = stage.analysed("x" * (room - 1) + f" {SALE}", **terms)
    (message,) = messages(delivery)
    assert (delivery.segments, options(message).link_base) == (1, expected)
    assert [one.reason for one in samples(delivery, 1)] == [""]
    (none,) = messages(stage.analysed("x" * room + f" {SALE}", **terms))
    assert (none.state, none.reason) == (DeliveryState.EXCLUDED, "too_long")


def test_where_mid_has_no_address_for_links_they_cannot_be_followed_and_words_say_so(stage: Stage) -> None:
    mid = through_mid(stage, "")
    stage.person(number(1))
    assert "mid has no address" in refused(stage, connection_id=mid, follow_links=True)["follow_links"]
    RelayLink.objects.update(mid_link_base="https://a.io/l/")
    delivery = stage.draft(f"See {SALE}", connection_id=mid, follow_links=True)
    RelayLink.objects.update(mid_link_base="")
    with pytest.raises(ConfigError, match="mid has no address"):
        services.analyse_now(stage.organisation, delivery.pk, NOW_MS)
    assert stage.analysed(f"See {SALE}", connection_id=mid).segments == 1


@addressed
def test_an_address_that_is_gone_by_the_analysis_fails_it_in_words(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.person(number(1))
    delivery = stage.draft(f"See {SALE}", follow_links=True)
    set_address(monkeypatch, "")
    with pytest.raises(ConfigError, match="CHAPPE_LINK_URL"):
        services.analyse_now(stage.organisation, delivery.pk, NOW_MS)
    delivery.refresh_from_db()
    assert (delivery.status, "CHAPPE_LINK_URL" in delivery.error) == ("failed", True)
    assert not messages(delivery)


# -- what goes out ---------------------------------------------------------------------------------------------------


@addressed
@pytest.mark.parametrize(
    "text",
    [
        f"See {SALE}.",
        "x" * 120 + f" {SALE}?" + "y" * 200,
        f"{NEWS} " * 6,
        "https://shop.example/café?who={{ name }} for {{ name }}",
        "x" * 119 + " http://a.io",
        "no address at all " + "x" * 150,
        f"Ж {SALE}",
    ],
    ids=["one", "shorter", "many", "personal", "longer", "none", "unicode"],
)
def test_segments_are_those_of_the_text_that_goes_out(stage: Stage, text: str) -> None:
    for index, name in enumerate(["Ada", "Grace Hopper " * 9, "Ж"]):
        stage.person(number(index), name=name)
    delivery = stage.analysed(text, follow_links=True)
    found = messages(delivery)
    assert {options(one).link_base for one in found} == {BASE}
    assert [one.segments for one in found] == [segments(outgoing(one)) for one in found]
    assert delivery.segments == sum(one.segments for one in found)


@addressed
def test_the_text_is_kept_as_it_was_written(stage: Stage) -> None:
    stage.person(number(1), name="Ada")
    delivery = stage.analysed("{{ name }}: https://shop.example/sale?ref={{ phone }}", follow_links=True)
    (message,) = messages(delivery)
    assert message.body == f"Ada: https://shop.example/sale?ref={number(1)}"
    assert outgoing(message) == f"Ada: {BASE}{SIGNER.token(message.pk, 0)}"


@addressed
def test_without_the_option_nothing_is_said_of_links(stage: Stage) -> None:
    stage.person(number(1))
    delivery = stage.analysed(f"See {SALE}")
    (message,) = messages(delivery)
    assert (message.options, delivery.options) == (None, {})


@addressed
def test_a_limit_of_segments_counts_short_links(stage: Stage) -> None:
    stage.person(number(1))
    delivery = stage.analysed("x" * 100 + f" {SALE}?" + "y" * 100, follow_links=True, maximum_segments=1)
    assert (delivery.segments, services.report(stage.organisation, delivery.pk).exclusions) == (1, {})


@addressed
def test_a_proof_shows_what_goes_out(stage: Stage) -> None:
    stage.person(number(1))
    delivery = stage.draft(f"See {SALE}", follow_links=True)
    proof.send_proof(stage.organisation, delivery.pk, number(9), 0, NOW_MS)
    (message,) = Message.objects.all()
    assert (options(message).link_base, message.delivery_id) == (BASE, 0)


# -- what its writer is shown ----------------------------------------------------------------------------------------


@addressed
def test_samples_show_links_as_they_will_look(stage: Stage) -> None:
    stage.person(number(1), name="Ada")
    delivery = stage.draft(f"{{{{ name }}}}: {SALE} or {NEWS}.", follow_links=True)
    (found,) = samples(delivery, 1)
    begun, first, second = found.body.split(BASE)
    assert begun == "Ada: "
    assert first.removesuffix(" or ").isalnum()
    assert second.removesuffix(".").isalnum()
    assert first[:TOKEN] != second[:TOKEN]
    assert len(found.body) == len(measured(f"Ada: {SALE} or {NEWS}.", BASE))


@addressed
@pytest.mark.parametrize("is_somebody_there", [True, False])
def test_the_composer_counts_what_goes_out(stage: Stage, is_somebody_there: bool) -> None:
    if is_somebody_there:
        stage.person(number(1))
    text = "x" * 110 + f" {SALE}?" + "y" * 100
    given = Draft(label="x", list_id=stage.people.pk, connection_id=stage.connection.pk, body=text, follow_links=True)
    found = compose(stage.organisation, given, 0)
    assert found.sent is not None
    assert (found.sent.segments, found.used) == (1, 111 + len(BASE) + TOKEN)
    assert (BASE in found.text) == is_somebody_there
    assert (found.is_followed, found.lacks_links, found.is_linked_elsewhere) == (True, False, False)


@addressed
def test_the_composer_says_where_there_is_nothing_to_follow(stage: Stage) -> None:
    stage.person(number(1))
    given = Draft(
        label="x",
        list_id=stage.people.pk,
        connection_id=stage.connection.pk,
        body="www.shop.example",
        follow_links=True,
    )
    assert compose(stage.organisation, given, 0).lacks_links


# -- templates and duplicates ----------------------------------------------------------------------------------------


@addressed
def test_a_template_a_delivery_made_of_it_and_one_saved_as_it_keep_the_option(stage: Stage) -> None:
    made = templates.create_template(stage.organisation, Change(label="Shop", follow_links=True), NOW_MS)
    given = Draft(label="June", list_id=stage.people.pk, connection_id=stage.connection.pk, body="Hi")
    delivery = templates.create_delivery(stage.organisation, made.pk, given, NOW_MS)
    kept = templates.keep_delivery(stage.organisation, delivery.pk, Change(label="Kept"), NOW_MS)
    copy = services.duplicate_delivery(stage.organisation, delivery.pk, "Copy", NOW_MS)
    other = templates.create_template(stage.organisation, Change(label="Other"), NOW_MS, of=kept.pk)
    assert all(Options.of(one).follow_links for one in (made, delivery, kept, copy, other))
    plain = templates.create_template(stage.organisation, Change(label="Plain", follow_links=False), NOW_MS, of=kept.pk)
    assert not Options.of(plain).follow_links


def test_the_built_in_template_follows_nothing(stage: Stage) -> None:
    assert not Options.of(templates.built_in(stage.organisation)).follow_links


def test_a_template_for_a_connection_that_cannot_is_refused(stage: Stage) -> None:
    with pytest.raises(InvalidInput) as caught:
        templates.create_template(
            stage.organisation, Change(label="x", connection_id=stage.connection.pk, follow_links=True), NOW_MS
        )
    assert [one.field for one in caught.value.errors] == ["follow_links"]


# -- what was opened -------------------------------------------------------------------------------------------------


@pytest.fixture
def followed(stage: Stage, _address: None) -> Delivery:
    """Three people who have got two links each, of whom one opened both."""
    for index in range(3):
        stage.person(number(index))
    return stage.analysed(f"{SALE} or {NEWS}", follow_links=True)


def test_nobody_has_opened_anything_until_somebody_does(stage: Stage, followed: Delivery) -> None:
    before, seen = services.links_of(followed), fingerprint(stage.organisation, followed.pk)
    assert before is not None
    assert (before.people, before.links) == (0, [])
    opened(messages(followed)[0].pk)
    after = services.report(stage.organisation, followed.pk).links
    assert after is not None
    assert (after.people, [one.url for one in after.links]) == (1, [SALE])
    assert fingerprint(stage.organisation, followed.pk) != seen


def test_what_is_not_followed_has_no_figures(stage: Stage) -> None:
    stage.person(number(1))
    assert services.links_of(stage.analysed(f"See {SALE}")) is None


def test_a_delivery_that_stands_for_marketings_has_figures_once_something_is_opened(stage: Stage) -> None:
    delivery = stage.draft("Hi")
    row.message(stage.organisation, 77, delivery_id=delivery.pk)
    opened(77, is_machine=True)
    found = services.links_of(delivery)
    assert found is not None
    assert (found.people, found.machine_clicks) == (0, 1)


def test_the_file_of_messages_tells_how_often_each_was_opened(stage: Stage, followed: Delivery) -> None:
    first, _, third = messages(followed)
    for place, url in ((0, SALE), (1, NEWS), (0, SALE)):
        opened(first.pk, place, url)
    opened(third.pk, is_machine=True)
    heading, *lines = [line.strip().split(",") for line in message_lines(followed, str)]
    assert heading[-1] == "Clicks"
    assert [line[-1] for line in lines] == ["3", "0", "0"]
    plain = stage.draft("Hi")
    assert "Clicks" not in next(message_lines(plain, str))


def test_addresses_of_links_are_those_of_the_installation(stage: Stage, followed: Delivery) -> None:
    assert all(outgoing(one).count(URL) == 2 for one in messages(followed))
