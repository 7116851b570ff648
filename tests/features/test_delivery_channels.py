"""Deliveries through connections of every kind of provider."""

import hashlib
import json
from typing import Any

import pytest
from tests.features.stage import Stage, assert_whole, exclusions, number
from tests.row import NOW_MS

from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection
from chappe.features.connections.services import Change
from chappe.features.consent.models import Quarantine
from chappe.features.contacts import services as contacts
from chappe.features.contacts.models import Contact
from chappe.features.contacts.services import Details
from chappe.features.deliveries import analysis, services
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.services import Draft
from chappe.features.messages.models import DeliveryCount, Message
from chappe.features.refusal import InvalidInput
from chappe.messaging import DeliveryState

TWILIO: dict[str, Any] = {"account_sid": "AC" + "1" * 32, "auth_token": "2" * 32, "sender": "+15005550006"}
LETTER = '{"to": "{{ user_identifier }}", "name": "{{ name }}", "age": {{ age }}}'
CARD: dict[str, Any] = {
    "type": "card",
    "title": "Boots for {{ name }}",
    "media": {"type": "media", "url": "https://img.example.org/{{ name }}.png"},
}
PAYLOAD = (
    '{"to": "{{toNumber}}", "text": "{{message}}", "name": "{{profile.name}}", '
    '"campaign": "{{delivery.name}}", "rich": {{content}}}'
)


@pytest.fixture
def stage(database: str) -> Stage:
    return Stage()


def connect(stage: Stage, provider: str, **settings: Any) -> Connection:
    """Deliveries of the stage go through this connection from here on."""
    first = {"esp": {"url": "https://esp.example.org/send"}, "custom": {"url": "https://api.example.org"}}
    values = first.get(provider, TWILIO) | settings
    name = f"{provider} {len(Connection.objects.all())}"
    stage.connection = connections.create_connection(stage.organisation, name, provider, values, NOW_MS)
    return stage.connection


def person(stage: Stage, email: str = "", **values: Any) -> Contact:
    """Somebody on the list who has an address, or gave one that is none."""
    attributes = values.pop("attributes", {})
    made = Contact.objects.create(
        organisation_id=stage.organisation,
        email=email if "@" in email else "",
        email_raw=email,
        attributes=attributes,
        **values,
    )
    contacts.add_members(stage.organisation, stage.people.pk, [made.pk])
    return made


def texts(delivery: Delivery) -> list[tuple[str, str]]:
    rows = Message.objects.filter(delivery_id=delivery.pk, state=DeliveryState.WAITING).order_by("recipient")
    return list(rows.values_list("recipient", "body"))


def options(delivery: Delivery) -> list[Any]:
    rows = Message.objects.filter(delivery_id=delivery.pk, state=DeliveryState.WAITING).order_by("recipient")
    return [None if found is None else json.loads(bytes(found)) for found in rows.values_list("options", flat=True)]


def refused(stage: Stage, body: str = "Hello", **values: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        stage.draft(body, **values)
    return {error.field: error.message for error in caught.value.errors}


# -- vendors ---------------------------------------------------------------------------------------------------------


def test_a_vendor_takes_texts_of_any_length_and_splits_them_by_itself(stage: Stage) -> None:
    connect(stage, "twilio")
    stage.person(number(1), name="x" * 160)
    stage.person(number(2), name="日")
    delivery = stage.analysed("Hi {{ name }}", sender="MG" + "a" * 32)
    assert (delivery.encodings, delivery.segments) == ({"gsm": 1, "ucs2": 1}, 3)
    assert set(Message.objects.values_list("channel", "sender")) == {("sms", "MG" + "a" * 32)}
    assert_whole(delivery)


def test_what_only_smpp_has_is_refused_for_a_vendor(stage: Stage) -> None:
    connect(stage, "twilio")
    tlvs = [{"label": "x", "tag": "0x1400", "value": "1"}]
    errors = refused(stage, service_id="7", tlvs=tlvs, transmission_mode=1, sender="a name that is too long")
    assert {"service_id", "tlvs", "transmission_mode", "sender"} == errors.keys()
    assert refused(stage, service_id="7").keys() == {"service_id"}


# -- e-mail ----------------------------------------------------------------------------------------------------------


def test_a_list_is_walked_by_address_and_everybody_gets_the_json_of_their_own(stage: Stage) -> None:
    connect(stage, "esp")
    person(stage, "zoe@example.org", attributes={"name": 'Zoë "Z"\n', "age": 7}, phone=number(1))
    person(stage, "jane@example.org", attributes={"name": "Jane"})
    delivery = stage.analysed(LETTER)
    assert (delivery.encodings, delivery.segments, delivery.audience) == ({"utf-8": 2}, 2, 2)
    assert [(recipient, json.loads(body)) for recipient, body in texts(delivery)] == [
        ("jane@example.org", {"to": "jane@example.org", "name": "Jane", "age": None}),
        ("zoe@example.org", {"to": "zoe@example.org", "name": 'Zoë "Z"\n', "age": 7}),
    ]
    assert set(Message.objects.values_list("channel", flat=True)) == {"email"}
    assert_whole(delivery)


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_nobody_is_left_out_without_a_reason(stage: Stage, batch: int) -> None:
    connect(stage, "esp")
    for index in range(3):
        person(stage, phone=number(index))
        person(stage, f"p{index}@example.org")
    person(stage, "no address", phone=number(1))
    person(stage, "p1@example.org")
    Quarantine.objects.create(
        organisation_id=stage.organisation, address="p2@example.org", channel="email", status="denylisted"
    )
    Quarantine.objects.create(
        organisation_id=stage.organisation, address="p0@example.org", channel="sms", status="denylisted"
    )
    delivery = stage.draft('{"to": "{{ email }}"}')
    stage.reset(delivery, status="analysing")
    analysis.analyse(delivery, batch_size=batch)
    assert exclusions(delivery) == {"bad_address": 4, "duplicate": 1, "denylisted": 1}
    assert [recipient for recipient, _ in texts(delivery)] == ["p0@example.org", "p1@example.org"]
    assert "no address" in Message.objects.values_list("recipient", flat=True)
    assert_whole(delivery)


@pytest.mark.parametrize(
    ("kind", "identifier"),
    [
        ("email", "jane@example.org"),
        ("hashed_email", hashlib.sha256(b"jane@example.org").hexdigest()),
        ("external_id", "C7"),
        ("phone", number(1)),
        ("attribute", "77"),
    ],
)
def test_people_are_named_as_the_provider_knows_them(stage: Stage, kind: str, identifier: str) -> None:
    connect(stage, "esp", identifier_type=kind, identifier_attribute="customer")
    person(stage, "jane@example.org", external_id="C7", phone=number(1), attributes={"customer": 77})
    person(stage, "jo@example.org")
    delivery = stage.analysed('{"to": "{{ user_identifier }}"}')
    assert json.loads(texts(delivery)[0][1]) == {"to": identifier}
    known_by_address = kind in ("email", "hashed_email")
    assert exclusions(delivery) == ({} if known_by_address else {"no_identifier": 1})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "is needed"),
        ("Hello {{ user_identifier }}", "the payload is not JSON"),
        ('{"to": "everybody"}', "mentions no {{ user_identifier }}"),
        ('{"to": "{{ user_identifier }}", "x": "{{ shoe }}"}', "there is no value shoe"),
        ('{"to": "{{ user_identifier }"}', "line 1"),
    ],
)
def test_a_letter_that_cannot_be_sent_is_refused_when_it_is_saved(stage: Stage, body: str, words: str) -> None:
    connect(stage, "esp")
    contacts.create_contact(
        stage.organisation, Details(email="a@example.org", attributes={"name": "A"}), [stage.people.pk], NOW_MS
    )
    assert words in refused(stage, body)["body"]


def test_a_preview_shows_letters(stage: Stage) -> None:
    connect(stage, "esp")
    person(stage, phone=number(1))
    person(stage, "jane@example.org")
    (found,) = services.preview(stage.organisation, stage.draft('{"to": "{{ user_identifier }}"}').pk, 5)
    assert isinstance(found, analysis.Prepared)
    assert (found.recipient, found.body) == ("jane@example.org", '{"to": "jane@example.org"}')


# -- a custom provider -----------------------------------------------------------------------------------------------


def test_a_payload_that_mentions_them_gets_the_person_and_the_delivery(stage: Stage) -> None:
    connect(stage, "custom", payload=PAYLOAD)
    stage.person(number(1), name="Zoë", age=7, secret="x")
    stage.person(number(2), secret="x")
    assert options(stage.analysed("Hello")) == [
        {"profile": {"name": "Zoë"}, "delivery_name": "June"},
        {"profile": {}, "delivery_name": "June"},
    ]


def test_a_payload_that_mentions_neither_gets_neither(stage: Stage) -> None:
    connect(stage, "custom")
    stage.person(number(1), name="Zoë")
    assert options(stage.analysed("Hello {{ name }}")) == [None]


def test_a_profile_mentioned_as_a_whole_is_given_as_a_whole(stage: Stage) -> None:
    whole = '{"to": "{{toNumber}}", "text": "{{message}}", "who": {{ profile }}}'
    connect(stage, "custom", payload=whole)
    stage.person(number(1), name="Zoë", age=7, vip=True, none=None)
    assert options(stage.analysed("Hello")) == [{"profile": {"name": "Zoë", "age": "7", "vip": "true"}}]


# -- content ---------------------------------------------------------------------------------------------------------


def test_content_mentions_the_person_and_goes_by_rcs(stage: Stage) -> None:
    connect(stage, "custom")
    stage.person(number(1), name="Zoë")
    delivery = stage.analysed("Boots, {{ name }}", content=CARD)
    assert (delivery.encodings, delivery.segments) == ({"utf-8": 1}, 1)
    assert texts(delivery) == [(number(1), "Boots, Zoë")]
    (found,) = options(delivery)
    assert found["content"]["title"] == "Boots for Zoë"
    assert found["content"]["media"]["url"] == "https://img.example.org/Zoë.png"
    assert Message.objects.get().channel == "rcs"


def test_without_rcs_the_text_goes_out_alone(stage: Stage) -> None:
    connect(stage, "twilio")
    stage.person(number(1), name="Jo")
    delivery = stage.analysed("Boots, {{ name }}", content=CARD)
    assert (delivery.encodings, options(delivery), Message.objects.get().channel) == ({"gsm": 1}, [None], "sms")


def test_content_that_cannot_be_made_for_somebody_leaves_them_out(stage: Stage) -> None:
    connect(stage, "custom")
    stage.person(number(1), name="Zoë Z")
    stage.person(number(2), name="Jo")
    delivery = stage.analysed("Boots", content=CARD)
    assert exclusions(delivery) == {"render_error": 1}


def test_an_mms_goes_to_numbers(stage: Stage) -> None:
    connect(stage, "custom")
    stage.person(number(1))
    mms = {"type": "mms", "title": "Boots", "url": "https://img.example.org/boots.png"}
    delivery = stage.analysed("Boots", content=mms)
    assert (options(delivery), Message.objects.get().channel) == ([{"content": mms}], "sms")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"type": "poem"}, "content.type"),
        ({"type": "card"}, "content"),
        ({"type": "text", "text": "{{ shoe }}"}, "content"),
        ({"type": "text", "text": "{{"}, "content"),
        ({"type": "text", "text": 7}, "content.text"),
        ({"type": "media", "url": "ftp://x"}, "content.url"),
    ],
)
def test_content_that_is_none_is_refused(stage: Stage, content: dict[str, Any], field: str) -> None:
    connect(stage, "custom")
    contacts.create_contact(
        stage.organisation, Details(phone="+33612345678", attributes={"name": "A"}), [stage.people.pk], NOW_MS
    )
    assert list(refused(stage, content=content)) == [field]


# -- which connection ------------------------------------------------------------------------------------------------


def test_a_delivery_that_names_no_connection_uses_the_first_of_its_channel(stage: Stage) -> None:
    north, custom, esp = stage.connection, connect(stage, "custom"), connect(stage, "esp")
    assert stage.draft(connection_id=None).connection == north
    assert stage.draft(connection_id=None, content=CARD | {"title": "x"}).connection == custom
    assert stage.draft('{"to": "{{ email }}"}', connection_id=None, channel="email").connection == esp
    connections.change_connection(stage.organisation, north.pk, Change(is_enabled=False), NOW_MS)
    assert stage.draft(connection_id=None).connection == custom
    assert refused(stage, connection_id=None, channel="fax").keys() == {"channel"}
    Connection.objects.update(is_enabled=False)
    assert refused(stage, connection_id=None).keys() == {"connection_id"}


# -- warnings and counts ---------------------------------------------------------------------------------------------


def test_a_name_as_sender_is_warned_of(stage: Stage) -> None:
    assert services.warnings_of(stage.draft()) == []
    assert services.warnings_of(stage.draft(sender="+33612345678")) == []
    (warning,) = services.warnings_of(stage.draft(sender="Relais"))
    assert "unsubscribe" in warning
    connect(stage, "twilio", sender="Relais")
    assert services.warnings_of(stage.draft()) == [warning]
    assert services.warnings_of(stage.draft(sender="12345")) == []
    connect(stage, "esp")
    assert services.warnings_of(stage.draft('{"to": "{{ email }}"}', sender="Relais")) == []


def test_who_has_read_a_message_got_it(stage: Stage) -> None:
    stage.person(number(1))
    delivery = stage.analysed()
    DeliveryCount.objects.filter(delivery_id=delivery.pk).delete()
    for state, messages in ((DeliveryState.DELIVERED, 3), (DeliveryState.READ, 2), (DeliveryState.SENT, 1)):
        DeliveryCount.objects.create(delivery_id=delivery.pk, state=state, messages=messages)
    report = services.report(stage.organisation, delivery.pk)
    assert (report.delivered, report.read, sum(report.states.values())) == (5, 2, 6)


def test_a_draft_without_a_connection_of_its_own_is_kept_with_the_one_it_got(stage: Stage) -> None:
    made = services.create_delivery(
        stage.organisation, Draft(label="June", list_id=stage.people.pk, body="Hello"), NOW_MS
    )
    assert Delivery.objects.get(pk=made.pk).connection == stage.connection
