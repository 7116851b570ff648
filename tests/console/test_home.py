"""The first page: what needs a person now, and how today goes."""

from collections.abc import Callable

import pytest
from tests.console.browser import Browser, Page
from tests.console.test_wall import counted, live
from tests.row import connection

from chappe.features.accounts.models import Organisation
from chappe.features.accounts.right import Role
from chappe.features.clock import now_ms
from chappe.features.connections.models import ErrorQualification
from chappe.features.contacts import services as contacts
from chappe.features.deliveries.models import Delivery
from chappe.features.messages.models import DeliveryCount
from chappe.messaging import DeliveryState, TrafficKind
from chappe.web.console.home import fingerprint


def notices(shown: Page) -> list[str]:
    """What needs a person, as it is told."""
    found = [one for one in shown.all("li") if (one.get("class") or "").startswith("notice ")]
    return [" ".join(" ".join(one.itertext()).split()) for one in found]


def test_who_has_no_connection_yet_is_told_what_to_do_first(admin: Browser) -> None:
    shown = admin.get("/").text
    assert "First steps" in shown
    assert "Connect your provider" in shown


def test_where_all_is_well_the_page_says_so(admin: Browser, organisation: Organisation) -> None:
    live(connection(organisation.pk).pk)
    shown = admin.get("/")
    assert "All is well" in shown.text
    assert notices(shown) == []


def test_what_needs_a_person_is_told_with_where_to_look(admin: Browser, organisation: Organisation) -> None:
    north = connection(organisation.pk)
    live(north.pk, "down")
    counted(organisation.pk, north.pk, TrafficKind.UNMATCHED, 1234)
    shown = admin.get("/")
    assert notices(shown) == [
        "1 connection with links that are down North",
        "1,234 receipts since yesterday that are for no message of ours North",
    ]
    assert shown.links().count(f"/connections/{north.pk}/performance/") == 2


def test_a_concern_about_several_leads_to_all_of_them(admin: Browser, organisation: Organisation) -> None:
    connection(organisation.pk)
    connection(organisation.pk, "South")
    shown = admin.get("/")
    assert notices(shown) == ["2 connections that no engine serves North, South"]


def test_today_is_counted_and_drawn(admin: Browser, organisation: Organisation) -> None:
    north = connection(organisation.pk)
    live(north.pk)
    for kind, messages in ((TrafficKind.SENT, 2000), (TrafficKind.DELIVERED, 1500), (TrafficKind.OPT_OUT, 7)):
        counted(organisation.pk, north.pk, kind, messages)
    shown = admin.get("/")
    assert "Sent 2,000" in shown.text
    assert "Delivered 1,500 75.0% of what was sent" in shown.text
    assert "Opted out 7" in shown.text
    assert len(shown.all("{http://www.w3.org/2000/svg}rect")) == 1


def test_running_deliveries_are_told_with_their_progress(admin: Browser, organisation: Organisation) -> None:
    north = connection(organisation.pk)
    live(north.pk)
    people = contacts.create_list(organisation.pk, "Customers", now_ms())
    delivery = Delivery.objects.create(
        organisation=organisation,
        label="June offers",
        contact_list=people,
        connection=north,
        body="Hello",
        status="sending",
        audience=5000,
    )
    DeliveryCount.objects.create(delivery_id=delivery.pk, state=DeliveryState.DELIVERED, messages=1200)
    shown = admin.get("/")
    assert "June offers Sending North 1,200 of 5,000" in shown.text
    (bar,) = shown.all("progress")
    assert (bar.get("max"), bar.get("value"), bar.get("aria-label")) == ("5000", "1200", "Progress of June offers")


def test_the_page_keeps_itself_fresh(admin: Browser, organisation: Organisation) -> None:
    north = connection(organisation.pk)
    live(north.pk)
    shown = admin.get("/")
    (watched,) = [address for one in shown.all("div") if (address := one.get("sse-connect"))]
    assert watched.startswith("/live/home/0?seen=")
    before = fingerprint(organisation.pk, 0)
    counted(organisation.pk, north.pk, TrafficKind.SENT, 1)
    assert before[1:] != fingerprint(organisation.pk, 0)[1:]  # type: ignore[index]


@pytest.mark.parametrize("role", list(Role))
def test_each_role_is_told_what_it_may_look_into(
    browse_as: Callable[..., Browser], organisation: Organisation, role: Role
) -> None:
    connection(organisation.pk)
    ErrorQualification.objects.create(organisation_id=organisation.pk, kind="soft", text="SR x")
    told = notices(browse_as(role.value).get("/"))
    assert any("that no engine serves" in one for one in told)
    may_qualify = role in (Role.OPERATOR, Role.ADMINISTRATOR)
    assert any("nobody has given a meaning" in one for one in told) is may_qualify


def test_a_stranger_is_told_nothing_of_it(stranger: Browser, organisation: Organisation) -> None:
    connection(organisation.pk)
    assert "North" not in stranger.get("/").text


def test_the_page_is_told_in_french(browse_as: Callable[..., Browser], organisation: Organisation) -> None:
    connection(organisation.pk)
    shown = browse_as(language="fr").get("/")
    assert "Ce qui vous attend" in shown.text
    assert notices(shown) == ["1 connexion qu’aucun moteur ne sert North"]
