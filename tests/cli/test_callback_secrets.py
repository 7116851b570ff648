"""The secrets of callbacks follow the keys, as those of connections do."""

import os

import pytest
from tests.cli.shell import Shell
from tests.row import NOW_MS

from chappe.engine.vault import Vault, callback_place
from chappe.features import sealed
from chappe.features.accounts.models import Organisation
from chappe.features.callbacks import services
from chappe.features.callbacks.models import CallbackEndpoint
from chappe.features.connections import services as connections


def test_secrets_of_callbacks_come_under_the_first_key_and_the_doctor_says_when_they_are_not(
    shell: Shell, organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = os.urandom(32), os.urandom(32)
    made = services.create_endpoint(organisation.pk, "https://example.org/", NOW_MS)
    place = callback_place(organisation.pk, made.row.pk)
    CallbackEndpoint.objects.update(secrets=Vault([old]).encrypt({"current": made.secret}, place))
    for module in (services, connections, sealed):
        monkeypatch.setattr(module, "process_vault", lambda: Vault([new, old]))
    values = {"host": "smsc.example.org", "account": "relais", "password": "s3cret"}
    connections.create_connection(organisation.pk, "North", "smpp", values, NOW_MS)
    warning = "The secrets of 1 callback are still under an older key of CHAPPE_KEYS."
    assert warning in shell("doctor").out
    assert "1 callback brought under the first key." in shell.done("secrets", "rotate").out
    assert Vault([new]).decrypt(bytes(CallbackEndpoint.objects.get().secrets), place) == {"current": made.secret}
    assert warning not in shell("doctor").out
    assert "under the first key already" in shell.done("secrets", "rotate").out
