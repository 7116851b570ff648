"""Messages through connections of every kind of provider: numbers, e-mail addresses, what RCS and MMS carry."""

import hashlib
import json
from typing import Any

import pytest
from tests.row import NOW_MS
from tests.web.desk import Desk

from chappe.features.accounts.models import Organisation
from chappe.features.connections import services
from chappe.features.connections.models import Connection
from chappe.features.connections.replacement import replace_connection
from chappe.features.connections.services import Change
from chappe.features.consent.models import Quarantine
from chappe.features.contacts import services as contacts
from chappe.features.contacts.services import Details
from chappe.features.messages.models import Message, Outbox
from chappe.messaging import Channel

TWILIO: dict[str, Any] = {"account_sid": "AC" + "1" * 32, "auth_token": "2" * 32, "sender": "+15005550006"}
ESP: dict[str, Any] = {"url": "https://esp.example.org/send"}
CUSTOM: dict[str, Any] = {"url": "https://api.example.org/send"}
JANE = "jane@example.org"
LETTER = '{"to": "{{ user_identifier }}", "template": 7}'
CARD = {"type": "card", "title": "Boots", "media": {"type": "media", "url": "https://img.example.org/boots.png"}}


@pytest.fixture
def twilio(organisation: Organisation) -> Connection:
    return services.create_connection(organisation.pk, "Twilio", "twilio", TWILIO, NOW_MS)


@pytest.fixture
def custom(organisation: Organisation) -> Connection:
    return services.create_connection(organisation.pk, "Custom", "custom", CUSTOM, NOW_MS)


def esp(organisation: Organisation, **settings: str) -> Connection:
    return services.create_connection(organisation.pk, "ESP", "esp", ESP | settings, NOW_MS)


def stored() -> Message:
    return Message.objects.get()


def test_a_vendor_splits_texts_by_itself_in_gsm_or_ucs2(desk: Desk, twilio: Connection) -> None:
    found = [desk.send(text=text).json for text in ("x" * 161, "à 5 €", "日" * 71, "œuf")]
    assert [(one["encoding"], one["segments"]) for one in found] == [("gsm", 2), ("gsm", 1), ("ucs2", 2), ("ucs2", 1)]
    assert set(Message.objects.values_list("connection_id", "channel")) == {(twilio.pk, "sms")}
    assert Outbox.objects.count() > 0


def test_a_sender_is_checked_as_its_provider_wants_it(desk: Desk, twilio: Connection, custom: Connection) -> None:
    service = "MG" + "a" * 32
    assert desk.send(sender=service).status == 202
    assert stored().sender == service
    assert list(desk.send(sender="a name that is too long").fields) == ["sender"]
    assert desk.send(sender="x" * 64, connection_id=custom.pk).status == 202
    assert list(desk.send(sender="x" * 65, connection_id=custom.pk).fields) == ["sender"]


def test_what_only_smpp_has_is_refused_elsewhere(desk: Desk, twilio: Connection) -> None:
    reply = desk.send(options={"service_id": "7", "transmission_mode": 1})
    assert set(reply.fields) == {"options.service_id", "options.transmission_mode"}


def test_an_email_message_is_the_json_of_the_provider(desk: Desk, organisation: Organisation) -> None:
    made = esp(organisation)
    reply = desk.send(" Jane@Example.ORG", LETTER)
    assert reply.status == 202, reply.text
    assert (reply.json["encoding"], reply.json["segments"], reply.json["state"]) == ("utf-8", 1, "waiting")
    row = stored()
    assert (row.recipient, row.channel, row.connection_id) == (JANE, "email", made.pk)
    assert json.loads(row.body) == {"to": JANE, "template": 7}


@pytest.mark.parametrize(
    ("to", "text", "field", "words"),
    [
        ("+33612345678", LETTER, "to", "must be an e-mail address"),
        ("jane@", LETTER, "to", "must be an e-mail address"),
        (JANE, "Hello", "text", "is not JSON: line 1, column 1"),
        (JANE, '{"to": {{ user_identifier }}}', "text", "is not JSON"),
        (JANE, "[" * 9_000, "text", "is not JSON"),
    ],
)
def test_what_no_email_provider_takes_is_refused(
    desk: Desk, organisation: Organisation, to: str, text: str, field: str, words: str
) -> None:
    reply = desk.send(to, text, connection_id=esp(organisation).pk)
    assert reply.status == 422
    assert reply.fields[field].startswith(words)


def test_an_address_in_quarantine_is_not_written_to(desk: Desk, organisation: Organisation) -> None:
    esp(organisation)
    Quarantine.objects.create(organisation_id=organisation.pk, address=JANE, channel="sms", status="quarantine")
    assert desk.send(JANE, "{}").json["state"] == "waiting"
    Quarantine.objects.create(organisation_id=organisation.pk, address=JANE, channel="email", status="denylisted")
    assert desk.send(JANE, "{}").json["reason"] == "denylisted"


def test_a_person_is_named_as_the_provider_knows_them(desk: Desk, organisation: Organisation) -> None:
    details = {"email": JANE, "phone": "+33612345678", "attributes": {"number": 'a"7'}}
    contacts.create_contact(organisation.pk, Details(email=JANE), (), NOW_MS)
    contacts.create_contact(organisation.pk, Details(external_id="C7", **details), (), NOW_MS)  # type: ignore[arg-type]
    wanted = {
        "email": JANE,
        "hashed_email": hashlib.sha256(JANE.encode()).hexdigest(),
        "external_id": "C7",
        "phone": "+33612345678",
        "attribute": 'a"7',
    }
    for kind, identifier in wanted.items():
        settings = ESP | {"identifier_type": kind, "identifier_attribute": "number"}
        made = services.create_connection(organisation.pk, kind, "esp", settings, NOW_MS)
        reply = desk.send(JANE, LETTER, connection_id=made.pk)
        assert reply.status == 202, reply.text
        assert json.loads(Message.objects.get(pk=reply.json["id"]).body)["to"] == identifier


def test_a_person_whom_the_provider_does_not_know_is_left_out(desk: Desk, organisation: Organisation) -> None:
    esp(organisation, identifier_type="external_id")
    contacts.create_contact(organisation.pk, Details(email=JANE), (), NOW_MS)
    reply = desk.send(JANE, LETTER)
    assert (reply.json["state"], reply.json["reason"]) == ("excluded", "no_identifier")
    assert desk.send(JANE, '{"to": "somebody else"}').json["state"] == "waiting"


def test_another_organisations_people_lend_no_identifier(desk: Desk, organisation: Organisation) -> None:
    esp(organisation, identifier_type="external_id")
    other = Organisation.objects.create(name="Other")
    contacts.create_contact(other.pk, Details(email=JANE, external_id="X"), (), NOW_MS)
    assert desk.send(JANE, LETTER).json["reason"] == "no_identifier"


def test_content_goes_by_rcs_where_the_provider_has_it_and_as_a_text_elsewhere(
    desk: Desk, custom: Connection, twilio: Connection
) -> None:
    reply = desk.send(text="Boots are here", options={"content": CARD}, connection_id=custom.pk)
    assert (reply.json["encoding"], reply.json["segments"]) == ("utf-8", 1)
    row = stored()
    assert (row.channel, row.body) == ("rcs", "Boots are here")
    assert json.loads(bytes(row.options or b""))["content"]["title"] == "Boots"
    reply = desk.send(text="Boots are here", options={"content": CARD}, connection_id=twilio.pk)
    row = Message.objects.get(pk=reply.json["id"])
    assert (row.channel, row.options, reply.json["encoding"]) == ("sms", None, "gsm")


def test_content_picks_the_first_connection_that_carries_it(
    desk: Desk, twilio: Connection, custom: Connection, database: str
) -> None:
    assert desk.send(options={"content": CARD}).status == 202
    assert stored().connection_id == custom.pk
    services.change_connection(custom.organisation_id, custom.pk, Change(is_enabled=False), NOW_MS)
    other = Desk(database, desk.key)
    try:
        assert other.send(options={"content": CARD}).status == 202
    finally:
        other.close()
    assert list(Message.objects.order_by("pk").values_list("connection_id", "channel"))[1] == (twilio.pk, "sms")


def test_an_mms_goes_to_a_number_as_a_text_does(desk: Desk, custom: Connection) -> None:
    content = {"type": "mms", "title": "Boots", "url": "https://img.example.org/boots.png"}
    assert desk.send(options={"content": content}).json["encoding"] == "utf-8"
    assert stored().channel == "sms"


def test_content_is_not_for_email(desk: Desk, organisation: Organisation) -> None:
    esp(organisation)
    assert list(desk.send(JANE, "{}", options={"content": CARD}).fields) == ["options.content"]


def test_a_message_goes_by_the_first_connection_of_its_channel(
    desk: Desk, organisation: Organisation, twilio: Connection
) -> None:
    reply = desk.send(JANE, "{}")
    assert reply.fields == {"connection_id": "there is no enabled connection for email"}
    made = esp(organisation)
    assert desk.send(JANE, "{}").status == 202
    assert desk.send().status == 202
    assert list(Message.objects.order_by("pk").values_list("connection_id", flat=True)) == [made.pk, twilio.pk]
    assert services.default_connection(organisation.pk, Channel.EMAIL) == made


def test_a_connection_without_its_secrets_is_passed_over(desk: Desk, twilio: Connection, custom: Connection) -> None:
    Connection.objects.filter(pk=twilio.pk).update(secrets=b"")
    assert desk.send().status == 202
    assert stored().connection_id == custom.pk
    assert desk.send(connection_id=twilio.pk).status == 422


def test_messages_that_name_a_connection_which_was_replaced_go_by_the_new_one(
    desk: Desk, twilio: Connection, custom: Connection
) -> None:
    second = replace_connection(twilio.organisation_id, twilio.pk, {}, NOW_MS)
    third = replace_connection(twilio.organisation_id, second.pk, {}, NOW_MS)
    for number in (twilio.pk, second.pk, third.pk):
        assert desk.send(connection_id=number).status == 202
    assert set(Message.objects.values_list("connection_id", flat=True)) == {third.pk}
