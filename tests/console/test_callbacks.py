"""Callbacks at the console: made, shown once, tried, given up, said again."""

from collections.abc import Callable

import pytest
from tests.console.browser import Browser
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.callbacks import services
from chappe.features.callbacks.models import CallbackEndpoint, CallbackEvent

URL = "https://example.org/chappe"


@pytest.fixture
def endpoint(organisation: Organisation) -> CallbackEndpoint:
    return services.create_endpoint(organisation.pk, URL, NOW_MS).row


def dead(endpoint: CallbackEndpoint, **values: object) -> CallbackEvent:
    given = {"type": "message.sent", "subject_id": 7, "at_ms": NOW_MS, "dead_ms": NOW_MS + 1, "last_status": 500}
    return CallbackEvent.objects.create(endpoint_id=endpoint.pk, attempts=9, **given | values)


def test_a_new_callback_shows_its_secret_once(organisation: Organisation, admin: Browser) -> None:
    shown = admin.post("/callbacks/new/", {"url": URL, "events": ["message.delivered"]})
    secret = shown.value_of_id("secret")
    assert secret.startswith("whsec_")
    row = CallbackEndpoint.objects.get()
    assert (row.url, row.events) == (URL, ["message.delivered"])
    assert secret not in admin.get(f"/callbacks/{row.pk}/").html
    assert URL in admin.get("/callbacks/").text


def test_an_address_that_cannot_be_called_is_said_beside_the_field(organisation: Organisation, admin: Browser) -> None:
    shown = admin.post("/callbacks/new/", {"url": "http://example.org/", "events": ["message.sent"]})
    assert "https://" in shown.error_of("url")
    assert shown.value_of("url") == "http://example.org/"
    assert not CallbackEndpoint.objects.exists()


def test_a_callback_is_changed_switched_off_and_on(endpoint: CallbackEndpoint, admin: Browser) -> None:
    admin.post(f"/callbacks/{endpoint.pk}/edit/", {"url": f"{URL}/2", "events": ["inbound.received"]})
    admin.post(f"/callbacks/{endpoint.pk}/switch", {"is_enabled": "0"})
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.events, endpoint.is_enabled) == (f"{URL}/2", ["inbound.received"], False)
    admin.post(f"/callbacks/{endpoint.pk}/switch", {"is_enabled": "1"})
    endpoint.refresh_from_db()
    assert endpoint.is_enabled


def test_a_test_call_is_put_down_for_the_engine(endpoint: CallbackEndpoint, admin: Browser) -> None:
    assert "on its way" in admin.post(f"/callbacks/{endpoint.pk}/test").text
    assert CallbackEvent.objects.get().type == "callback.test"


def test_a_new_secret_is_shown_and_the_old_one_signs_for_a_day(endpoint: CallbackEndpoint, admin: Browser) -> None:
    shown = admin.post(f"/callbacks/{endpoint.pk}/rotate")
    assert shown.value_of_id("secret").startswith("whsec_")
    assert "Signed with two secrets until" in admin.get(f"/callbacks/{endpoint.pk}/").text


def test_dead_letters_say_why_and_are_called_again(endpoint: CallbackEndpoint, admin: Browser) -> None:
    first, second = dead(endpoint), dead(endpoint, last_status=0, last_error="the connection was refused")
    shown = admin.get(f"/callbacks/{endpoint.pk}/")
    assert "500" in shown.text
    assert "the connection was refused" in shown.text
    admin.post(f"/callbacks/{endpoint.pk}/replay", {"letter": first.pk})
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.dead_ms, first.attempts, second.attempts) == (0, 0, 9)
    assert "1 call is made again" in admin.post(f"/callbacks/{endpoint.pk}/replay").text


def test_a_callback_is_deleted_by_its_address(endpoint: CallbackEndpoint, admin: Browser) -> None:
    assert admin.post(f"/callbacks/{endpoint.pk}/delete", {"confirmation": "x"}).error_of("confirmation")
    admin.post(f"/callbacks/{endpoint.pk}/delete", {"confirmation": URL})
    assert URL not in admin.get("/callbacks/").text


def test_who_may_not_manage_hooks_sees_callbacks_and_changes_none(
    endpoint: CallbackEndpoint, browse_as: Callable[..., Browser]
) -> None:
    marketer = browse_as("marketer")
    shown = marketer.get(f"/callbacks/{endpoint.pk}/")
    assert URL in shown.text
    assert "Delete" not in shown.text
    for path in ("switch", "test", "rotate", "replay", "delete", "edit/"):
        assert marketer.post(f"/callbacks/{endpoint.pk}/{path}").status == 403


def test_another_organisation_has_no_such_callback(endpoint: CallbackEndpoint, stranger: Browser) -> None:
    for path in ("", "edit/", "delete"):
        assert stranger.get(f"/callbacks/{endpoint.pk}/{path}").status == 404
    for path in ("switch", "test", "rotate", "replay"):
        assert stranger.post(f"/callbacks/{endpoint.pk}/{path}").status == 404
    assert not CallbackEvent.objects.exists()
