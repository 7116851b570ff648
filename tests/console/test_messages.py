"""Messages at the console: found by whatever is in hand, told in plain words."""

from collections.abc import Callable

import pytest
from tests import row
from tests.console.browser import Browser
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation, User
from chappe.features.connections.models import Connection
from chappe.messaging import DeliveryState

NUMBER = "+33612345678"


@pytest.fixture
def north(organisation: Organisation) -> Connection:
    return row.connection(organisation.pk)


def delivered(north: Connection, number: int = 1, **values: object) -> None:
    given = {
        "connection_id": north.pk,
        "state": DeliveryState.DELIVERED,
        "sent_ms": NOW_MS + 100,
        "done_ms": NOW_MS + 900,
    }
    row.message(north.organisation_id, number, **(given | values))
    row.segment(
        number,
        connection_id=north.pk,
        provider_message_id=f"A{number}",
        status="DELIVRD",
        code="000",
        done_ms=NOW_MS + 900,
        state=DeliveryState.DELIVERED,
    )


@pytest.mark.parametrize("typed", [NUMBER, "33612345678", " +33612345678 "])
def test_a_number_leads_to_its_messages_and_a_message_to_its_way(typed: str, north: Connection, admin: Browser) -> None:
    delivered(north)
    found = admin.get("/messages/", q=typed)
    assert "Delivered" in found.text
    assert "North" in found.text
    (link,) = [one for one in found.links() if one == "/messages/1/"]
    told = admin.get(link).text
    assert "Segment 1 of 1 was taken by the provider under the id A1." in told
    assert "the provider reports DELIVRD 000" in told


def test_an_id_of_ours_leads_to_the_message_at_once(north: Connection, admin: Browser) -> None:
    delivered(north, 77)
    assert admin.get("/messages/", q="77").all("h1")[0].text == "Message 77"
    assert admin.get("/messages/", q="#77").all("h1")[0].text == "Message 77"


def test_the_provider_s_id_leads_to_the_message(north: Connection, admin: Browser) -> None:
    delivered(north, 5)
    found = admin.get("/messages/", q="A5")
    assert "/messages/5/" in found.links()
    assert "gave this id" in found.text


def test_a_message_of_a_delivery_leads_to_the_delivery(north: Connection, admin: Browser) -> None:
    delivered(north, delivery_id=4)
    assert "/deliveries/4/" in admin.get("/messages/1/").links()


def test_what_is_not_there_is_said_with_what_to_try(north: Connection, admin: Browser) -> None:
    assert "Nothing was found" in admin.get("/messages/", q="+33699999999").text


def test_many_messages_to_a_number_come_page_by_page(north: Connection, admin: Browser) -> None:
    for number in range(1, 61):
        delivered(north, number)
    first = admin.get("/messages/", q=NUMBER)
    assert "/messages/60/" in first.links()
    assert "/messages/10/" not in first.links()
    (following,) = [one.get("href", "") for one in first.find("a", rel="next")]
    second = admin.get(f"/messages/{following}")
    assert "/messages/10/" in second.links()
    assert "/messages/60/" not in second.links()


def test_numbers_and_texts_are_masked_for_those_who_may_not_see_them(
    north: Connection, browse_as: Callable[..., Browser]
) -> None:
    delivered(north)
    auditor = browse_as("auditor")
    for shown in (auditor.get("/messages/", q=NUMBER), auditor.get("/messages/1/")):
        assert "Your parcel" not in shown.text
        assert "hidden text of 19 characters" in shown.text
        assert "+33••••••678" in shown.text
    assert NUMBER.removeprefix("+") not in auditor.get("/messages/1/").html


def test_which_links_were_opened_is_shown_and_their_addresses_to_those_who_may_see_texts(
    north: Connection, admin: Browser, browse_as: Callable[..., Browser]
) -> None:
    delivered(north)
    row.click(1, 0, 2, url="https://shop.example/1234567890")
    row.click(1, 1, 0, 1)
    told = admin.get("/messages/1/").text
    assert "https://shop.example/1234567890 was opened 2 times" in told
    assert "A program looked at https://shop.example/sale" in told
    told = browse_as("auditor").get("/messages/1/").text
    assert "A link in its text was opened." in told
    assert "A program looked at a link in its text" in told
    assert "shop.example" not in told


def test_a_message_that_waits_says_why(north: Connection, admin: Browser) -> None:
    row.message(north.organisation_id, connection_id=north.pk)
    assert "No engine serves the connection North." in admin.get("/messages/1/").text


def test_a_message_is_told_in_french(north: Connection, admin: Browser) -> None:
    delivered(north)
    User.objects.filter(pk=admin.user.pk).update(language="fr")
    told = admin.get("/messages/1/").text
    assert "Livré" in told
    assert "le fournisseur" in told
    assert "Segment 1 of 1" not in told


def test_messages_of_another_organisation_are_not_there(north: Connection, stranger: Browser) -> None:
    delivered(north)
    assert stranger.get("/messages/1/").status == 404
    for wanted in (NUMBER, "1", "A1"):
        assert "/messages/1/" not in stranger.get("/messages/", q=wanted).links()


def test_a_cursor_that_is_none_is_refused_in_words(north: Connection, admin: Browser) -> None:
    shown = admin.get("/messages/", q=NUMBER, cursor="x")
    assert shown.status == 400
    assert "cannot be shown" in shown.text
