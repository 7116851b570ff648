"""Values that nobody types by accident, and answers that say too much or are kept too long."""

from collections.abc import Callable

import pytest
from django.db import OperationalError, connection
from django.test import Client
from tests import row
from tests.console.browser import PASSWORD, Browser, person
from tests.console.test_hooks import FEEDBACK
from tests.online import settings_for

from chappe.features.accounts import invitation, people
from chappe.features.accounts.models import Organisation, PeopleGroup
from chappe.features.callbacks import services as callbacks
from chappe.features.callbacks.models import CallbackEvent
from chappe.features.clock import now_ms
from chappe.features.connections.models import Connection, ErrorQualification
from chappe.features.connections.services import create_connection
from chappe.features.hooks import services as hooks
from chappe.web.console.middleware import POLICY

TOKEN = "t0ken-of-a-customer"


def connected(organisation: Organisation) -> Connection:
    settings = settings_for("custom", lambda name: f"https://{name}.example.org")
    return create_connection(organisation.pk, "Our own", "custom", settings, now_ms())


def test_a_search_for_what_no_text_can_hold_is_answered(admin: Browser) -> None:
    for wanted in ("\0", "\0+33612345678", "marie\0@example.org", "9" * 40, "٣٣٦١٢٣٤٥٦٧٨", "²²²²²²"):
        assert admin.get("/messages/", q=wanted).status == 200


def test_a_thing_whose_name_has_several_lines_can_be_deleted(admin: Browser, organisation: Organisation) -> None:
    """A field of one line leaves the line breaks out."""
    group = people.create_group(organisation.pk, people.Membership("Équipe\nde nuit", [], []))
    admin.post(f"/people/groups/{group.pk}/delete", {"confirmation": "E\u0301quipede nuit"})
    assert not PeopleGroup.objects.exists()


def test_a_callback_with_a_long_address_can_be_deleted(admin: Browser, organisation: Organisation) -> None:
    url = f"https://example.org/{'x' * 1900}"
    made = callbacks.create_endpoint(organisation.pk, url, now_ms()).row
    assert "is gone" in admin.post(f"/callbacks/{made.pk}/delete", {"confirmation": url}).text


def test_a_row_of_a_form_with_a_number_that_is_none_is_left_out(admin: Browser, organisation: Organisation) -> None:
    vendor = connected(organisation)
    hook = hooks.create_hook(
        organisation.pk, vendor.pk, "feedback", hooks.Change(name="Statuses", payload=FEEDBACK), now_ms()
    )
    typed = {"name": "Statuses", "payload": FEEDBACK, "proof_kind": "none", "proof_hash": "sha256"}
    for name in ("word_²", "word_٣", f"word_{'9' * 19}"):
        assert admin.post(f"/hooks/{hook.pk}/edit/", {**typed, name: "x"}).status == 200


# -- what is said to whom ----------------------------------------------------------------------------------------------


def test_a_token_in_the_address_of_a_callback_is_for_who_manages_them(
    admin: Browser, organisation: Organisation, browse_as: Callable[..., Browser]
) -> None:
    made = callbacks.create_endpoint(organisation.pk, f"https://example.org/?token={TOKEN}", now_ms()).row
    marketer = browse_as("marketer")
    for path in ("/callbacks/", f"/callbacks/{made.pk}/"):
        assert TOKEN in admin.get(path).html
        assert TOKEN not in marketer.get(path).html


def test_dead_letters_are_chosen_at_the_page_and_none_is_not_all(admin: Browser, organisation: Organisation) -> None:
    made = callbacks.create_endpoint(organisation.pk, "https://example.org/", now_ms()).row
    CallbackEvent.objects.create(endpoint_id=made.pk, type="message.sent", subject_id=7, at_ms=1, dead_ms=2)
    path = f"/callbacks/{made.pk}/"
    shown = admin.get(path)
    assert len(shown.find("input", name="letter")) == 1
    assert "Call all of them again" in shown.text
    assert "Nothing was chosen" in admin.post(f"{path}replay", {"chosen": ""}, HTTP_REFERER=path).text
    assert CallbackEvent.objects.get().dead_ms == 2


def test_what_somebody_may_not_make_is_not_offered_to_them(
    organisation: Organisation, browse_as: Callable[..., Browser]
) -> None:
    marketer = browse_as("marketer")
    assert "/connections/pick" not in " ".join(marketer.get("/hooks/").links())
    connected(organisation)
    assert "/hooks/new/" not in marketer.get("/hooks/").links()


# -- answers -----------------------------------------------------------------------------------------------------------


def test_every_answer_says_what_may_be_loaded(admin: Browser) -> None:
    for path in ("/", "/nowhere", "/people/1/let-in", "/v1/nowhere", "/v1/messages", "/healthz", "/live/nothing/0"):
        answer = admin.client.get(path)
        assert answer.headers["Content-Security-Policy"] == POLICY, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
    assert admin.client.get("/static/console/mark.svg").headers["Content-Security-Policy"] == POLICY


def test_no_page_before_the_sign_in_is_kept_by_a_cache(organisation: Organisation) -> None:
    made = invitation.invite(organisation.pk, "a@example.org", "auditor", "", now_ms())
    for path in (f"/people/invitation/{made.token}", "/account/login/", "/account/password/reset/", "/nowhere"):
        assert "no-store" in Client().get(path).headers["Cache-Control"], path


def test_a_database_that_is_away_makes_a_page_that_needs_none(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise OperationalError("the database is away")

    admin.client.raise_request_exception = False
    monkeypatch.setattr(connection, "cursor", refused)
    answer = admin.client.get("/")
    assert answer.status_code == 500
    assert "Rien n’est perdu" in answer.content.decode()
    assert answer.headers["Content-Security-Policy"] == POLICY


# -- one's own account -------------------------------------------------------------------------------------------------


def test_nobody_takes_another_address_by_themselves(admin: Browser) -> None:
    for act in ("action_add", "action_primary"):
        assert admin.post("/account/email/", {"email": "boss@example.org", act: ""}).status == 404
    assert admin.user is not None
    admin.user.refresh_from_db()
    assert admin.user.email == admin.user.username


def test_who_belongs_to_no_organisation_may_change_their_password(organisation: Organisation) -> None:
    someone = person(organisation, password=PASSWORD)
    someone.organisation = None
    someone.save()
    browser = Browser(someone)
    assert browser.get("/").status == 403
    assert browser.get("/account/password/change/").find("input", name="oldpassword")


def test_a_number_that_a_provider_repeats_is_masked_as_the_number_is(
    admin: Browser, organisation: Organisation, browse_as: Callable[..., Browser]
) -> None:
    said = "the number +33612345678 of <b>marie@example.org</b> is not valid"
    values = {"kind": "soft", "occurrences": 1, "first_ms": 1, "last_ms": 1}
    error = ErrorQualification.objects.create(organisation_id=organisation.pk, text="x", first_text=said, **values)
    row.message(organisation.pk, state=50, reason=said, done_ms=2)
    for path in (f"/errors/{error.pk}/", "/messages/?q=%2B33612345678", "/messages/1/"):
        assert said in admin.get(path).text, path
        shown = browse_as("auditor").get(path).html.replace('value="+33612345678"', "")
        assert "612345" not in shown, path
        assert "marie@" not in shown, path
