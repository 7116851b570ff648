"""Rules by which texts are answered, and the tester beside them: it says what the engine would do."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.console.browser import NOW_MS, Browser

from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection
from chappe.features.hooks import services as hooks
from chappe.features.hooks.models import Hook

REPLIES = (
    {"keyword": "STOP", "short_code": "36180", "reply": "You are off 36180.", "action": "send_to_quarantine"},
    {"keyword": "STOP", "short_code": "", "reply": "You are off the list.", "action": "send_to_quarantine"},
    {"keyword": "START", "short_code": "", "reply": "", "action": "remove_from_quarantine"},
    {"keyword": "ST", "short_code": "", "reply": "What?", "action": "none"},
)


@pytest.fixture
def smpp(organisation: Organisation) -> Connection:
    settings: dict[str, Any] = {"host": "smsc.example.org", "account": "relais", "automatic_replies": list(REPLIES)}
    return Connection.objects.create(
        organisation=organisation, name="North", provider="smpp", settings=settings, created_ms=NOW_MS
    )


@pytest.fixture
def hook(organisation: Organisation) -> Hook:
    connection = Connection.objects.create(organisation=organisation, name="South", provider="twilio")
    rules = [
        {"category": "opt_out", "keywords": ["CANCEL", "ARRÊT"], "reply": "Goodbye."},
        {"category": "double_opt_in", "keywords": ["JOIN"], "reply": "Send YES to confirm."},
        {"category": "default", "reply": "We do not read this."},
    ]
    keywords = {"rules": rules, "near_miss_reply": "Did you mean {word}?"}
    change = hooks.Change(name="Replies", keywords=keywords)
    return hooks.create_hook(organisation.pk, connection.pk, "inbound", change, NOW_MS)


def verdict(browser: Browser, source: str, text: str, number: str = "") -> str:
    shown = browser.get("/consent/keywords/", source=source, text=text, number=number)
    assert shown.value_of("text").strip() == text.strip()
    (card,) = [one for one in shown.all("section") if one.get("aria-labelledby") == "verdict"]
    return " ".join(" ".join(card.itertext()).split())


def test_without_a_connection_the_page_says_what_to_do(admin: Browser) -> None:
    assert "No texts come in yet" in admin.get("/consent/keywords/").text


def test_all_rules_stand_in_one_place_with_the_way_to_change_them(
    admin: Browser, smpp: Connection, hook: Hook, browse_as: Callable[..., Browser]
) -> None:
    shown = admin.get("/consent/keywords/")
    for words in ("North", "You are off 36180.", "South › Replies", "CANCEL, ARRÊT", "Did you mean {word}?"):
        assert words in shown.text
    assert f"/connections/{smpp.pk}/settings/#group-incoming-traffic" in shown.links()
    assert f"/hooks/{hook.pk}/edit/" in shown.links()
    marketer = browse_as("marketer").get("/consent/keywords/")
    assert "Whoever manages connections and hooks can change them." in marketer.text
    assert not {f"/connections/{smpp.pk}/settings/#group-incoming-traffic", f"/hooks/{hook.pk}/edit/"} & set(
        marketer.links()
    )


def test_the_first_row_that_matches_counts_and_its_short_code_alone_is_left(admin: Browser, smpp: Connection) -> None:
    told = verdict(admin, f"connection-{smpp.pk}", "  stop it!", "36180")
    assert "the first word is looked at: “stop”" in told
    assert "Row 1 answers: the word begins with STOP." in told
    assert "Row 2 (STOP) would match as well, and is passed over" in told
    assert "for the short code 36180 alone" in told
    assert "Marketing: is still sent: the connection sends under another short code, or names none" in told
    assert "You are off 36180." in told


def test_a_row_for_another_number_is_named(admin: Browser, smpp: Connection) -> None:
    told = verdict(admin, f"connection-{smpp.pk}", "STOP", "38000")
    assert "Row 2 answers" in told
    assert "Row 1 (STOP) has the keyword, but is only for texts to 36180." in told
    assert "Marketing: is not sent any more" in told and "Transactional: is not sent any more" in told


def test_a_connection_that_lets_transactional_messages_through_says_so(admin: Browser, smpp: Connection) -> None:
    Connection.objects.update(settings=smpp.settings | {"transactional_despite_stop": True})
    assert "Transactional: is still sent" in verdict(admin, f"connection-{smpp.pk}", "STOP")


def test_who_comes_back_is_released(admin: Browser, smpp: Connection) -> None:
    told = verdict(admin, f"connection-{smpp.pk}", "start")
    assert "is released" in told and "Nothing is answered." in told


def test_a_near_miss_by_smpp_lets_nobody_go_and_is_pointed_out(admin: Browser, smpp: Connection) -> None:
    told = verdict(admin, f"connection-{smpp.pk}", "SOTP")
    assert "No rule matches." in told
    assert "It is nearly STOP." in told
    assert "Consent stays as it is." in told


def test_a_hook_finds_keywords_however_they_are_written(admin: Browser, hook: Hook) -> None:
    told = verdict(admin, f"hook-{hook.pk}", "Arret, merci !")
    assert "“arret merci”" in told and "It is the keyword ARRÊT." in told
    assert "for all your numbers" in told and "Goodbye." in told


def test_a_near_miss_of_a_hook_gets_its_own_answer(admin: Browser, hook: Hook) -> None:
    told = verdict(admin, f"hook-{hook.pk}", "cancle")
    assert "It is nearly CANCEL" in told and "Did you mean CANCEL?" in told
    assert "Consent stays as it is." in told


def test_the_other_categories_leave_consent_as_it_is(admin: Browser, hook: Hook) -> None:
    assert "until the person confirms" in verdict(admin, f"hook-{hook.pk}", "join")
    told = verdict(admin, f"hook-{hook.pk}", "hello there")
    assert "the answer to everything else" in told and "We do not read this." in told


def test_a_provider_without_a_hook_has_the_standard_words(admin: Browser, organisation: Organisation) -> None:
    connection = Connection.objects.create(organisation=organisation, name="South", provider="twilio")
    assert "standard words" in admin.get("/consent/keywords/").text
    told = verdict(admin, f"connection-{connection.pk}", "Unsubscribe")
    assert "It is the keyword UNSUBSCRIBE." in told and "Nothing is answered." in told


def test_the_tester_asks_for_a_text_and_for_a_place_that_is_ours(
    admin: Browser, smpp: Connection, stranger: Browser, hook: Hook
) -> None:
    shown = admin.get("/consent/keywords/", source=f"connection-{smpp.pk}", text="")
    assert shown.error_of("text")
    other = stranger.get("/consent/keywords/", source=f"connection-{smpp.pk}", text="STOP")
    assert "This is what happens" not in other.text and "North" not in other.text
    assert admin.get("/consent/keywords/", source="hook-999", text="STOP").error_of("source")


def test_a_connection_without_automatic_replies_is_warned_of(admin: Browser, smpp: Connection) -> None:
    Connection.objects.update(settings={"host": "smsc.example.org", "account": "relais"})
    assert "There are no automatic replies" in admin.get("/consent/keywords/").text
