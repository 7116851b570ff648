"""The inbox: conversations by number, answered, given to somebody, closed."""

from collections.abc import Callable

import pytest
from tests import row
from tests.console.browser import Browser
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection
from chappe.features.consent.models import ConsentEvent, Quarantine
from chappe.features.inbox.models import Conversation
from chappe.features.messages.models import MessageNow, Outbox
from chappe.messaging import Category, DeliveryState

NUMBER = "+33612345678"
SMSC = {"host": "smsc.example.org", "account": "relais"}


@pytest.fixture
def north(organisation: Organisation) -> Connection:
    return row.connection(organisation.pk, settings=SMSC)


@pytest.fixture
def talk(north: Connection) -> Conversation:
    return conversation(north)


def conversation(north: Connection, number: int = 1, sender: str = NUMBER, **values: object) -> Conversation:
    row.inbound(north.organisation_id, number, sender=sender, connection_id=north.pk, body=f"Question {number}?")
    given = {"recipient": "36180", "last_inbound_id": number, "last_ms": NOW_MS, "connection_id": north.pk}
    return Conversation.objects.create(organisation_id=north.organisation_id, number=sender, **given | values)


def test_who_waits_is_in_the_inbox_the_latest_first(north: Connection, talk: Conversation, admin: Browser) -> None:
    conversation(north, 2, "+33699999999")
    conversation(north, 3, "+33688888888", is_open=False)
    shown = admin.get("/inbox/").text
    assert shown.index("Question 2?") < shown.index("Question 1?")
    assert "Question 3?" not in shown
    assert "Question 3?" in admin.get("/inbox/", box="all").text


def test_an_empty_inbox_says_what_comes_there(organisation: Organisation, admin: Browser) -> None:
    assert "Nobody waits for an answer" in admin.get("/inbox/").text


def test_an_answer_goes_back_the_way_the_text_came(talk: Conversation, admin: Browser) -> None:
    shown = admin.post(f"/inbox/{talk.pk}/", {"text": "At nine."})
    assert "At nine." in shown.text
    message = MessageNow.objects.get()
    assert (message.recipient, message.sender, message.body) == (NUMBER, "36180", "At nine.")
    assert (message.state, message.category) == (DeliveryState.WAITING, Category.TRANSACTIONAL)
    assert Outbox.objects.get().connection_id == talk.connection_id


def test_an_answer_that_cannot_go_is_kept_and_nothing_is_sent(
    north: Connection, talk: Conversation, admin: Browser
) -> None:
    Connection.objects.filter(pk=north.pk).update(is_enabled=False)
    shown = admin.post(f"/inbox/{talk.pk}/", {"text": "At nine."})
    assert "is switched off" in shown.text
    assert shown.value_of("text") == "At nine."
    assert not MessageNow.objects.exists()


def test_an_empty_answer_is_refused_beside_the_field(talk: Conversation, admin: Browser) -> None:
    assert admin.post(f"/inbox/{talk.pk}/", {"text": "  "}).error_of("text")


def test_a_conversation_is_given_to_somebody_and_found_among_theirs(
    talk: Conversation, admin: Browser, browse_as: Callable[..., Browser]
) -> None:
    marketer = browse_as("marketer")
    assert "Question 1?" not in marketer.get("/inbox/", box="mine").text
    admin.post(f"/inbox/{talk.pk}/assign", {"assignee": marketer.user.pk})
    assert "Question 1?" in marketer.get("/inbox/", box="mine").text


def test_a_conversation_is_not_given_to_who_may_not_use_the_inbox(
    talk: Conversation, admin: Browser, browse_as: Callable[..., Browser]
) -> None:
    auditor = browse_as("auditor")
    admin.post(f"/inbox/{talk.pk}/assign", {"assignee": auditor.user.pk})
    talk.refresh_from_db()
    assert talk.assignee_id == 0


def test_a_closed_conversation_leaves_the_inbox_and_comes_back(talk: Conversation, admin: Browser) -> None:
    assert "Question 1?" not in admin.post(f"/inbox/{talk.pk}/close").text
    admin.post(f"/inbox/{talk.pk}/close", {"is_open": "1"})
    assert "Question 1?" in admin.get("/inbox/").text


@pytest.mark.parametrize("path", ["", "assign", "close"])
def test_another_organisation_has_no_such_conversation(path: str, talk: Conversation, stranger: Browser) -> None:
    assert stranger.post(f"/inbox/{talk.pk}/{path}", {"text": "Hello", "assignee": "0"}).status == 404
    assert "Question 1?" not in stranger.get("/inbox/", box="all").text
    assert stranger.get(f"/inbox/{talk.pk}/").status == 404
    assert not MessageNow.objects.exists()
    talk.refresh_from_db()
    assert talk.is_open


@pytest.mark.parametrize("role", ["auditor", "operator"])
def test_who_may_not_use_the_inbox_does_not_see_it(
    role: str, talk: Conversation, browse_as: Callable[..., Browser]
) -> None:
    assert browse_as(role).get("/inbox/").status == 403


def test_a_person_who_asks_for_it_is_left_alone(talk: Conversation, admin: Browser) -> None:
    shown = admin.post(f"/inbox/{talk.pk}/leave-alone")
    assert "Nothing goes to this number any more" in shown.text
    kept = Quarantine.objects.get()
    assert (kept.address, kept.status, kept.short_code) == (NUMBER, "denylisted", "")
    line = ConsentEvent.objects.get()
    assert (line.is_given, line.source, line.evidence) == (False, "console", "wrote: Question 1?")
    talk.refresh_from_db()
    assert not talk.is_open


def test_another_organisation_stops_nobody_of_ours(talk: Conversation, stranger: Browser) -> None:
    assert stranger.post(f"/inbox/{talk.pk}/leave-alone").status == 404
    assert not Quarantine.objects.exists()
