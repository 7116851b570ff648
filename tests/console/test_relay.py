"""Other installations at the console: who sends through here, how far they were told, and what of theirs can be stopped."""

from collections.abc import Callable

import pytest
from tests.console.browser import NOW_MS, Browser, person
from tests.row import connection, message

from chappe.engine.store.relay_catalogue import relayed
from chappe.features.accounts import operator
from chappe.features.accounts.models import Operator, Organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection
from chappe.features.messages.models import DeliveryCount, IdBlock, Outbox
from chappe.features.relay import overview, services
from chappe.features.relay.models import RelayAccount, RelayDelivery, RelayPage
from chappe.messaging import DeliveryState
from chappe.providers.standard_webhook import new_secret

PUSH = "https://crm.example.org/hooks/here?key=hidden-17"


@pytest.fixture
def sms(organisation: Organisation) -> Operator:
    return operator.create_operator(organisation.pk, "sms", "Marketing", ["administration"], NOW_MS)


@pytest.fixture
def account(organisation: Organisation, sms: Operator) -> Connection:
    return connection(organisation.pk, "Of the CRM", internal_name="sms_crm")


def handed_over(account: Connection, number: int, **states: int) -> int:
    """A delivery of the other side, with so many messages in states."""
    pk = relayed(account.pk, number)
    values = {"organisation_id": account.organisation_id, "created_ms": NOW_MS, "changed_ms": NOW_MS}
    RelayDelivery.objects.create(pk=pk, **values)
    for name, messages in states.items():
        DeliveryCount.objects.create(delivery_id=pk, state=DeliveryState[name.upper()], messages=messages)
    return pk


def test_who_sends_through_here_is_listed_with_how_far_it_was_told(
    admin: Browser, account: Connection, sms: Operator
) -> None:
    assert "Never signed in" in admin.get("/relay/").text
    services.sign_in(account, sms, PUSH, new_secret(), NOW_MS)
    for number in (4, 5):
        RelayPage.objects.create(pk=relayed(account.pk, number), at_ms=NOW_MS + number, size=1, told=b"[]")
    IdBlock.objects.create(name=f"relay_page {account.pk}", next_id=6)
    RelayAccount.objects.update(told=3, told_ms=NOW_MS)
    page = admin.get("/relay/")
    assert "sms crm Of the CRM In step" in page.text
    assert "2 pages" in page.text
    assert f"/relay/{account.pk}/" in page.links()
    RelayAccount.objects.update(told=5, error="crm.example.org does not answer")
    page = admin.get(f"/relay/{account.pk}/")
    assert "Cannot be called" in page.text
    assert "crm.example.org does not answer" in page.text
    assert "https://crm.example.org/hooks/here" in page.text
    assert "hidden-17" not in page.html


def test_where_nobody_sends_it_is_said_how_somebody_could(admin: Browser, organisation: Organisation) -> None:
    connection(organisation.pk, "North")
    page = admin.get("/relay/")
    assert "No other installation sends through here" in page.text
    assert "/keys/operators/" in page.links()


def test_an_account_s_page_keeps_itself_fresh(admin: Browser, account: Connection, sms: Operator) -> None:
    def mark() -> object:
        return overview.fingerprint(account.organisation_id, account.pk)

    seen = [mark()]
    services.sign_in(account, sms, PUSH, new_secret(), NOW_MS)
    seen.append(mark())
    handed_over(account, 17, waiting=5)
    seen.append(mark())
    services.delivery_is(account, 17, "pause", NOW_MS)
    seen.append(mark())
    assert len(set(seen)) == len(seen)
    assert f"/live/account/{account.pk}?" in admin.get(f"/relay/{account.pk}/").html


def test_the_deliveries_of_an_account_are_shown_with_their_states(admin: Browser, account: Connection) -> None:
    handed_over(account, 17, waiting=5, sent=2, delivered=90, read=2, failed=1)
    handed_over(connection(account.organisation_id, "Another", internal_name="x_y"), 18, sent=1)
    page = admin.get(f"/relay/{account.pk}/")
    assert "17 Sending 100 5 92 1" in page.text
    assert "18" not in [one.rstrip("/").rpartition("/")[2] for one in page.links()]
    page = admin.get(f"/relay/{account.pk}/deliveries/17/")
    assert "Delivery 17 of sms" in page.text
    assert "Waiting 5" in page.text


def test_many_deliveries_are_paged(admin: Browser, account: Connection) -> None:
    rows = [
        RelayDelivery(pk=relayed(account.pk, number), organisation_id=account.organisation_id)
        for number in range(1, 61)
    ]
    RelayDelivery.objects.bulk_create(rows)
    first = admin.get(f"/relay/{account.pk}/")
    assert f"/relay/{account.pk}/deliveries/60/" in first.links()
    assert f"/relay/{account.pk}/deliveries/10/" not in first.links()
    second = admin.get(f"/relay/{account.pk}/", cursor=relayed(account.pk, 11))
    assert f"/relay/{account.pk}/deliveries/10/" in second.links()
    assert f"/relay/{account.pk}/deliveries/11/" not in second.links()


def test_a_delivery_is_paused_resumed_and_cancelled(admin: Browser, account: Connection) -> None:
    pk, at = handed_over(account, 17, waiting=5), f"/relay/{account.pk}/deliveries/17"
    Outbox.objects.create(pk=1, connection_id=account.pk, delivery_id=pk, first_id=1, last_id=5)
    assert "Paused" in admin.post(f"{at}/pause").text
    assert Outbox.objects.get().is_held
    assert "Sending" in admin.post(f"{at}/resume").text
    assert not Outbox.objects.get().is_held
    assert "Type “17” to confirm" in admin.get(f"{at}/cancel/").text
    page = admin.post(f"{at}/cancel/", {"confirmation": "17"})
    assert "Cancelled" in page.text
    assert RelayDelivery.objects.get().status == "cancelled"
    assert f"{at}/cancel/" not in page.links()
    told = AuditEvent.objects.filter(subject_kind="relay").order_by("pk").values_list("action", "actor_kind")
    assert list(told) == [("pause", "person"), ("resume", "person"), ("cancel", "person")]


def test_private_networks_are_allowed_within_what_the_organisation_allows(
    admin: Browser, account: Connection, sms: Operator
) -> None:
    services.sign_in(account, sms, PUSH, new_secret(), NOW_MS)
    RelayAccount.objects.update(error="10.1.2.3 is a private or reserved address")
    page = admin.post(f"/relay/{account.pk}/", {"allowed_networks": "10.0.0.0/8"})
    assert "Cannot be called" not in page.text, "it is tried again before anything is said of it"
    assert page.value_of("allowed_networks") == "10.0.0.0/8"
    row = RelayAccount.objects.get()
    assert (row.allowed_networks, row.version) == ("10.0.0.0/8", 2)
    wrong = admin.post(f"/relay/{account.pk}/", {"allowed_networks": "10.0.0.0/99"})
    assert wrong.error_of("allowed_networks")
    assert RelayAccount.objects.get().version == 2


def test_a_message_says_which_delivery_of_whom_it_came_with(admin: Browser, account: Connection) -> None:
    pk = handed_over(account, 17, sent=1)
    message(account.organisation_id, 5, connection_id=account.pk, delivery_id=pk, state=DeliveryState.SENT)
    message(
        account.organisation_id,
        6,
        connection_id=account.pk,
        delivery_id=relayed(account.pk, 0),
        state=DeliveryState.SENT,
    )
    page = admin.get("/messages/5/")
    assert "Delivery 17 of sms" in page.text
    assert f"/relay/{account.pk}/deliveries/17/" in page.links()
    assert "Handed over by another installation, which prepared it by its delivery 17." in page.text
    assert "Single messages of sms" in admin.get("/messages/6/").text


def test_whoever_only_looks_stops_nothing(admin: Browser, account: Connection, organisation: Organisation) -> None:
    handed_over(account, 17, waiting=5)
    looker = Browser(person(organisation, "operator", withheld=["manage_connections"]))
    page = looker.get(f"/relay/{account.pk}/deliveries/17/")
    assert page.status == 200
    assert f"/relay/{account.pk}/deliveries/17/cancel/" not in page.links()
    assert looker.post(f"/relay/{account.pk}/deliveries/17/pause").status == 403
    assert looker.post(f"/relay/{account.pk}/", {"allowed_networks": "10.0.0.0/8"}).status == 403


def test_a_connection_that_is_deleted_is_nobodys_account_any_more(
    admin: Browser, account: Connection, sms: Operator
) -> None:
    services.sign_in(account, sms, PUSH, new_secret(), NOW_MS)
    connections.delete_connection(account.organisation_id, account.pk)
    assert not RelayAccount.objects.exists()
    assert admin.get(f"/relay/{account.pk}/").status == 404


def test_the_pages_speak_french(browse_as: Callable[..., Browser], account: Connection) -> None:
    handed_over(account, 17, waiting=5)
    reader = browse_as(language="fr")
    assert "Autres installations" in reader.get("/relay/").text
    assert "Envoi 17 de sms" in reader.get(f"/relay/{account.pk}/deliveries/17/").text
