"""Templates of deliveries: duplicated, changed, made of deliveries, and what deliveries take of them."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.features.stage import SETTINGS, Stage, number
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection
from chappe.features.connections.replacement import replace_connection
from chappe.features.deliveries import services as deliveries
from chappe.features.deliveries.options import Options
from chappe.features.deliveries.services import Draft
from chappe.features.deliveries.terms import terms_of
from chappe.features.messages.models import Message
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.features.templates import services
from chappe.features.templates.models import BUILT_IN, DeliveryTemplate
from chappe.features.templates.services import Change

TLV: dict[str, Any] = {"label": "Campaign", "tag": "0x1401", "value": "{{ phone }}", "format": "ascii"}
RELAY = {"internal_name": "summer", "base_url": "https://mid.example.org", "operator": "relais"}


@pytest.fixture
def stage(database: str) -> Stage:
    return Stage()


def make(stage: Stage, label: str = "Shop", of: int = BUILT_IN, **values: Any) -> DeliveryTemplate:
    return services.create_template(stage.organisation, Change(label=label, **values), NOW_MS, of=of)


def full(stage: Stage) -> DeliveryTemplate:
    """Something in every field."""
    return make(
        stage,
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


def fields_of(act: Callable[[], object]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        act()
    return {one.field: one.message for one in caught.value.errors}


# -- the one that is built in ----------------------------------------------------------------------------------------


def test_every_organisation_has_the_built_in_template(stage: Stage) -> None:
    (found,) = services.templates_page(stage.organisation, "", 50).items
    assert (found.pk, found.label, found.internal_name, found.is_built_in) == (0, "Mobile (SMS)", "mobile", True)
    assert services.find_template(stage.organisation, 0).connection is None
    assert not DeliveryTemplate.objects.exists()


def test_the_built_in_template_is_never_changed_or_deleted(stage: Stage) -> None:
    with pytest.raises(Conflict, match="built in and cannot be changed"):
        services.change_template(stage.organisation, BUILT_IN, Change(label="Mine"), NOW_MS)
    with pytest.raises(Conflict, match="built in and cannot be deleted"):
        services.delete_template(stage.organisation, BUILT_IN)


def test_a_duplicate_of_the_built_in_template_is_one_s_own(stage: Stage) -> None:
    made = make(stage)
    assert (made.label, made.internal_name, made.is_built_in) == ("Shop", "shop", False)
    changed = services.change_template(stage.organisation, made.pk, Change(sender="36111"), NOW_MS + 1)
    assert (changed.sender, changed.changed_ms) == ("36111", NOW_MS + 1)


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Été à Brest !", "ete-a-brest"),
        ("夏", "template"),
        ("Mobile", "mobile-2"),
        ("..", "template"),
        ("x" * 200, "x" * 56),
    ],
)
def test_an_internal_name_is_made_of_the_label(stage: Stage, label: str, name: str) -> None:
    assert make(stage, label).internal_name == name


def test_internal_names_that_are_made_are_counted_on(stage: Stage) -> None:
    assert [make(stage).internal_name for _ in range(3)] == ["shop", "shop-2", "shop-3"]


@pytest.mark.parametrize("name", ["summer sale", "été", "a/b", "x" * 65, " "])
def test_an_internal_name_is_of_letters_digits_and_three_marks(stage: Stage, name: str) -> None:
    assert "internal_name" in fields_of(lambda: make(stage, internal_name=name))


def test_an_internal_name_is_its_organisation_s_only_one(stage: Stage) -> None:
    made = make(stage, internal_name="Shop_1.b-c")
    assert fields_of(lambda: make(stage, internal_name="Shop_1.b-c")) == {
        "internal_name": "is taken by another template"
    }
    assert "internal_name" in fields_of(lambda: make(stage, internal_name="mobile"))
    other = Organisation.objects.create(name="Other").pk
    services.create_template(other, Change(label="Shop", internal_name="Shop_1.b-c"), NOW_MS)
    same = Change(label="Shop", internal_name="Shop_1.b-c")
    assert services.change_template(stage.organisation, made.pk, same, NOW_MS).internal_name == "Shop_1.b-c"


# -- what it may say -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"label": " "}, "label"),
        ({"category": 7}, "category"),
        ({"sender": "x" * 21}, "sender"),
        ({"sender": "Café"}, "sender"),
        ({"short_code": "1" * 22}, "short_code"),
        ({"validity_s": 59}, "validity_s"),
        ({"maximum_segments": 256}, "maximum_segments"),
        ({"transmission_mode": 4}, "transmission_mode"),
        ({"service_id": "x" * 201}, "service_id"),
        ({"service_id": "gold", "tlvs": [TLV]}, "service_id"),
        ({"tlvs": [TLV | {"tag": "70000"}]}, "tlvs[0]"),
        ({"tlvs": [TLV | {"value": "x", "format": "int8"}]}, "tlvs[0]"),
        ({"tlvs": [TLV | {"value": "{{ name"}]}, "tlvs[0].value"),
        ({"body": "{{ name"}, "body"),
        ({"body": "{% for x in y %}"}, "body"),
        ({"content": {"type": "text", "text": ""}}, "content.text"),
    ],
)
def test_what_a_delivery_could_not_say_a_template_cannot(stage: Stage, values: dict[str, Any], field: str) -> None:
    given = {"connection_id": stage.connection.pk, **values}
    assert field in fields_of(lambda: make(stage, **given))
    # The delivery has no say in names.
    if field != "label":
        assert field in fields_of(lambda: stage.draft(**values))
    made = full(stage)
    same = {"service_id": "", "tlvs": [], **given}
    assert field in fields_of(lambda: services.change_template(stage.organisation, made.pk, Change(**same), NOW_MS))


def test_a_service_id_needs_a_connection_that_has_a_tag_for_it(stage: Stage) -> None:
    given = {"connection_id": stage.connection.pk, "service_id": "gold"}
    assert "service_id" in fields_of(lambda: make(stage, **given))
    tagged = Connection.objects.create(
        organisation_id=stage.organisation, name="T", provider="smpp", settings=SETTINGS | {"service_id_tag": "0x1402"}
    )
    assert Options.of(make(stage, connection_id=tagged.pk, service_id="gold")).service_id == "gold"


def test_without_a_routing_it_is_looked_at_as_by_the_first_of_the_list(stage: Stage) -> None:
    assert "service_id" in fields_of(lambda: make(stage, service_id="gold"))
    Connection.objects.update(is_enabled=False)
    assert Options.of(make(stage, service_id="gold")).service_id == "gold"


def test_a_text_may_be_missing_and_may_mention_what_any_list_has(stage: Stage) -> None:
    assert make(stage).body == ""
    assert make(stage, body="Hello {{ nickname }}").body == "Hello {{ nickname }}"


def test_what_is_not_named_stays(stage: Stage) -> None:
    made = full(stage)
    before = terms_of(made)
    changed = services.change_template(stage.organisation, made.pk, Change(sender="36222"), NOW_MS)
    assert terms_of(changed) == before | {"sender": "36222"}
    assert changed.connection_id == stage.connection.pk
    bare = services.change_template(stage.organisation, made.pk, Change(connection_id=None, transmission_mode=None), 1)
    assert (bare.connection_id, Options.of(bare).transmission_mode) == (None, None)


# -- lists and strangers ---------------------------------------------------------------------------------------------


def test_the_list_is_read_behind_a_key_and_ends_with_what_is_built_in(stage: Stage) -> None:
    made = [make(stage, f"No. {index}").pk for index in range(4)]
    found, cursor = [], ""
    while True:
        page = services.templates_page(stage.organisation, cursor, 2)
        found.append([one.pk for one in page.items])
        if page.next is None:
            break
        cursor = page.next
    assert found == [[made[3], made[2]], [made[1], made[0]], [0]]
    assert [one.pk for one in services.templates_offered(stage.organisation)] == [0, *made]


def test_what_belongs_to_others_is_not_there(stage: Stage) -> None:
    made = full(stage)
    other = Organisation.objects.create(name="Other").pk
    delivery = stage.draft()
    for act in (
        lambda: services.find_template(other, made.pk),
        lambda: services.change_template(other, made.pk, Change(label="x"), NOW_MS),
        lambda: services.delete_template(other, made.pk),
        lambda: services.create_template(other, Change(label="x"), NOW_MS, of=made.pk),
        lambda: services.create_template(other, Change(label="x", connection_id=stage.connection.pk), NOW_MS),
        lambda: services.keep_delivery(other, delivery.pk, Change(label="x"), NOW_MS),
        lambda: services.draft_of(other, made.pk, Draft()),
    ):
        with pytest.raises(NotFound):
            act()
    assert [one.pk for one in services.templates_page(other, "", 50).items] == [0]


# -- deliveries ------------------------------------------------------------------------------------------------------


def test_a_delivery_takes_everything_of_its_template(stage: Stage) -> None:
    made = full(stage)
    given = Draft(label="June", list_id=stage.people.pk)
    delivery = services.create_delivery(stage.organisation, made.pk, given, NOW_MS)
    assert terms_of(delivery) == terms_of(made)
    assert (delivery.label, delivery.connection_id) == ("June", stage.connection.pk)


def test_a_later_change_of_the_template_does_not_change_the_delivery(stage: Stage) -> None:
    made = full(stage)
    delivery = services.create_delivery(
        stage.organisation, made.pk, Draft(label="June", list_id=stage.people.pk), NOW_MS
    )
    before = terms_of(delivery)
    services.change_template(stage.organisation, made.pk, Change(sender="36222", tlvs=[]), NOW_MS)
    services.delete_template(stage.organisation, made.pk)
    delivery.refresh_from_db()
    assert terms_of(delivery) == before


def test_what_is_given_goes_before_what_the_template_says(stage: Stage) -> None:
    given = Draft(label="June", list_id=stage.people.pk, sender="", body="Bye", transmission_mode=None, tlvs=[])
    delivery = services.create_delivery(stage.organisation, full(stage).pk, given, NOW_MS)
    assert (delivery.sender, delivery.body, delivery.short_code) == ("", "Bye", "36180")
    assert Options.of(delivery) == Options(maximum_segments=2)


def test_a_delivery_needs_a_text_where_its_template_has_none(stage: Stage) -> None:
    given = Draft(label="June", list_id=stage.people.pk)
    assert "body" in fields_of(lambda: services.create_delivery(stage.organisation, BUILT_IN, given, NOW_MS))
    bodied = Draft(label="June", list_id=stage.people.pk, body="Hello")
    delivery = services.create_delivery(stage.organisation, BUILT_IN, bodied, NOW_MS)
    assert (delivery.connection_id, delivery.validity_s) == (stage.connection.pk, 72 * 3600)


def test_a_delivery_is_saved_as_a_template(stage: Stage) -> None:
    delivery = stage.draft("Hello {{ name }}", sender="36111", tlvs=[TLV], maximum_segments=3, category=1)
    made = services.keep_delivery(stage.organisation, delivery.pk, Change(label="Kept"), NOW_MS)
    assert terms_of(made) == terms_of(delivery)
    assert (made.label, made.internal_name, made.connection_id) == ("Kept", "kept", stage.connection.pk)


# -- its connection --------------------------------------------------------------------------------------------------


def test_a_connection_that_templates_are_routed_through_is_not_deleted(stage: Stage) -> None:
    made = full(stage)
    with pytest.raises(Conflict, match="Delivery templates are routed"):
        connections.delete_connection(stage.organisation, stage.connection.pk)
    delivery = stage.draft()
    with pytest.raises(Conflict, match="Deliveries were sent"):
        connections.delete_connection(stage.organisation, stage.connection.pk)
    delivery.delete()
    services.change_template(stage.organisation, made.pk, Change(connection_id=None), NOW_MS)
    connections.delete_connection(stage.organisation, stage.connection.pk)


def test_a_replaced_connection_gives_its_templates_to_the_other(stage: Stage) -> None:
    made = full(stage)
    new = replace_connection(stage.organisation, stage.connection.pk, {"account": "second"}, NOW_MS)
    made.refresh_from_db()
    assert made.connection_id == new.pk
    event = AuditEvent.objects.get(subject_kind="template", action="replace")
    assert event.after == {"connection_id": new.pk}


@pytest.mark.parametrize("extra", [{"service_id": "gold"}, {"tlvs": [TLV]}])
def test_another_installation_is_handed_what_smpp_has(stage: Stage, extra: dict[str, Any]) -> None:
    relay = Connection.objects.create(organisation_id=stage.organisation, name="Mid", provider="relay", settings=RELAY)
    made = make(stage, connection_id=relay.pk, transmission_mode=1, short_code="36180", body="Hi", **extra)
    given = Draft(label="June", list_id=stage.people.pk)
    delivery = services.create_delivery(stage.organisation, made.pk, given, NOW_MS)
    assert delivery.connection_id == relay.pk
    stage.person(number(1))
    deliveries.analyse_now(stage.organisation, delivery.pk, NOW_MS)
    kept = bytes(Message.objects.get().options or b"")
    assert b'"transmission_mode":1' in kept
    assert b'"short_code":"36180"' in kept
    assert (b'"service_id":"gold"' in kept) is ("service_id" in extra)
    assert (b'"tlvs":' in kept) is ("tlvs" in extra)


# -- the trail -------------------------------------------------------------------------------------------------------


def test_the_trail_tells_what_became_of_a_template(stage: Stage) -> None:
    made = full(stage)
    services.change_template(stage.organisation, made.pk, Change(sender="36222"), NOW_MS)
    services.delete_template(stage.organisation, made.pk)
    created, changed, deleted = AuditEvent.objects.filter(subject_kind="template").order_by("pk")
    assert (created.action, created.subject_name, created.after["internal_name"]) == ("create", "Shop", "shop")
    assert (changed.before, changed.after) == ({"sender": "36111"}, {"sender": "36222"})
    assert (deleted.action, deleted.before["sender"]) == ("delete", "36222")
