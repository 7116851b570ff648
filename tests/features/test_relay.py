"""What mid keeps of an account, apart from who may ask for it."""

import os
from contextlib import closing

import pytest
from tests.row import NOW_MS, connection, message

from chappe.engine.store.relay_catalogue import RELAY_ACCOUNTS, relayed
from chappe.engine.store.store import open_store
from chappe.engine.vault import Vault, relay_place
from chappe.features import sealed
from chappe.features.accounts import operator
from chappe.features.accounts.models import Operator, Organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.connections.models import Connection
from chappe.features.messages.models import IdBlock
from chappe.features.messages.retention import forget_messages
from chappe.features.relay import services
from chappe.features.relay.models import RelayAccount, Relayed
from chappe.features.settings import egress
from chappe.messaging import DeliveryState
from chappe.providers.standard_webhook import new_secret


def signed_in(organisation: Organisation) -> tuple[Connection, Operator]:
    sms = operator.create_operator(organisation.pk, "sms", "Marketing", ["administration"], NOW_MS)
    return connection(organisation.pk, internal_name="sms_crm"), sms


def test_a_message_that_is_forgotten_is_no_longer_known_by_its_number_there(organisation: Organisation) -> None:
    account, _ = signed_in(organisation)
    for number, created_ms in ((1, NOW_MS), (2, NOW_MS + 5_000)):
        values = {"state": DeliveryState.DELIVERED, "created_ms": created_ms, "due_ms": created_ms}
        message(organisation.pk, number, connection_id=account.pk, done_ms=created_ms, **values)
        Relayed.objects.create(pk=relayed(account.pk, 810 + number), message_id=number)
    assert services.known(account.pk, [811, 812]) == [811, 812]
    forget_messages(organisation.pk, NOW_MS + 1_000, 0, lambda: None)
    assert services.known(account.pk, [811, 812]) == [812]


def test_secrets_come_under_the_first_key(organisation: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    account, sms = signed_in(organisation)
    secret = new_secret()
    old, new = os.urandom(32), os.urandom(32)
    monkeypatch.setattr(services, "process_vault", lambda: Vault([old]))
    services.sign_in(account, sms, "https://crm.example.org/in", secret, NOW_MS)
    monkeypatch.setattr(services, "process_vault", lambda: Vault([new, old]))
    assert (services.rotate_secrets(), services.rotate_secrets()) == (1, 0)
    row = RelayAccount.objects.get()
    place = relay_place(organisation.pk, account.pk)
    assert Vault([new]).decrypt(bytes(row.secrets), place) == {"current": secret}
    assert row.version == 1
    assert AuditEvent.objects.filter(subject_kind="relay", action="reseal").exists()


def test_secrets_that_no_key_opens_are_written_anew(organisation: Organisation) -> None:
    account, sms = signed_in(organisation)
    secret = new_secret()
    services.sign_in(account, sms, "https://crm.example.org/in", secret, NOW_MS)
    lost = Vault([os.urandom(32)]).encrypt({"current": secret}, relay_place(organisation.pk, account.pk))
    RelayAccount.objects.update(secrets=lost)
    services.sign_in(account, sms, "https://crm.example.org/in", secret, NOW_MS)
    row = RelayAccount.objects.get()
    assert sealed.process_vault().decrypt(bytes(row.secrets), relay_place(organisation.pk, account.pk))
    assert row.version == 2


def test_what_was_pulled_is_not_pushed_any_more(organisation: Organisation) -> None:
    account, sms = signed_in(organisation)
    services.sign_in(account, sms, "", "", NOW_MS)
    IdBlock.objects.create(name=f"relay_page {account.pk}", next_id=10)
    told = []
    for after in (4, 3, 9, 10):  # 10: a page that there is not
        services.note_pulled(account, after, NOW_MS)
        told.append(RelayAccount.objects.get().told)
    assert told == [4, 4, 9, 9]


def test_the_organisation_sees_which_networks_an_account_may_be_called_in(organisation: Organisation) -> None:
    account, sms = signed_in(organisation)
    services.sign_in(account, sms, "https://crm.example.org/in", new_secret(), NOW_MS)
    services.allow_networks(account, "10.0.0.0/8")
    assert [(one.kind, one.name, one.entries) for one in egress.listed(organisation.pk)] == [
        ("relay", "sms", ("10.0.0.0/8",))
    ]


def called(database: str) -> list[int]:
    """The accounts that engines call."""
    with closing(open_store(database).database) as store:
        return [row[0] for row in store.query(RELAY_ACCOUNTS)]


@pytest.mark.parametrize("how", ["off", "deleted", "weaker", "renamed"])
def test_nobody_is_called_for_an_operator_whose_account_it_is_no_more(
    organisation: Organisation, database: str, how: str
) -> None:
    account, sms = signed_in(organisation)
    services.sign_in(account, sms, "https://crm.example.org/in", new_secret(), NOW_MS)
    assert called(database) == [account.pk]
    match how:
        case "off":
            operator.change_operator(organisation.pk, sms.pk, operator.Change(is_enabled=False), NOW_MS)
        case "deleted":
            operator.delete_operator(organisation.pk, sms.pk)
        case "weaker":
            operator.change_operator(organisation.pk, sms.pk, operator.Change(scopes=["send"]), NOW_MS)
        case _:
            Connection.objects.update(internal_name="SMS_crm")
    assert called(database) == []
