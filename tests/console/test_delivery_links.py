"""Links of deliveries at the console: the box in the editors, what the composer shows, and what the report tells."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from tests.console.browser import Browser, Page
from tests.console.delivery_stage import typed
from tests.features.stage import Stage, number
from tests.linked import BASE, NEWS, SALE, opened, set_address
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.connections.services import create_connection
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.options import Options
from chappe.features.messages.models import DeliveryCount, Message
from chappe.features.relay.models import RelayLink
from chappe.features.settings import retention
from chappe.features.settings.services import Change, change_settings
from chappe.features.templates import services as templates
from chappe.features.templates.models import DeliveryTemplate
from chappe.messaging import DeliveryState

RELAY = {"internal_name": "summer", "base_url": "https://mid.example.org", "operator": "relais"}
TEXT = f"See {SALE}?ref=42"


@pytest.fixture
def stage(database: str) -> Stage:
    return Stage()


@pytest.fixture
def organisation(stage: Stage) -> Organisation:
    return Organisation.objects.get(pk=stage.organisation)


@pytest.fixture
def marketer(browse_as: Callable[..., Browser]) -> Browser:
    return browse_as("marketer")


@pytest.fixture
def _address(monkeypatch: pytest.MonkeyPatch) -> None:
    set_address(monkeypatch)


addressed = pytest.mark.usefixtures("_address")


def filled(stage: Stage, **values: Any) -> dict[str, Any]:
    return typed(stage.people.pk, stage.connection.pk, **{"body": TEXT, **values})


def composed(browser: Browser, stage: Stage, **values: Any) -> Page:
    """The panel beside a text."""
    return browser.post("/deliveries/composer/", filled(stage, **values), HTTP_HX_REQUEST="true")


def box(page: Page) -> dict[str, str]:
    """The attributes of the box."""
    (found,) = page.find("input", name="follow_links")
    return dict(found.attrib)


def sent(stage: Stage, people: int = 4, **values: Any) -> Delivery:
    """A delivery that is over: everybody got it."""
    for index in range(people):
        stage.person(number(index))
    delivery = stage.analysed(f"{SALE}?who={{{{ phone }}}} or {NEWS}", **values)
    stage.reset(delivery, status="finished", started_ms=NOW_MS, finished_ms=NOW_MS + 1000)
    Message.objects.filter(delivery_id=delivery.pk).update(state=DeliveryState.DELIVERED)
    DeliveryCount.objects.filter(delivery_id=delivery.pk).delete()
    DeliveryCount.objects.create(delivery_id=delivery.pk, state=DeliveryState.DELIVERED, messages=people)
    return delivery


def ids(delivery: Delivery) -> list[int]:
    return list(Message.objects.filter(delivery_id=delivery.pk).order_by("pk").values_list("pk", flat=True))


def rows_of(browser: Browser, path: str) -> list[list[str]]:
    """A file of a page, as a spreadsheet reads it."""
    text = b"".join(browser.client.get(path).streaming_content).decode()
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


# -- the editors -----------------------------------------------------------------------------------------------------


@addressed
def test_a_box_has_links_followed_and_says_how_long_they_will_be(stage: Stage, marketer: Browser) -> None:
    page = marketer.get("/deliveries/new/")
    assert "checked" not in box(page)
    assert f"short links of {len(BASE) + 16} characters that begin with {BASE}" in page.text
    marketer.post("/deliveries/new/", filled(stage, follow_links="on"))
    made = Delivery.objects.get()
    assert Options.of(made).follow_links
    assert "checked" in box(marketer.get(f"/deliveries/{made.pk}/edit/"))
    assert "followed, as short links" in marketer.get(f"/deliveries/{made.pk}/").text
    marketer.post(f"/deliveries/{made.pk}/edit/", filled(stage))
    made.refresh_from_db()
    assert not Options.of(made).follow_links


def test_without_an_address_the_box_cannot_be_ticked_and_the_page_says_why(stage: Stage, marketer: Browser) -> None:
    page = marketer.get("/deliveries/new/")
    assert "disabled" in box(page)
    assert "gives it an address for links: CHAPPE_LINK_URL" in page.text
    marketer.post("/deliveries/new/", filled(stage, follow_links="on"))
    assert not Options.of(Delivery.objects.get()).follow_links


def test_who_hands_over_can_tick_the_box_for_that_connection_alone(stage: Stage, marketer: Browser) -> None:
    mid = create_connection(stage.organisation, "Mid", "relay", RELAY, NOW_MS)
    stage.person(number(1))
    page = marketer.get("/deliveries/new/")
    assert "disabled" not in box(page)
    assert "By Mid-sourcing alone" in page.text
    refused = marketer.post("/deliveries/new/", filled(stage, follow_links="on"))
    assert "set CHAPPE_LINK_URL" in refused.error_of("follow_links")
    assert "set CHAPPE_LINK_URL" in composed(marketer, stage, follow_links="on").text
    said = composed(marketer, stage, follow_links="on", connection_id=mid.pk).text
    assert "its own address stands in place of example.com" in said
    told = RelayLink.objects.create(connection_id=mid.pk, mid_link_base="https://a.io/l/")
    said = composed(marketer, stage, follow_links="on", connection_id=mid.pk).text
    assert "they have 31 characters and begin with https://a.io/l/." in said
    assert "https://a.io/l/00000pNobzZdp4L9" in said
    RelayLink.objects.filter(pk=told.pk).update(mid_link_base="")
    assert "mid has no address" in composed(marketer, stage, follow_links="on", connection_id=mid.pk).text
    RelayLink.objects.filter(pk=told.pk).update(mid_link_base="https://a.io/l/")
    marketer.post("/deliveries/new/", filled(stage, follow_links="on", connection_id=mid.pk))
    assert Options.of(Delivery.objects.get()).follow_links


def test_an_address_that_is_gone_leaves_the_box_to_be_unticked(
    stage: Stage, marketer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_address(monkeypatch)
    draft = stage.draft(TEXT, follow_links=True)
    set_address(monkeypatch, "")
    assert "disabled" not in box(marketer.get(f"/deliveries/{draft.pk}/edit/"))
    assert "set CHAPPE_LINK_URL" in marketer.post(
        f"/deliveries/{draft.pk}/edit/", filled(stage, follow_links="on")
    ).error_of("follow_links")
    marketer.post(f"/deliveries/{draft.pk}/edit/", filled(stage))
    draft.refresh_from_db()
    assert not Options.of(draft).follow_links


@addressed
def test_a_template_has_the_box_and_shows_what_it_says(stage: Stage, marketer: Browser) -> None:
    made = templates.create_template(stage.organisation, templates.Change(label="Shop"), NOW_MS)
    path = f"/deliveries/templates/{made.pk}/"
    assert "followed, as short links" not in marketer.get(path).text
    values = filled(stage, internal_name="shop", follow_links="on") | {"connection_id": ""}
    assert marketer.post(f"{path}edit/", values).url == path
    assert Options.of(DeliveryTemplate.objects.get()).follow_links
    assert "followed, as short links" in marketer.get(path).text
    assert "checked" in box(marketer.get("/deliveries/new/", template=made.pk))


@addressed
def test_the_audit_trail_tells_who_had_links_followed(
    stage: Stage, marketer: Browser, browse_as: Callable[..., Browser]
) -> None:
    draft = stage.draft(TEXT)
    marketer.post(f"/deliveries/{draft.pk}/edit/", filled(stage, follow_links="on"))
    changed = AuditEvent.objects.filter(subject_kind="delivery", action="change").get()
    shown = browse_as("auditor").get(f"/audit/{changed.pk}/").text
    assert "Options: Follow links nothing yes" in shown


# -- the composer ----------------------------------------------------------------------------------------------------


@addressed
def test_the_telephone_shows_short_links_and_the_count_is_theirs(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1))
    text = "x" * 110 + f" {SALE}?" + "y" * 100
    assert "2 segments" in composed(marketer, stage, body=text).text
    page = composed(marketer, stage, body=text, follow_links="on")
    assert "1 segment GSM alphabet" in page.text
    (bubble,) = page.find("div", class_="bubble")
    shown = "".join(bubble.itertext())
    assert BASE in shown
    assert SALE not in shown


@addressed
def test_an_editor_that_nobody_has_touched_shows_short_links(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1))
    draft = stage.draft(TEXT, follow_links=True)
    (panel,) = marketer.get(f"/deliveries/{draft.pk}/edit/").find("section", id="composer")
    assert BASE in "".join(panel.itertext())


@addressed
def test_a_text_without_an_address_is_said_to_have_none(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1))
    words = "There is no link in this text to be followed"
    assert words in composed(marketer, stage, body="Hello", follow_links="on").text
    assert words not in composed(marketer, stage, follow_links="on").text


# -- the report ------------------------------------------------------------------------------------------------------


@addressed
def test_the_report_tells_who_opened_which_link(stage: Stage, marketer: Browser) -> None:
    delivery = sent(stage, follow_links=True)
    path = f"/deliveries/{delivery.pk}/"
    assert "Nobody has opened a link yet." in marketer.get(path).text
    first, second, third, _ = ids(delivery)
    opened(first)
    opened(first)
    opened(first, 1, NEWS)
    opened(second, 1, NEWS)
    opened(third, is_machine=True)
    shown = marketer.get(path).text
    assert "Opened a link 50.0% 2 people · 4 clicks" in shown
    assert f"{NEWS} 2 2 0 {SALE} 1 2 1 All 2 4 1" in shown
    assert "Nobody has opened a link yet." not in shown


@addressed
def test_once_addresses_are_erased_with_the_texts_the_report_says_so_and_has_the_sums(
    stage: Stage, marketer: Browser, browse_as: Callable[..., Browser]
) -> None:
    delivery = sent(stage, follow_links=True)
    opened(ids(delivery)[0])
    opened(ids(delivery)[1], is_machine=True)
    Message.objects.filter(delivery_id=delivery.pk).update(created_ms=NOW_MS, due_ms=NOW_MS, done_ms=NOW_MS)
    change_settings(stage.organisation, Change(retention={"texts": 30}), NOW_MS)
    retention.run(stage.organisation, NOW_MS + 31 * retention.DAY_MS, lambda: None)
    path = f"/deliveries/{delivery.pk}/"
    shown = marketer.get(path).text
    assert "Addresses were erased with the texts; the sums stay." in shown
    assert "Opened a link 25.0% 1 person · 1 click" in shown
    assert "Nobody has opened a link yet." not in shown
    figures = rows_of(marketer, f"{path}report/figures.csv")
    assert [line for line in figures if line[0] == "Clicks"] == [["Clicks", "", "1"]]
    words = "Les adresses ont été effacées avec les textes ; les totaux restent."
    assert words in browse_as("marketer", language="fr").get(path).text.replace("\u202f", " ")


@addressed
def test_while_it_goes_out_it_is_told_how_many_opened_a_link(stage: Stage, marketer: Browser) -> None:
    delivery = sent(stage, follow_links=True)
    stage.reset(delivery, status="sending", finished_ms=0)
    opened(ids(delivery)[0])
    assert "Opened a link 25.0% 1 person · 1 click" in marketer.get(f"/deliveries/{delivery.pk}/").text


@addressed
def test_where_receipts_tell_of_fewer_the_share_is_of_what_has_left(stage: Stage, marketer: Browser) -> None:
    delivery = sent(stage, follow_links=True)
    DeliveryCount.objects.filter(delivery_id=delivery.pk).update(state=DeliveryState.SENT)
    opened(ids(delivery)[0])
    assert "Opened a link 25.0% 1 person · 1 click" in marketer.get(f"/deliveries/{delivery.pk}/").text


@addressed
def test_where_links_are_not_followed_nothing_is_said_of_them(stage: Stage, marketer: Browser) -> None:
    delivery = sent(stage)
    shown = marketer.get(f"/deliveries/{delivery.pk}/").text
    assert "Opened a link" not in shown
    assert "Links" not in shown
    assert "Clicks" not in str(rows_of(marketer, f"/deliveries/{delivery.pk}/report/figures.csv"))


@addressed
def test_addresses_are_a_text_that_not_everybody_may_read(stage: Stage, browse_as: Callable[..., Browser]) -> None:
    delivery = sent(stage, follow_links=True)
    opened(ids(delivery)[0])
    reader = browse_as("auditor")
    assert reader.user is not None
    reader.user.withheld = ["see_texts"]
    reader.user.save()
    shown = reader.get(f"/deliveries/{delivery.pk}/").text
    assert SALE not in shown
    assert f"hidden text of {len(SALE)} characters 1 1 0" in shown
    figures = rows_of(reader, f"/deliveries/{delivery.pk}/report/figures.csv")
    assert ["People who opened a link", "", "1"] in figures
    assert SALE not in str(figures)


@addressed
def test_figures_and_messages_are_taken_along_with_their_clicks(stage: Stage, marketer: Browser) -> None:
    delivery = sent(stage, follow_links=True)
    first, *_ = ids(delivery)
    opened(first)
    opened(first, 1, NEWS)
    opened(first, 1, NEWS, is_machine=True)
    figures = rows_of(marketer, f"/deliveries/{delivery.pk}/report/figures.csv")
    assert ["Clicks", "", "2"] in figures
    assert ["People who opened a link", SALE, "1"] in figures
    assert ["Opened by programs", NEWS, "1"] in figures
    heading, *lines = rows_of(marketer, f"/deliveries/{delivery.pk}/messages.csv")
    assert heading[-1] == "Clicks"
    assert [line[-1] for line in lines] == ["2", "0", "0", "0"]


@addressed
def test_the_report_is_told_in_french(stage: Stage, browse_as: Callable[..., Browser]) -> None:
    delivery = sent(stage, follow_links=True)
    opened(ids(delivery)[0])
    shown = browse_as("marketer", language="fr").get(f"/deliveries/{delivery.pk}/").text
    assert "Ont ouvert un lien" in shown
    assert "1 personne · 1 clic" in shown
    assert "Liens ouverts" in shown


@addressed
def test_a_stranger_finds_no_figures(stage: Stage, stranger: Browser) -> None:
    delivery = sent(stage, follow_links=True)
    opened(ids(delivery)[0])
    for path in ("", "report/", "report/figures.csv", "messages.csv"):
        assert stranger.get(f"/deliveries/{delivery.pk}/{path}").status == 404
