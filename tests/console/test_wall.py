"""The wall of links and the performance of one connection."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.console.browser import Browser
from tests.mid import relay
from tests.row import connection, link

from chappe.features.accounts.models import Organisation
from chappe.features.accounts.right import Role
from chappe.features.clock import now_ms
from chappe.features.connections.models import OrphanReceipt
from chappe.features.connections.performance import line_of, speed_of
from chappe.features.connections.wall import fingerprint
from chappe.features.messages.models import Outbox, Traffic
from chappe.features.refusal import NotFound
from chappe.messaging import TrafficKind


def live(connection_id: int, state: str = "bound", **values: Any) -> None:
    """A link that its engine shows now, and for as long as the test may take."""
    given = {"window": 10, "in_flight": 10, "sent_per_s": 98.0, "round_trip_p50_ms": 90.0, "round_trip_p99_ms": 130.0}
    link(
        connection_id, state, **given | {"changed_ms": now_ms() + 3_600_000, "since_ms": now_ms() - 7_200_000} | values
    )


def waiting(connection_id: int) -> None:
    Outbox.objects.create(pk=connection_id, connection_id=connection_id, due_ms=now_ms(), first_id=1, last_id=1500)


def counted(organisation_id: int, connection_id: int, kind: TrafficKind, messages: int) -> None:
    now = now_ms()
    head = {"organisation_id": organisation_id, "connection_id": connection_id, "width_ms": 300_000, "kind": kind}
    Traffic.objects.create(bucket_ms=now - now % 300_000, messages=messages, **head)


def test_the_wall_says_what_each_link_does_and_what_limits_it(admin: Browser, organisation: Organisation) -> None:
    north = connection(organisation.pk)
    live(north.pk)
    waiting(north.pk)
    counted(organisation.pk, north.pk, TrafficKind.RECEIPT, 412)
    counted(organisation.pk, north.pk, TrafficKind.UNMATCHED, 3)
    shown = admin.get("/connections/wall/").text
    assert "The window is full: with 10 messages at a time and answers after 90 ms, no more than 111 a second" in shown
    assert "Link 1, sends and receives: Logged in 2 h ago" in shown
    assert "1,500" in shown
    assert "412 3 for no message" in shown


def test_a_link_that_is_down_says_why(admin: Browser, organisation: Organisation) -> None:
    north = connection(organisation.pk)
    live(north.pk, "down", reason="the provider refused the log-in: wrong password")
    shown = admin.get("/connections/wall/").text
    assert "None of its links is up" in shown
    assert "wrong password" in shown


def test_a_connection_with_many_links_shows_the_first_of_them(admin: Browser, organisation: Organisation) -> None:
    north = connection(organisation.pk)
    for slot in range(11):
        live(north.pk, slot=slot)
    assert "and 3 more links" in admin.get("/connections/wall/").text
    assert len(admin.get(f"/connections/{north.pk}/performance/").find("th", scope="row")) >= 11


def test_without_a_connection_the_wall_says_what_will_be_there(admin: Browser) -> None:
    assert "No connection yet" in admin.get("/connections/wall/").text


def test_the_wall_keeps_itself_fresh(admin: Browser, organisation: Organisation) -> None:
    connection(organisation.pk)
    shown = admin.get("/connections/wall/")
    (stream,) = [one.get("sse-connect", "") for one in shown.all("div") if one.get("sse-connect")]
    assert stream.startswith("/live/links/0?")
    assert shown.find("div", id="wall")


def test_what_moves_on_a_link_is_told(organisation: Organisation) -> None:
    north = connection(organisation.pk)
    live(north.pk)
    before = fingerprint(organisation.pk, 0), fingerprint(organisation.pk, north.pk)
    live(north.pk, slot=1)
    after = fingerprint(organisation.pk, 0), fingerprint(organisation.pk, north.pk)
    assert before[0][1] != after[0][1]  # type: ignore[index]
    assert before[1][1] != after[1][1]  # type: ignore[index]


def test_another_organisations_links_move_for_nobody_else(organisation: Organisation, stranger: Browser) -> None:
    north = connection(organisation.pk)
    assert stranger.user is not None and stranger.user.organisation is not None
    with pytest.raises(NotFound):
        fingerprint(stranger.user.organisation.pk, north.pk)


# -- performance -------------------------------------------------------------------------------------------------------


def test_the_advisor_says_what_a_wanted_speed_needs(admin: Browser, organisation: Organisation) -> None:
    north = connection(organisation.pk)
    live(north.pk)
    shown = admin.get(f"/connections/{north.pk}/performance/", rate="300")
    assert "With its settings it can send about 100 messages a second, not 300." in shown.text
    assert "Raise “Sending window” from 10 to 36" in shown.text
    assert shown.value_of("rate") == "300"


def test_what_mid_sends_has_no_speed_of_its_own(admin: Browser, organisation: Organisation) -> None:
    mid = relay(organisation.pk, 9)
    live(mid.pk, round_trip_p50_ms=20.0)
    shown = admin.get(f"/connections/{mid.pk}/performance/")
    assert "How fast they leave is settled on mid." in shown.text
    assert not shown.find("input", name="rate")
    speed = speed_of(line_of(organisation.pk, mid.pk, now_ms()), None, now_ms())
    assert (speed.advice.reachable_per_s, speed.advice.limit_allows_per_s, speed.busiest_per_s) == (0, 0, 0)


@pytest.mark.parametrize("rate", ["-4", "fast", "1e12", "nan"])
def test_a_speed_that_is_none_is_refused_beside_the_field(
    admin: Browser, organisation: Organisation, rate: str
) -> None:
    north = connection(organisation.pk)
    shown = admin.get(f"/connections/{north.pk}/performance/", rate=rate)
    assert shown.status == 200
    assert shown.error_of("rate")
    assert shown.value_of("rate") == rate


def test_the_traffic_of_a_connection_is_drawn(admin: Browser, organisation: Organisation) -> None:
    north = connection(organisation.pk)
    counted(organisation.pk, north.pk, TrafficKind.SENT, 1234)
    counted(organisation.pk, north.pk, TrafficKind.FAILED, 56)
    shown = admin.get(f"/connections/{north.pk}/performance/", period="7d")
    assert len(shown.all("{http://www.w3.org/2000/svg}rect")) == 2
    assert "1,234" in shown.text
    current = [one for one in shown.all("a") if one.get("aria-current") == "true"]
    assert ["".join(one.itertext()) for one in current] == ["7 days"]


def test_receipts_that_matched_nothing_are_shown(admin: Browser, organisation: Organisation) -> None:
    north, south = connection(organisation.pk), connection(organisation.pk, "South")
    row = {"status": "DELIVRD", "first_ms": now_ms(), "last_ms": now_ms()}
    OrphanReceipt.objects.create(connection_id=north.pk, provider_message_id="00A1B2", occurrences=3, **row)
    OrphanReceipt.objects.create(connection_id=south.pk, provider_message_id="not this one", **row)
    shown = admin.get(f"/connections/{north.pk}/performance/").text
    assert "00A1B2 DELIVRD 3 just now" in shown
    assert "not this one" not in shown


def test_a_period_that_is_none_is_refused(admin: Browser, organisation: Organisation) -> None:
    north = connection(organisation.pk)
    assert admin.get(f"/connections/{north.pk}/performance/", period="ever").status == 400


@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_look_at_the_links(
    browse_as: Callable[..., Browser], organisation: Organisation, role: Role
) -> None:
    north = connection(organisation.pk)
    someone = browse_as(role.value)
    assert someone.get("/connections/wall/").status == 200
    assert someone.get(f"/connections/{north.pk}/performance/").status == 200


def test_a_stranger_sees_none_of_it(stranger: Browser, organisation: Organisation) -> None:
    north = connection(organisation.pk)
    assert "North" not in stranger.get("/connections/wall/").text
    assert stranger.get(f"/connections/{north.pk}/performance/").status == 404


def test_the_wall_is_told_in_french(browse_as: Callable[..., Browser], organisation: Organisation) -> None:
    north = connection(organisation.pk)
    live(north.pk)
    waiting(north.pk)
    someone = browse_as(language="fr")
    assert "La fenêtre est pleine" in someone.get("/connections/wall/").text
    shown = someone.get(f"/connections/{north.pk}/performance/", rate="300").text
    assert "Fenêtre" in shown
    assert "300" in shown
