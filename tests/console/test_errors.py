"""Errors of providers, as a list of work."""

from collections.abc import Callable

import pytest
from tests.console.browser import Browser
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import ErrorQualification

TEXT = "SR Generic UNDELIV 042|#MESSAGE#"


@pytest.fixture
def error(organisation: Organisation) -> ErrorQualification:
    return ErrorQualification.objects.create(
        organisation_id=organisation.pk,
        text=TEXT,
        first_text="id:1 stat:UNDELIV err:042",
        kind="soft",
        occurrences=12,
        first_ms=NOW_MS,
        last_ms=NOW_MS,
    )


def test_an_error_waits_until_somebody_says_what_it_means(error: ErrorQualification, admin: Browser) -> None:
    assert TEXT in admin.get("/errors/").text
    admin.post(f"/errors/{error.pk}/", {"kind": "hard", "reason": "number unassigned"})
    error.refresh_from_db()
    assert (error.kind, error.reason, error.status) == ("hard", "number unassigned", "keep")
    assert TEXT not in admin.get("/errors/").text
    assert "number unassigned" in admin.get("/errors/", status="keep").text


def test_an_error_without_a_reason_is_not_qualified(error: ErrorQualification, admin: Browser) -> None:
    assert admin.post(f"/errors/{error.pk}/", {"kind": "hard", "reason": " "}).error_of("reason")
    error.refresh_from_db()
    assert error.status == "to_qualify"


def test_an_error_is_set_aside(error: ErrorQualification, admin: Browser) -> None:
    admin.post(f"/errors/{error.pk}/set-aside")
    assert TEXT not in admin.get("/errors/").text
    assert TEXT in admin.get("/errors/", status="ignore").text


def test_an_empty_list_says_that_all_is_done(organisation: Organisation, admin: Browser) -> None:
    assert "Nothing to qualify" in admin.get("/errors/").text


def test_who_may_not_qualify_sees_and_changes_nothing(
    error: ErrorQualification, browse_as: Callable[..., Browser]
) -> None:
    marketer = browse_as("marketer")
    assert TEXT in marketer.get("/errors/").text
    assert marketer.post(f"/errors/{error.pk}/", {"kind": "hard", "reason": "x"}).status == 403
    assert marketer.post(f"/errors/{error.pk}/set-aside").status == 403


def test_another_organisation_has_no_such_error(error: ErrorQualification, stranger: Browser) -> None:
    assert TEXT not in stranger.get("/errors/", status="all").text
    assert stranger.get(f"/errors/{error.pk}/").status == 404
    assert stranger.post(f"/errors/{error.pk}/set-aside").status == 404
