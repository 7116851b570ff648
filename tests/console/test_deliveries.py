"""Deliveries at the console: the list, the editor, and what the composer tells the writer."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.console.browser import Browser, Page
from tests.console.delivery_stage import typed
from tests.features.stage import Stage, number
from tests.row import NOW_MS, connection

from chappe.features.accounts.models import Organisation
from chappe.features.accounts.services import create_organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.connections.services import create_connection
from chappe.features.contacts import services as contacts
from chappe.features.contacts.services import Details
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.options import Options
from chappe.features.messages.models import DeliveryCount
from chappe.messaging import DeliveryState


@pytest.fixture
def stage(database: str) -> Stage:
    return Stage()


@pytest.fixture
def organisation(stage: Stage) -> Organisation:
    return Organisation.objects.get(pk=stage.organisation)


@pytest.fixture
def marketer(browse_as: Callable[..., Browser]) -> Browser:
    return browse_as("marketer")


def filled(stage: Stage, **values: Any) -> dict[str, Any]:
    return typed(stage.people.pk, stage.connection.pk, **values)


def composed(browser: Browser, stage: Stage, **values: Any) -> str:
    """What the panel says of a text."""
    page = browser.post("/deliveries/composer/", filled(stage, **values), HTTP_HX_REQUEST="true")
    assert page.status == 200
    return page.text


def advice_of(page: Page) -> str:
    (panel,) = page.find("section", id="composer")
    return " ".join(" ".join(panel.itertext()).split())


# -- the list --------------------------------------------------------------------------------------------------------


def test_who_has_sent_nothing_is_told_how_to_begin(marketer: Browser) -> None:
    shown = marketer.get("/deliveries/")
    assert "Nothing has been sent yet" in shown.text
    assert "/deliveries/new/" in shown.links()


def test_the_list_shows_how_far_each_delivery_is(stage: Stage, marketer: Browser) -> None:
    running = stage.draft(label="Sales")
    stage.reset(running, status="sending", audience=200, started_ms=NOW_MS)
    DeliveryCount.objects.create(delivery_id=running.pk, state=DeliveryState.WAITING, messages=100)
    DeliveryCount.objects.create(delivery_id=running.pk, state=DeliveryState.DELIVERED, messages=50)
    DeliveryCount.objects.create(delivery_id=running.pk, state=DeliveryState.SENT, messages=50)
    stage.draft(label="Invitation")
    shown = marketer.get("/deliveries/")
    assert "Sales" in shown.text
    assert "50.0% left · 25.0% delivered" in shown.text
    assert "Invitation" in shown.text
    drafts = marketer.get("/deliveries/", status="draft")
    assert "Invitation" in drafts.text
    assert "Sales" not in drafts.text


def test_a_long_list_goes_on_behind_a_key(stage: Stage, marketer: Browser) -> None:
    for index in range(52):
        stage.draft(label=f"Delivery no. {index};")
    first = marketer.get("/deliveries/")
    assert "no. 51;" in first.text
    assert "no. 1;" not in first.text
    (link,) = [one.get("href", "") for one in first.find("a", rel="next")]
    assert "no. 1;" in marketer.get(f"/deliveries/{link}").text


def test_a_delivery_is_duplicated_as_a_draft(stage: Stage, marketer: Browser) -> None:
    old = stage.draft("Hello {{ phone }}", label="June", sender="36111", maximum_segments=3)
    stage.reset(old, status="finished")
    shown = marketer.post(f"/deliveries/{old.pk}/duplicate/")
    made = Delivery.objects.exclude(pk=old.pk).get()
    assert shown.url == f"/deliveries/{made.pk}/edit/"
    assert shown.value_of("label") == "June (copy)"
    assert (made.status, made.sender, made.body) == ("draft", "36111", "Hello {{ phone }}")
    assert Options.of(made).maximum_segments == 3


# -- the editor ------------------------------------------------------------------------------------------------------


def test_a_draft_is_written_saved_and_changed(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1), name="Ada")
    page = marketer.get("/deliveries/new/")
    assert page.value_of("connection_id") == str(stage.connection.pk)
    saved = marketer.post("/deliveries/new/", filled(stage))
    made = Delivery.objects.get()
    assert saved.url == f"/deliveries/{made.pk}/"
    assert "Hello Ada" in saved.text
    assert (made.validity_s, made.sender) == (72 * 3600, "36111")
    again = marketer.get(f"/deliveries/{made.pk}/edit/")
    assert (again.value_of("body"), again.value_of("validity")) == ("Hello {{ name }}", "72")
    marketer.post(f"/deliveries/{made.pk}/edit/", filled(stage, body="Good day"))
    made.refresh_from_db()
    assert made.body == "Good day"
    assert list(AuditEvent.objects.filter(subject_kind="delivery").values_list("action", flat=True)) == [
        "create",
        "change",
    ]


def test_a_page_s_own_fields_are_all_that_it_needs(stage: Stage, marketer: Browser) -> None:
    page = marketer.get("/deliveries/new/")
    values = {name: page.value_of(name) for one in page.controls() if (name := one.get("name") or "")}
    shown = marketer.post("/deliveries/new/", {**values, "label": "Summer", "body": "Hello", "do": "analyse"})
    assert "The messages are being prepared" in shown.text


def test_the_editor_keeps_what_was_typed_and_says_what_is_wrong_beside_the_field(
    stage: Stage, marketer: Browser
) -> None:
    stage.person(number(1), name="Ada")
    refused = marketer.post("/deliveries/new/", filled(stage, body="Hello {{ nam }}", sender="ä", label=""))
    assert refused.error_of("label")
    assert refused.value_of("body") == "Hello {{ nam }}"
    refused = marketer.post("/deliveries/new/", filled(stage, body="Hello {{ nam }}", sender="ä", label="x"))
    assert "mentions nam, which nobody on the list has" in refused.error_of("body")
    assert "must be printable ASCII characters" in refused.error_of("sender")
    assert not Delivery.objects.exists()


def test_what_a_program_kept_in_minutes_is_edited_in_minutes(stage: Stage, marketer: Browser) -> None:
    draft = stage.draft(validity_s=90 * 60)
    page = marketer.get(f"/deliveries/{draft.pk}/edit/")
    assert (page.value_of("validity"), page.value_of("validity_unit")) == ("90", "minutes")


def test_parameters_of_smpp_are_a_table_of_rows(stage: Stage, marketer: Browser) -> None:
    row = {"tlvs-TOTAL_FORMS": 2, "tlvs-0-tag": "0x1403", "tlvs-0-value": "{{ phone }}", "tlvs-0-format": "ascii"}
    wrong = marketer.post("/deliveries/new/", filled(stage, body="Hi", **{**row, "tlvs-0-tag": "12345678"}))
    assert "expected a tag" in wrong.error_of("tlvs-0-value")
    assert "Nothing was saved." in wrong.text
    more = marketer.post("/deliveries/new/", filled(stage, body="Hi", **{**row, "do": "row-tlvs"}))
    assert more.value_of("tlvs-TOTAL_FORMS") == "3"
    assert more.value_of("tlvs-0-tag") == "0x1403"
    marketer.post("/deliveries/new/", filled(stage, body="Hi", **row))
    (kept,) = Options.of(Delivery.objects.get()).tlvs
    assert (kept.tag, kept.value, kept.format.value) == ("0x1403", "{{ phone }}", "ascii")


def test_a_service_id_and_a_table_exclude_each_other_beside_the_field(stage: Stage, marketer: Browser) -> None:
    row = {"tlvs-TOTAL_FORMS": 1, "tlvs-0-tag": "5123", "tlvs-0-value": "x"}
    refused = marketer.post("/deliveries/new/", filled(stage, body="Hi", service_id="A1", **row))
    assert "excludes optional SMPP parameters" in refused.error_of("service_id")


def test_a_sender_that_is_a_name_leaves_no_way_to_answer(stage: Stage, marketer: Browser) -> None:
    assert "people cannot answer" in composed(marketer, stage, body="Hi", sender="RELAIS")
    assert "people cannot answer" not in composed(marketer, stage, body="Hi", sender="36111")


def test_where_there_is_nothing_to_send_through_the_editor_says_so(stage: Stage, marketer: Browser) -> None:
    stage.connection.delete()
    assert "There is nothing to send through yet" in marketer.get("/deliveries/new/").text


def test_where_there_is_nobody_to_write_to_the_editor_says_so(stage: Stage, marketer: Browser) -> None:
    stage.people.delete()
    assert "There is nobody to write to yet" in marketer.get("/deliveries/new/").text


# -- rich content ----------------------------------------------------------------------------------------------------


@pytest.fixture
def rcs(stage: Stage) -> int:
    """A connection that carries RCS."""
    made = create_connection(
        stage.organisation,
        "Own gateway",
        "custom",
        {"url": "https://gateway.example.org/send", "payload": '{"to": "{{toNumber}}", "text": "{{message}}"}'},
        NOW_MS,
    )
    return int(made.pk)


def test_a_card_with_suggestions_is_made_in_the_form_and_found_again(stage: Stage, rcs: int, marketer: Browser) -> None:
    rich = {
        "connection_id": rcs,
        "body": "Summer sales",
        "kind": "card",
        "title": "Summer",
        "media_url": "https://cdn.example.org/a.jpg",
        "suggestions-TOTAL_FORMS": 2,
        "suggestions-0-kind": "open_url",
        "suggestions-0-text": "To the shop",
        "suggestions-0-value": "https://shop.example.org",
        "suggestions-1-kind": "reply",
        "suggestions-1-text": "Later",
    }
    marketer.post("/deliveries/new/", filled(stage, **rich))
    made = Delivery.objects.get()
    assert Options.of(made).content == {
        "type": "card",
        "title": "Summer",
        "media": {"type": "media", "url": "https://cdn.example.org/a.jpg"},
        "suggestions": [
            {"type": "open_url", "text": "To the shop", "url": "https://shop.example.org"},
            {"type": "reply", "text": "Later"},
        ],
    }
    again = marketer.get(f"/deliveries/{made.pk}/edit/")
    assert (again.value_of("kind"), again.value_of("suggestions-0-value")) == ("card", "https://shop.example.org")


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({"kind": "text", "rich_text": "Hello {{ name }}"}, {"type": "text", "text": "Hello {{ name }}"}),
        (
            {"kind": "location", "latitude": "48.85", "longitude": "2.35", "place_name": "Shop"},
            {"type": "location", "latitude": 48.85, "longitude": 2.35, "name": "Shop"},
        ),
        (
            {"kind": "mms", "title": "Summer", "media_url": "https://cdn.example.org/a.gif"},
            {"type": "mms", "title": "Summer", "url": "https://cdn.example.org/a.gif"},
        ),
        (
            {
                "kind": "carousel",
                "cards-TOTAL_FORMS": 2,
                "cards-0-title": "One",
                "cards-1-url": "https://cdn.example.org/b.jpg",
            },
            {
                "type": "carousel",
                "width": "medium",
                "media_height": "medium",
                "cards": [
                    {"type": "card", "title": "One"},
                    {"type": "card", "media": {"type": "media", "url": "https://cdn.example.org/b.jpg"}},
                ],
            },
        ),
    ],
    ids=["text", "location", "mms", "carousel"],
)
def test_each_kind_of_content_has_its_fields(
    values: dict[str, Any], kept: dict[str, Any], stage: Stage, rcs: int, marketer: Browser
) -> None:
    stage.person(number(1), name="Ada")
    marketer.post("/deliveries/new/", filled(stage, connection_id=rcs, **values))
    made = Delivery.objects.get()
    assert Options.of(made).content == kept
    assert marketer.get(f"/deliveries/{made.pk}/edit/").value_of("kind") == kept["type"]


def test_what_is_wrong_with_a_content_stands_beside_its_field(stage: Stage, rcs: int, marketer: Browser) -> None:
    wrong = {
        "connection_id": rcs,
        "body": "Hi",
        "kind": "text",
        "rich_text": "Hi",
        "suggestions-TOTAL_FORMS": 1,
        "suggestions-0-kind": "open_url",
        "suggestions-0-text": "Shop",
        "suggestions-0-value": "shop.example.org",
    }
    refused = marketer.post("/deliveries/new/", filled(stage, **wrong))
    assert "https://" in refused.error_of("suggestions-0-value")
    nothing = marketer.post("/deliveries/new/", filled(stage, connection_id=rcs, body="Hi", kind="card"))
    assert "needs a title" in nothing.error_of("kind")


def test_a_content_that_the_form_cannot_show_is_kept_as_it_is(stage: Stage, rcs: int, marketer: Browser) -> None:
    card = {"type": "card", "title": "One", "suggestions": [{"type": "reply", "text": "Yes"}]}
    content = {"type": "carousel", "cards": [card, card]}
    draft = stage.draft("Hi", connection_id=rcs, content=content)
    assert marketer.get(f"/deliveries/{draft.pk}/edit/").value_of("kind") == "kept"
    marketer.post(f"/deliveries/{draft.pk}/edit/", filled(stage, connection_id=rcs, body="Hello", kind="kept"))
    draft.refresh_from_db()
    assert draft.body == "Hello"
    assert Options.of(draft).content == content


# -- the composer ----------------------------------------------------------------------------------------------------


def test_the_composer_counts_as_the_connection_would(stage: Stage, marketer: Browser) -> None:
    said = composed(marketer, stage, body="a" * 160)
    assert "1 segment GSM alphabet" in said
    assert "160 of 160 characters used, 0 left" in said
    said = composed(marketer, stage, body="a" * 161)
    assert "2 segments GSM alphabet" in said
    assert "161 of 306 characters used, 145 left" in said
    assert "153 in each segment" in said


def test_the_guilty_character_is_named_and_marked_in_the_text(stage: Stage, marketer: Browser) -> None:
    page = marketer.post("/deliveries/composer/", filled(stage, body="C’est l’été" + "." * 60), HTTP_HX_REQUEST="true")
    assert "2 segments Unicode (UCS-2)" in page.text
    assert "curly apostrophe U+2019 × 2 → '" in page.text
    assert "With plain characters: 1 segment instead of 2." in page.text
    (bubble,) = page.find("div", class_="bubble")
    assert [mark.text for mark in bubble.iter("mark")] == ["’", "’"]


def test_what_has_no_plain_counterpart_is_said_to_have_none(stage: Stage, marketer: Browser) -> None:
    said = composed(marketer, stage, body="Sun 😀")
    assert "emoji: grinning face U+1F600 has no plain counterpart" in said


def test_a_button_puts_plain_characters_into_the_text(stage: Stage, marketer: Browser) -> None:
    page = marketer.post("/deliveries/new/", filled(stage, body="C’est {{ phone }} “été”", do="plain"))
    assert page.value_of("body") == 'C\'est {{ phone }} "été"'
    assert not Delivery.objects.exists()


def test_what_comes_from_a_person_cannot_be_mended_in_the_text(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1), name="Éloïse")
    said = composed(marketer, stage)
    assert "i with diaeresis" in said
    assert "they come from what is known of this person" in said
    assert "Put plain characters" not in said


def test_a_connection_that_transliterates_is_said_to(stage: Stage, marketer: Browser) -> None:
    stage.connection.settings["transliterate"] = True
    stage.connection.save()
    said = composed(marketer, stage, body="C’est l’été")
    assert "GSM alphabet" in said
    assert "The connection replaces these characters" in said


def test_the_writer_sees_the_text_of_each_of_the_first_people(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1), name="Ada")
    stage.person(number(2), name="Grace " + "x" * 170)
    first = composed(marketer, stage)
    assert "Hello Ada" in first
    assert "1 of 2" in first
    assert "Between 1 and 2 segments a message, over the first 2 people." in first
    assert "Hello Grace" in composed(marketer, stage, show="1")
    assert "Hello Grace" in composed(marketer, stage, place="1")


def test_the_composer_works_by_a_button_where_there_is_no_script(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1), name="Ada")
    page = marketer.post("/deliveries/new/", filled(stage, do="check"))
    assert "Hello Ada" in advice_of(page)
    assert not Delivery.objects.exists()
    assert page.value_of("label") == "Summer"


def test_who_would_be_left_out_is_told_with_the_reason(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1), name="Ada")
    stage.person(number(1), name="Ada again")
    stage.person(number(2), name="Grace")
    stage.block(number(2), "denylisted")
    said = composed(marketer, stage)
    assert "2 of the first 3 people would be left out" in said
    assert "Wrote STOP, or was put on the denylist: 1" in said
    assert "This person would be left out: Wrote STOP" in composed(marketer, stage, show="2")


def test_a_text_with_a_mistake_says_so_while_it_is_written(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1), name="Ada")
    assert "mentions nme, which nobody on the list has" in composed(marketer, stage, body="Hello {{ nme }}")
    assert composed(marketer, stage, body="Hello {{ ")


def test_a_limit_of_segments_is_heeded_while_writing(stage: Stage, marketer: Browser) -> None:
    said = composed(marketer, stage, body="a" * 161, maximum_segments="1")
    assert "Longer than the 1 segments that you allow" in said


def test_an_email_connection_asks_for_json_and_counts_no_segments(stage: Stage, marketer: Browser) -> None:
    esp = create_connection(stage.organisation, "Mail", "esp", {"url": "https://esp.example.org/send"}, NOW_MS)
    details = Details(email="ada@example.org")
    contacts.create_contact(stage.organisation, details, [stage.people.pk], NOW_MS)
    said = composed(marketer, stage, connection_id=esp.pk, body='{"to": "{{ user_identifier }}"}')
    assert "This connection sends e-mail" in said
    assert "segment" not in said.replace("Nobody counts segments", "")


# -- who may -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_who_may_only_see_deliveries_changes_none(role: str, stage: Stage, browse_as: Callable[..., Browser]) -> None:
    stage.person(number(1), name="Ada")
    draft = stage.draft("Hello {{ name }}")
    someone = browse_as(role)
    shown = someone.get(f"/deliveries/{draft.pk}/")
    assert shown.status == 200
    assert "Hello" not in shown.text  # these roles do not see texts
    assert "/deliveries/new/" not in someone.get("/deliveries/").links()
    for path in ("/deliveries/new/", f"/deliveries/{draft.pk}/edit/", f"/deliveries/{draft.pk}/proof/"):
        assert someone.get(path).status == 403
    for deed in ("analyse", "duplicate", "delete", "confirm", "cancel", "proof"):
        assert someone.post(f"/deliveries/{draft.pk}/{deed}/").status == 403
    assert Delivery.objects.get().status == "draft"


def test_numbers_are_masked_for_those_who_may_not_see_them(stage: Stage, browse_as: Callable[..., Browser]) -> None:
    stage.person("+33612345678", name="Ada")
    draft = stage.draft("Hello {{ name }}")
    assert "+33612345678" in browse_as("marketer").get(f"/deliveries/{draft.pk}/").text
    shown = browse_as("auditor").get(f"/deliveries/{draft.pk}/").text
    assert "+33612345678" not in shown
    assert "+33••••••678" in shown


def test_a_stranger_finds_nothing(stage: Stage, stranger: Browser) -> None:
    draft = stage.draft()
    assert "June" not in stranger.get("/deliveries/").text
    for path in ("", "edit/", "proof/", "report/", "messages/", "confirm/", "cancel/", "delete/", "messages.csv"):
        assert stranger.get(f"/deliveries/{draft.pk}/{path}").status == 404
    for path in ("analyse/", "revise/", "pause/", "resume/", "duplicate/", "proof/numbers/"):
        assert stranger.post(f"/deliveries/{draft.pk}/{path}", {"address": "+33612345678"}).status == 404
    assert Delivery.objects.get().status == "draft"


def test_somebody_else_s_list_or_connection_cannot_be_chosen(stage: Stage, marketer: Browser) -> None:
    other = create_organisation("Another", NOW_MS)
    theirs = contacts.create_list(other.pk, "Theirs", NOW_MS)
    refused = marketer.post("/deliveries/new/", filled(stage, list_id=theirs.pk))
    assert refused.error_of("list_id")
    refused = marketer.post("/deliveries/new/", filled(stage, connection_id=connection(other.pk, "S").pk))
    assert refused.error_of("connection_id")
    assert not Delivery.objects.exists()


def test_the_editor_speaks_french(stage: Stage, browse_as: Callable[..., Browser]) -> None:
    stage.person(number(1), name="Ada")
    someone = browse_as("marketer", language="fr")
    shown = someone.get("/deliveries/new/")
    assert "Enregistrer et analyser" in shown.text
    said = composed(someone, stage, body="C’est {{ name }}")
    assert "apostrophe courbe" in said
    refused = someone.post("/deliveries/new/", filled(stage, body="Hello {{ nam }}"))
    assert refused.error_of("body")
    assert "mentions" not in refused.error_of("body")
