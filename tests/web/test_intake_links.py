"""Messages of the API whose links are followed: what is kept of that, how they are measured, and where it cannot be."""

from typing import Any

import msgspec
import pytest
from django.conf import settings
from tests.row import NOW_MS
from tests.web.desk import Desk
from tests.web.relay_operator import marketing
from tests.web.test_intake_channels import CARD, ESP, LETTER, TWILIO
from tests.web.test_intake_relay import bundle, given

from chappe.features.accounts.models import Organisation
from chappe.features.connections import services
from chappe.features.connections.models import Connection
from chappe.features.messages.models import Message
from chappe.features.relay.models import RelayLink
from chappe.messaging import MessageOptions
from chappe.rules.link import ELSEWHERE

SALE = "https://shop.example/sale/" + "summer-" * 20
FOLLOWED = {"follow_links": True}
BASE = "https://go.example.org/l/"


@pytest.fixture
def addressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that has an address for short links."""
    given = msgspec.structs.replace(settings.CONFIGURATION, link_url="https://go.example.org")
    monkeypatch.setattr(settings, "CONFIGURATION", given)


def options() -> MessageOptions | None:
    kept = Message.objects.get().options
    return msgspec.json.decode(kept, type=MessageOptions) if kept is not None else None


def test_a_text_is_kept_as_written_and_counted_as_it_goes_out(desk: Desk, north: Connection, addressed: None) -> None:
    text = f"See {SALE}, Marie"
    reply = desk.send(text=text, options=FOLLOWED)
    assert (reply.status, reply.json["segments"]) == (202, 1)
    row = Message.objects.get()
    assert (row.body, row.segments, options()) == (text, 1, MessageOptions(link_base=BASE))
    assert desk.send(text=text).json["segments"] == 2


def test_the_limit_of_segments_is_that_of_what_goes_out(desk: Desk, north: Connection, addressed: None) -> None:
    text = "https://a.example " * 8
    assert desk.send(text=text, options={"maximum_segments": 1}).status == 202
    refused = desk.send(text=text, options={"maximum_segments": 1, **FOLLOWED})
    assert refused.fields["text"] == "has 3 segments; options.maximum_segments is 1"


def test_links_are_not_followed_unless_that_is_asked_for(desk: Desk, north: Connection, addressed: None) -> None:
    desk.send(text=SALE, options={"follow_links": False})
    assert options() is None


def test_links_that_nothing_could_lead_to_are_not_followed(desk: Desk, north: Connection) -> None:
    reply = desk.send(text=SALE, options=FOLLOWED)
    assert (reply.status, list(reply.fields)) == (422, ["options.follow_links"])
    assert "CHAPPE_LINK_URL" in reply.fields["options.follow_links"]


def test_those_of_an_email_are_its_providers(desk: Desk, organisation: Organisation, addressed: None) -> None:
    services.create_connection(organisation.pk, "ESP", "esp", ESP, NOW_MS)
    reply = desk.send(to="jane@example.org", text=LETTER, options=FOLLOWED)
    assert list(reply.fields) == ["options.follow_links"]
    assert "e-mail" in reply.fields["options.follow_links"]


def test_of_a_content_the_text_alone_is_followed(desk: Desk, organisation: Organisation, addressed: None) -> None:
    services.create_connection(organisation.pk, "Twilio", "twilio", TWILIO, NOW_MS)
    assert desk.send(text=f"See {SALE}", options={"content": CARD, **FOLLOWED}).status == 202
    found = options()
    assert found is not None
    assert found.link_base == BASE


def test_what_is_handed_over_needs_no_address_here(desk: Desk, organisation: Organisation) -> None:
    values: dict[str, Any] = {"internal_name": "crm", "base_url": "https://mid.example", "operator": "sms"}
    services.create_connection(organisation.pk, "Mid", "relay", values | {"password": "a winter sea"}, NOW_MS)
    assert desk.send(text=SALE, options=FOLLOWED).status == 202
    assert options() == MessageOptions(link_base=ELSEWHERE)


@pytest.mark.parametrize(("base", "status"), [("https://go.mid.example/l/", 202), ("", 422)])
def test_what_is_handed_over_goes_by_what_mid_told_of_its_links(
    desk: Desk, organisation: Organisation, base: str, status: int
) -> None:
    values: dict[str, Any] = {"internal_name": "crm", "base_url": "https://mid.example", "operator": "sms"}
    made = services.create_connection(organisation.pk, "Mid", "relay", values | {"password": "a winter sea"}, NOW_MS)
    RelayLink.objects.create(connection_id=made.pk, mid_link_base=base)
    reply = desk.send(text=SALE, options=FOLLOWED)
    assert reply.status == status
    if status == 202:
        assert options() == MessageOptions(link_base=base)
    else:
        assert list(reply.fields) == ["options.follow_links"]


def test_mid_makes_links_of_its_own_for_what_is_handed_over(
    desk: Desk, organisation: Organisation, north: Connection, addressed: None
) -> None:
    north.internal_name = "sms_crm"
    north.save()
    assert bundle(desk, marketing(organisation), [given(7, SALE, options=FOLLOWED)]).status == 202
    assert options() == MessageOptions(link_base=BASE)


def test_mid_without_an_address_for_links_says_so_of_the_line(
    desk: Desk, organisation: Organisation, north: Connection
) -> None:
    north.internal_name = "sms_crm"
    north.save()
    reply = bundle(desk, marketing(organisation), [given(7, SALE, options=FOLLOWED), given(8, SALE)])
    assert (reply.status, list(reply.fields)) == (422, ["line 1: options.follow_links"])
