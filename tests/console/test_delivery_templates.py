"""Templates of deliveries at the console: the list, the editor, a delivery saved as one, and one that begins a delivery."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.console.browser import Browser
from tests.console.delivery_stage import typed
from tests.features.stage import Stage
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.options import Options
from chappe.features.deliveries.terms import terms_of
from chappe.features.templates import services
from chappe.features.templates.models import DeliveryTemplate
from chappe.features.templates.services import Change

AT = "/deliveries/templates/"
TLV: dict[str, Any] = {"label": "Campaign", "tag": "0x1401", "value": "{{ phone }}", "format": "ascii"}


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
def shop(stage: Stage) -> DeliveryTemplate:
    """Something in every field of a template."""
    change = Change(
        label="Shop",
        connection_id=stage.connection.pk,
        category=1,
        sender="36111",
        body="Hello {{ name }}",
        short_code="36180",
        validity_s=3600,
        maximum_segments=2,
        transmission_mode=1,
        tlvs=[TLV],
    )
    return services.create_template(stage.organisation, change, NOW_MS)


def filled(connection_id: object = "", /, **values: Any) -> dict[str, Any]:
    """The editor's form as a person fills it in."""
    given = typed(0, 0) | {"connection_id": connection_id, "label": "Shop", "internal_name": "shop", **values}
    del given["list_id"]
    return given


# -- the list --------------------------------------------------------------------------------------------------------


def test_the_list_has_the_built_in_template_and_leads_to_what_can_be_done(marketer: Browser) -> None:
    assert AT in marketer.get("/deliveries/").links()
    shown = marketer.get(AT)
    assert "Mobile (SMS)" in shown.text
    assert "built in" in shown.text
    assert "/deliveries/new/?template=0" in shown.links()


def test_a_long_list_goes_on_behind_a_key(stage: Stage, marketer: Browser) -> None:
    for index in range(51):
        services.create_template(stage.organisation, Change(label=f"No. {index};"), NOW_MS)
    first = marketer.get(AT)
    assert "No. 50;" in first.text
    assert "No. 0;" not in first.text
    (link,) = [one.get("href", "") for one in first.find("a", rel="next")]
    last = marketer.get(AT + link).text
    assert "No. 0;" in last
    assert "Mobile (SMS)" in last


# -- one template ----------------------------------------------------------------------------------------------------


def test_the_built_in_template_is_looked_at_and_duplicated(marketer: Browser) -> None:
    shown = marketer.get(f"{AT}0/")
    assert "built in and cannot be changed" in shown.text
    assert f"{AT}0/edit/" not in shown.links()
    copy = marketer.post(f"{AT}0/duplicate/")
    made = DeliveryTemplate.objects.get()
    assert copy.url == f"{AT}{made.pk}/edit/"
    assert (copy.value_of("label"), copy.value_of("internal_name")) == ("Mobile (SMS) (copy)", "mobile-sms-copy")


@pytest.mark.parametrize("page", ["edit", "delete"])
def test_to_change_the_built_in_template_is_refused_in_words(page: str, marketer: Browser) -> None:
    for shown in (marketer.get(f"{AT}0/{page}/"), marketer.post(f"{AT}0/{page}/", filled())):
        assert shown.url == f"{AT}0/"
        assert f"built in and cannot be {page.replace('edit', 'change')}d" in shown.text
    assert not DeliveryTemplate.objects.exists()


def test_a_template_shows_all_that_it_says(shop: DeliveryTemplate, marketer: Browser) -> None:
    text = marketer.get(f"{AT}{shop.pk}/").text
    for word in ("North", "Transactional", "36111", "36180", "1 h", "Flash", "0x1401", "Campaign", "Hello {{ name }}"):
        assert word in text, word


def test_a_template_is_edited_under_its_headings(stage: Stage, shop: DeliveryTemplate, marketer: Browser) -> None:
    page = marketer.get(f"{AT}{shop.pk}/edit/")
    headings = ["".join(one.itertext()) for tag in ("h2", "legend") for one in page.all(tag)]
    assert [one for one in headings if one in ("Properties", "General", "Routing", "SMS")] == [
        "Properties",
        "SMS",
        "General",
        "Routing",
    ]
    assert (page.value_of("connection_id"), page.value_of("transmission_mode")) == (str(stage.connection.pk), "1")
    assert page.value_of("tlvs-0-tag") == "0x1401"
    rows = {"tlvs-TOTAL_FORMS": 1, "tlvs-0-tag": "0x1402", "tlvs-0-value": "gold", "tlvs-0-format": "ascii"}
    values = filled("", internal_name="shop.2", maximum_segments=3, short_code="36181", body="", **rows)
    saved = marketer.post(f"{AT}{shop.pk}/edit/", values)
    assert saved.url == f"{AT}{shop.pk}/"
    shop.refresh_from_db()
    assert (shop.internal_name, shop.connection, shop.short_code, shop.body) == ("shop.2", None, "36181", "")
    options = Options.of(shop)
    assert (options.maximum_segments, options.tlvs[0].tag, options.transmission_mode) == (3, "0x1402", None)
    assert AuditEvent.objects.filter(subject_kind="template", action="change").count() == 1


def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(
    stage: Stage, shop: DeliveryTemplate, marketer: Browser
) -> None:
    rows = {"tlvs-TOTAL_FORMS": 1, "tlvs-0-tag": "99999", "tlvs-0-value": "x", "tlvs-0-format": "ascii"}
    values = filled(stage.connection.pk, internal_name="a b", sender="x" * 21, service_id="gold", **rows)
    page = marketer.post(f"{AT}{shop.pk}/edit/", values)
    assert "expected letters, digits" in page.error_of("internal_name")
    assert "at most 20 characters" in page.error_of("sender")
    assert "one or the other" in page.error_of("service_id")
    assert page.error_of("tlvs-0-value")
    assert page.value_of("internal_name") == "a b"
    services.create_template(stage.organisation, Change(label="Taken"), NOW_MS)
    assert "taken" in marketer.post(f"{AT}{shop.pk}/edit/", filled(internal_name="taken")).error_of("internal_name")
    before = shop.internal_name
    shop.refresh_from_db()
    assert shop.internal_name == before


def test_another_row_is_given_without_saving(shop: DeliveryTemplate, marketer: Browser) -> None:
    page = marketer.post(f"{AT}{shop.pk}/edit/", filled(do="row-tlvs", sender="36999"))
    assert page.value_of("tlvs-0-tag") == ""
    assert page.value_of("sender") == "36999"
    shop.refresh_from_db()
    assert shop.sender == "36111"


def test_a_template_is_deleted_when_its_name_was_typed(shop: DeliveryTemplate, marketer: Browser) -> None:
    assert "stay as they are" in marketer.get(f"{AT}{shop.pk}/delete/").text
    assert marketer.post(f"{AT}{shop.pk}/delete/", {"confirmation": "shot"}).error_of("confirmation")
    gone = marketer.post(f"{AT}{shop.pk}/delete/", {"confirmation": "Shop"})
    assert gone.url == AT
    assert not DeliveryTemplate.objects.exists()


# -- deliveries ------------------------------------------------------------------------------------------------------


def test_a_delivery_is_saved_as_a_template(stage: Stage, marketer: Browser) -> None:
    delivery = stage.draft("Hello {{ name }}", sender="36111", tlvs=[TLV], maximum_segments=3)
    assert f"/deliveries/{delivery.pk}/template/" in marketer.get(f"/deliveries/{delivery.pk}/").links()
    page = marketer.get(f"/deliveries/{delivery.pk}/template/")
    assert (page.value_of("label"), page.value_of("internal_name")) == ("June", "june")
    refused = marketer.post(f"/deliveries/{delivery.pk}/template/", {"label": "June", "internal_name": "mobile"})
    assert "taken" in refused.error_of("internal_name")
    saved = marketer.post(f"/deliveries/{delivery.pk}/template/", {"label": "June", "internal_name": "june"})
    made = DeliveryTemplate.objects.get()
    assert saved.url == f"{AT}{made.pk}/"
    assert terms_of(made) == terms_of(delivery)


def test_a_new_delivery_begins_with_a_template(stage: Stage, shop: DeliveryTemplate, marketer: Browser) -> None:
    first = marketer.get("/deliveries/new/")
    (choice,) = first.find("select", name="template")
    assert [one.text for one in choice.iter("option")] == ["Mobile (SMS)", "Shop"]
    page = marketer.get("/deliveries/new/", template=shop.pk)
    assert page.value_of("template") == str(shop.pk)
    assert (page.value_of("body"), page.value_of("sender")) == ("Hello {{ name }}", "36111")
    assert (page.value_of("short_code"), page.value_of("tlvs-0-tag")) == ("36180", "0x1401")
    assert (page.value_of("validity"), page.value_of("validity_unit")) == ("1", "hours")
    values = {one.get("name", ""): page.value_of(one.get("name", "")) for one in page.controls() if one.get("name")}
    values |= {"label": "June", "do": "save"}
    assert page.value_of("list_id") == str(stage.people.pk)
    marketer.post(f"/deliveries/new/?template={shop.pk}", values)
    made = Delivery.objects.get()
    wanted, found = terms_of(shop), terms_of(made)
    assert {name: value for name, value in found.items() if value != wanted[name]}.keys() <= {"tlvs"}
    assert [(one["tag"], one["value"]) for one in found["tlvs"]] == [("0x1401", "{{ phone }}")]
    assert made.connection_id == stage.connection.pk


def test_a_template_routes_around_the_first_connection(stage: Stage, marketer: Browser) -> None:
    other = type(stage.connection).objects.create(
        organisation_id=stage.organisation,
        name="South",
        provider="smpp",
        settings=stage.connection.settings,
        position=9,
    )
    made = services.create_template(stage.organisation, Change(label="S", connection_id=other.pk), NOW_MS)
    assert marketer.get("/deliveries/new/").value_of("connection_id") == str(stage.connection.pk)
    assert marketer.get("/deliveries/new/", template=made.pk).value_of("connection_id") == str(other.pk)


def test_content_that_the_form_cannot_show_goes_from_template_to_delivery(stage: Stage, marketer: Browser) -> None:
    card = {"type": "card", "title": "One", "suggestions": [{"type": "reply", "text": "Yes"}]}
    content = {"type": "carousel", "cards": [card, card]}
    made = services.create_template(stage.organisation, Change(label="Rich", body="Hi", content=content), NOW_MS)
    assert "Several cards side by side" in marketer.get(f"{AT}{made.pk}/").text
    at = f"/deliveries/new/?template={made.pk}"
    assert marketer.get(at).value_of("kind") == "kept"
    marketer.post(at, typed(stage.people.pk, stage.connection.pk, body="Hello", kind="kept"))
    assert Options.of(Delivery.objects.get()).content == content
    marketer.post(f"{AT}{made.pk}/edit/", filled(body="Good day", kind="kept"))
    made.refresh_from_db()
    assert (made.body, Options.of(made).content) == ("Good day", content)


# -- who may ---------------------------------------------------------------------------------------------------------


def test_who_only_sees_deliveries_sees_templates_and_changes_none(
    shop: DeliveryTemplate, browse_as: Callable[..., Browser]
) -> None:
    auditor = browse_as("auditor")
    shown = auditor.get(f"{AT}{shop.pk}/")
    assert shown.status == 200
    assert not {f"{AT}{shop.pk}/edit/", f"/deliveries/new/?template={shop.pk}"} & set(shown.links())
    assert auditor.get(f"{AT}{shop.pk}/edit/").status == 403
    assert auditor.post(f"{AT}{shop.pk}/duplicate/").status == 403


def test_a_stranger_finds_no_template_of_ours(shop: DeliveryTemplate, stranger: Browser) -> None:
    assert stranger.get(f"{AT}{shop.pk}/").status == 404
    assert stranger.get("/deliveries/new/", template=shop.pk).status == 404
    assert "Shop" not in stranger.get(AT).text


def test_templates_are_told_in_french(shop: DeliveryTemplate, browse_as: Callable[..., Browser]) -> None:
    marketer = browse_as("marketer", language="fr")
    assert "Modèles d’envoi" in marketer.get(AT).text
    edited = marketer.get(f"{AT}{shop.pk}/edit/").text
    for word in ("Propriétés", "Général", "Routage", "Nom interne"):
        assert word in edited, word
    assert "intégré" in marketer.get(f"{AT}0/").text
    refused = marketer.post(f"{AT}{shop.pk}/edit/", filled(internal_name="mobile"))
    assert "est pris par un autre modèle" in refused.error_of("internal_name")
