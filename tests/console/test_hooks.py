"""Hooks at the console: made from a pasted call, tried, turned, and what became of their calls."""

from collections.abc import Callable

import pytest
from tests import row
from tests.console.browser import Browser
from tests.online import settings_for
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection
from chappe.features.connections.services import create_connection
from chappe.features.hooks import services
from chappe.features.hooks.models import Hook, HookCount

INBOUND = '{"from": "{{ProfileNumber}}", "text": "{{InboundMessage}}"}'
FEEDBACK = '{"id": "{{message_id}}", "state": "{{feedbackStatus}}"}'


@pytest.fixture
def custom(organisation: Organisation) -> Connection:
    return create_connection(
        organisation.pk, "Our own", "custom", settings_for("custom", lambda name: f"https://{name}.example.org"), NOW_MS
    )


@pytest.fixture
def hook(custom: Connection) -> Hook:
    change = services.Change(name="Texts", payload=INBOUND)
    return services.create_hook(custom.organisation_id, custom.pk, "inbound", change, NOW_MS)


@pytest.fixture
def feedback(custom: Connection) -> Hook:
    change = services.Change(name="Statuses", payload=FEEDBACK)
    return services.create_hook(custom.organisation_id, custom.pk, "feedback", change, NOW_MS)


def typed(browser: Browser, hook: Hook, **values: str) -> dict[str, str]:
    """The form of a hook as it is, with other values."""
    shown = browser.get(f"/hooks/{hook.pk}/edit/")
    names = [one.get("name", "") for one in shown.controls() if one.get("type") not in ("checkbox", "radio")]
    return {name: shown.value_of(name) for name in names if name} | values


def test_a_hook_is_made_from_a_pasted_call(custom: Connection, admin: Browser) -> None:
    given = {"name": "Texts", "connection": custom.pk, "kind": "inbound", "payload": INBOUND}
    shown = admin.post("/hooks/new/", given)
    made = Hook.objects.get()
    assert shown.value_of_id("hook-url").endswith(f"/v1/hooks/{made.token}")
    assert "Nobody has called it yet" in shown.text


def test_a_call_without_its_placeholders_is_refused_beside_it(custom: Connection, admin: Browser) -> None:
    given = {"name": "Texts", "connection": custom.pk, "kind": "inbound", "payload": '{"a": "b"}'}
    shown = admin.post("/hooks/new/", given)
    assert "InboundMessage" in shown.error_of("payload")
    assert shown.value_of("payload") == '{"a": "b"}'
    assert not Hook.objects.exists()


def test_a_call_is_tried_and_nothing_is_kept(hook: Hook, admin: Browser) -> None:
    call = '{"from": "+33612345678", "text": "Hello"}'
    shown = admin.post(f"/hooks/{hook.pk}/edit/", typed(admin, hook, call=call, name="Other", **{"try": "1"}))
    assert "A text from a phone" in shown.text
    assert "+33612345678" in shown.text
    assert shown.value_of("call") == call
    hook.refresh_from_db()
    assert (hook.name, hook.version) == ("Texts", 1)


def test_a_call_that_cannot_be_read_says_why(hook: Hook, admin: Browser) -> None:
    shown = admin.post(f"/hooks/{hook.pk}/edit/", typed(admin, hook, call="{", **{"try": "1"}))
    assert shown.find("p", class_="notice bad")


def test_keywords_are_set_and_shown_as_they_hold(hook: Hook, admin: Browser) -> None:
    values = typed(
        admin, hook, words_opt_out="ADIEU, Ciao", reply_opt_out="Bye", words_custom="INFO", reply_custom="At 9"
    )
    shown = admin.post(f"/hooks/{hook.pk}/edit/", values)
    assert "ADIEU, Ciao" in shown.text
    hook.refresh_from_db()
    rules = {rule.category: (rule.keywords, rule.reply) for rule in services.shown_keywords(hook).rules}
    assert rules["opt_out"] == (("ADIEU", "Ciao"), "Bye")
    assert rules["custom"] == (("INFO",), "At 9")


def test_a_word_of_two_categories_is_refused_beside_it(hook: Hook, admin: Browser) -> None:
    shown = admin.post(f"/hooks/{hook.pk}/edit/", typed(admin, hook, words_opt_out="GO", words_custom="go"))
    assert "already" in shown.error_of("words_custom")
    assert shown.value_of("words_opt_out") == "GO"


def test_statuses_are_given_their_meaning(feedback: Hook, admin: Browser) -> None:
    values = typed(admin, feedback, word_0="arrived", meaning_0="delivered", word_1="lost", meaning_1="failed")
    admin.post(f"/hooks/{feedback.pk}/edit/", values)
    feedback.refresh_from_db()
    assert feedback.statuses == {"arrived": "delivered", "lost": "failed"}
    call = '{"id": "A1", "state": "arrived"}'
    shown = admin.post(f"/hooks/{feedback.pk}/edit/", typed(admin, feedback, call=call, **{"try": "1"}))
    assert "Delivered" in shown.text


def test_a_status_without_a_meaning_is_refused(feedback: Hook, admin: Browser) -> None:
    shown = admin.post(f"/hooks/{feedback.pk}/edit/", typed(admin, feedback, word_0="arrived"))
    assert shown.error_of("word_0")


def test_the_secret_of_a_proof_is_kept_and_never_shown(hook: Hook, admin: Browser) -> None:
    proof = {"proof_kind": "basic", "proof_user": "partner", "proof_secret": "a long secret"}
    admin.post(f"/hooks/{hook.pk}/edit/", typed(admin, hook, **proof))
    hook.refresh_from_db()
    assert hook.proof["kind"] == "basic"
    kept = bytes(hook.secrets)
    assert kept
    assert "a long secret" not in admin.get(f"/hooks/{hook.pk}/edit/").html
    admin.post(f"/hooks/{hook.pk}/edit/", typed(admin, hook, name="Renamed"))
    hook.refresh_from_db()
    assert (hook.name, bytes(hook.secrets)) == ("Renamed", kept)


def test_a_form_of_before_somebody_else_s_change_is_refused(hook: Hook, admin: Browser) -> None:
    old = typed(admin, hook, name="Mine")
    services.change_hook(hook.organisation_id, hook.pk, services.Change(name="Theirs"), NOW_MS)
    shown = admin.post(f"/hooks/{hook.pk}/edit/", old)
    assert "was changed since" in shown.text
    assert shown.value_of("name") == "Mine"
    hook.refresh_from_db()
    assert hook.name == "Theirs"


def test_a_hook_gets_another_address_and_the_old_one_is_good_for_a_day(hook: Hook, admin: Browser) -> None:
    old = hook.token
    shown = admin.post(f"/hooks/{hook.pk}/rotate")
    hook.refresh_from_db()
    assert hook.previous_token == old != hook.token
    assert "The address before is good until" in shown.text


def test_calls_are_counted_in_words(hook: Hook, admin: Browser) -> None:
    for outcome, calls in (("accepted", 12), ("no proof", 3)):
        HookCount.objects.create(
            organisation_id=hook.organisation_id,
            connection_id=hook.connection_id,
            hook_id=hook.pk,
            outcome=outcome,
            calls=calls,
            last_ms=NOW_MS,
        )
    shown = admin.get(f"/hooks/{hook.pk}/").text
    assert "taken 12" in shown
    assert "not proven to be the provider's 3" in shown
    assert "12" in admin.get("/hooks/").text


def test_a_hook_is_deleted_by_its_name(hook: Hook, admin: Browser) -> None:
    admin.post(f"/hooks/{hook.pk}/delete", {"confirmation": "texts"})
    assert Hook.objects.exists()
    admin.post(f"/hooks/{hook.pk}/delete", {"confirmation": "Texts"})
    assert not Hook.objects.exists()


def test_without_a_provider_by_http_the_page_says_what_comes_first(organisation: Organisation, admin: Browser) -> None:
    row.connection(organisation.pk)
    assert "Connect a provider first" in admin.get("/hooks/").text


def test_who_may_not_manage_hooks_does_not_see_their_addresses(hook: Hook, browse_as: Callable[..., Browser]) -> None:
    marketer = browse_as("marketer")
    assert hook.token not in marketer.get(f"/hooks/{hook.pk}/").html
    for path in ("edit/", "switch", "rotate", "delete"):
        assert marketer.post(f"/hooks/{hook.pk}/{path}").status == 403


def test_another_organisation_has_no_such_hook(hook: Hook, stranger: Browser) -> None:
    for path in ("", "edit/", "delete"):
        assert stranger.get(f"/hooks/{hook.pk}/{path}").status == 404
    for path in ("switch", "rotate"):
        assert stranger.post(f"/hooks/{hook.pk}/{path}").status == 404
    given = {"name": "Texts", "connection": hook.connection_id, "kind": "inbound", "payload": INBOUND}
    stranger.post("/hooks/new/", given)
    assert Hook.objects.count() == 1
