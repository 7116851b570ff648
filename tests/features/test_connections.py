"""Accounts with providers: what is kept, what is shown, what the engine hears of."""

from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings
from tests import row
from tests.row import NOW_MS

from chappe.engine.vault import Sealed, Vault
from chappe.features.accounts.models import Organisation
from chappe.features.connections import services
from chappe.features.connections.models import Connection, LinkState
from chappe.features.connections.services import MASK, Change
from chappe.features.contacts.models import ContactList
from chappe.features.deliveries.models import Delivery
from chappe.features.messages.models import Outbox
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.messaging import OutboundMessage
from chappe.providers import registry
from chappe.providers.http import Account, HttpRequest

SETTINGS = {"host": "smsc.example.org", "account": "relais", "password": "s3cr3t-1"}


@pytest.fixture
def connection(organisation: Organisation) -> Connection:
    return services.create_connection(organisation.pk, "North", "smpp", SETTINGS, NOW_MS)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The keys of the process; change the list to restart it with others."""
    ring = list(django_settings.CONFIGURATION.keys)

    def vault() -> Vault:
        return Vault(ring)

    monkeypatch.setattr(services, "process_vault", vault)
    yield ring


def change(connection: Connection, **changes: object) -> Connection:
    return services.change_connection(connection.organisation_id, connection.pk, Change(**changes), NOW_MS + 1)  # type: ignore[arg-type]


def stored(connection: Connection) -> Connection:
    return Connection.objects.get(pk=connection.pk)


def fields_of(error: pytest.ExceptionInfo[InvalidInput]) -> list[str]:
    return [one.field for one in error.value.errors]


def test_a_secret_is_in_the_database_encrypted_only(connection: Connection) -> None:
    columns = " ".join(repr(value) for value in Connection.objects.values_list().get())
    assert "s3cr3t-1" not in columns
    assert services.open_secrets(stored(connection))["password"] == "s3cr3t-1"


def test_what_is_shown_masks_secrets_that_were_given(connection: Connection) -> None:
    shown = services.shown_settings(stored(connection))
    assert shown["password"] == MASK
    assert shown["receiver_password"] == ""
    assert shown["host"] == "smsc.example.org"


def test_settings_left_out_are_kept_with_their_defaults_in_the_order_of_the_form(connection: Connection) -> None:
    shown = services.shown_settings(stored(connection))
    spec = services.provider_spec("smpp")
    assert list(shown) == [setting.name for setting in spec.settings]
    assert shown["port"] == 2775


def test_every_wrong_setting_is_named_and_nothing_is_kept(organisation: Organisation) -> None:
    with pytest.raises(InvalidInput) as caught:
        services.create_connection(organisation.pk, "North", "smpp", {"port": 0, "hots": "x"}, NOW_MS)
    assert fields_of(caught) == ["settings.hots", "settings.port"]
    assert not Connection.objects.exists()


def test_a_provider_that_does_not_exist_is_answered_with_those_that_do(organisation: Organisation) -> None:
    with pytest.raises(InvalidInput, match="smpp") as caught:
        services.create_connection(organisation.pk, "North", "carrier-pigeon", {}, NOW_MS)
    assert fields_of(caught) == ["provider"]


def test_the_mask_is_no_secret_for_a_new_connection(organisation: Organisation) -> None:
    with pytest.raises(InvalidInput) as caught:
        services.create_connection(organisation.pk, "North", "smpp", SETTINGS | {"password": MASK}, NOW_MS)
    assert fields_of(caught) == ["settings.password"]


def test_writing_the_mask_back_keeps_the_secret(connection: Connection) -> None:
    change(connection, settings=services.shown_settings(connection) | {"window": 50})
    assert services.open_secrets(stored(connection))["password"] == "s3cr3t-1"
    assert stored(connection).settings["window"] == 50


def test_leaving_a_secret_out_keeps_it_and_writing_it_replaces_it(connection: Connection) -> None:
    change(connection, settings={"window": 50})
    assert services.open_secrets(stored(connection))["password"] == "s3cr3t-1"
    change(connection, settings={"password": "s3cr3t-2"})
    assert services.open_secrets(stored(connection))["password"] == "s3cr3t-2"


def test_null_puts_a_setting_back_to_its_default(connection: Connection) -> None:
    change(connection, settings={"window": 50})
    change(connection, settings={"window": None})
    assert stored(connection).settings["window"] == 10


def test_the_version_grows_with_every_change_and_with_nothing_else(connection: Connection) -> None:
    assert change(connection, settings={"window": 50}).version == 2
    assert change(connection, settings={"window": 50}).version == 2
    assert change(connection, is_enabled=False).version == 3
    assert change(connection, name="South", settings={"password": "s3cr3t-2"}).version == 4
    assert change(connection, settings={"password": MASK}).version == 4
    assert (stored(connection).version, stored(connection).changed_ms) == (4, NOW_MS + 1)


def test_a_change_of_what_somebody_else_changed_meanwhile_is_refused(connection: Connection) -> None:
    change(connection, version=1, settings={"window": 50})
    with pytest.raises(Conflict, match="version 2"):
        change(connection, version=1, settings={"window": 60})
    assert stored(connection).settings["window"] == 50


def test_a_refused_change_changes_nothing_at_all(connection: Connection) -> None:
    with pytest.raises(InvalidInput):
        change(connection, name="South", is_enabled=False, settings={"window": 50, "port": "no"})
    assert stored(connection).is_enabled
    assert (stored(connection).name, stored(connection).version) == ("North", 1)
    assert stored(connection).settings["window"] == 10


def test_two_connections_of_an_organisation_cannot_have_one_name(connection: Connection) -> None:
    other = services.create_connection(connection.organisation_id, "South", "smpp", SETTINGS, NOW_MS)
    with pytest.raises(Conflict, match="North"):
        services.create_connection(connection.organisation_id, "North", "smpp", SETTINGS, NOW_MS)
    with pytest.raises(Conflict, match="North"):
        change(other, name="North")
    assert stored(other).name == "South"


def test_a_connection_is_deleted_with_what_its_links_said(connection: Connection) -> None:
    row.link(connection.pk, "bound")
    services.delete_connection(connection.organisation_id, connection.pk)
    assert not Connection.objects.exists()
    assert not LinkState.objects.exists()


def test_a_connection_that_messages_wait_for_is_not_deleted(connection: Connection) -> None:
    Outbox.objects.create(pk=1, connection_id=connection.pk, first_id=1, last_id=1)
    with pytest.raises(Conflict, match="waiting"):
        services.delete_connection(connection.organisation_id, connection.pk)
    assert Connection.objects.exists()


def test_a_connection_of_a_delivery_is_not_deleted(connection: Connection) -> None:
    people = ContactList.objects.create(organisation_id=connection.organisation_id, name="All")
    Delivery.objects.create(
        organisation_id=connection.organisation_id, label="May", contact_list=people, connection=connection, body="x"
    )
    with pytest.raises(Conflict, match="Switch it off"):
        services.delete_connection(connection.organisation_id, connection.pk)
    assert Connection.objects.exists()


@pytest.mark.parametrize("number", [999, 2**63, 10**40])
def test_a_connection_that_is_not_there_is_not_found(organisation: Organisation, number: int) -> None:
    with pytest.raises(NotFound):
        services.find_connection(organisation.pk, number)


def test_secrets_copied_to_another_connection_do_not_open_there(connection: Connection) -> None:
    other = services.create_connection(connection.organisation_id, "South", "smpp", SETTINGS, NOW_MS)
    Connection.objects.filter(pk=other.pk).update(secrets=stored(connection).secrets)
    with pytest.raises(Sealed):
        services.open_secrets(stored(other))


def test_rotating_brings_every_secret_under_the_new_key(connection: Connection, keys: list[bytes]) -> None:
    keys.insert(0, b"n" * 32)
    assert services.rotate_secrets() == 1
    assert services.rotate_secrets() == 0
    del keys[1:]
    assert services.open_secrets(stored(connection))["password"] == "s3cr3t-1"
    assert stored(connection).version == 1


def test_a_lost_key_shows_masks_and_writing_the_secrets_anew_brings_the_connection_back(
    connection: Connection, keys: list[bytes]
) -> None:
    keys[:] = [b"n" * 32]
    assert services.shown_settings(stored(connection))["password"] == MASK
    with pytest.raises(InvalidInput) as caught:
        change(connection, settings={"password": MASK})
    assert fields_of(caught) == ["settings.password"]
    change(connection, settings={"password": "s3cr3t-2"})
    assert services.open_secrets(stored(connection))["password"] == "s3cr3t-2"


def test_without_the_key_no_other_change_loses_the_password(connection: Connection, keys: list[bytes]) -> None:
    right = list(keys)
    keys[:] = [b"n" * 32]
    with pytest.raises(InvalidInput, match="cannot be opened") as caught:
        change(connection, settings={"window": 50})
    assert fields_of(caught) == ["settings.password"]
    keys[:] = right
    assert services.open_secrets(stored(connection))["password"] == "s3cr3t-1"
    assert stored(connection).version == 1


def test_a_connection_whose_key_is_lost_cannot_be_verified_and_says_why(
    connection: Connection, keys: list[bytes]
) -> None:
    keys[:] = [b"n" * 32]
    with pytest.raises(Conflict, match="not among the keys given"):
        services.verify_connection(stored(connection))


def test_a_setting_that_a_newer_release_dropped_does_not_stand_in_the_way(connection: Connection) -> None:
    Connection.objects.update(settings=connection.settings | {"gone": 1})
    assert "gone" not in change(connection, settings={"window": 50}).settings


# -- tables with locked rows -------------------------------------------------------------------------------------------

KEY = {"label": "X-Key", "type": "constant", "value": "s3cr3t-key", "locked": True}
HEADERS = [
    {"label": "Content-Type", "value": "application/json"},
    {"label": "Charset", "value": "UTF-8"},
    KEY,
    {"label": "X-Open", "value": "open"},
]
CUSTOM = {"url": "https://sms.example.org/send", "headers": HEADERS}


@pytest.fixture
def custom(organisation: Organisation) -> Connection:
    return services.create_connection(organisation.pk, "Custom", "custom", CUSTOM, NOW_MS)


def header_sent(connection: Connection, name: str = "X-Key") -> str | None:
    """What the engine would send: the row as it reads it, opened, parsed and signed."""
    spec = services.provider_spec("custom")
    account = Account(spec.parse({**stored(connection).settings, **services.open_secrets(stored(connection))}))
    adapter = registry.HTTP["custom"]
    made = adapter.build(OutboundMessage(1, "+33612345678", "", "Hello", 0, 0, 0, 0, 0, 7), account)
    assert isinstance(made, HttpRequest)
    return dict(adapter.auth(account).sign(made, "", 0.0).headers).get(name)


def shown_headers(connection: Connection) -> dict[str, str]:
    return {row["label"]: row["value"] for row in services.shown_settings(stored(connection))["headers"]}


def test_the_value_of_a_locked_header_is_encrypted_masked_and_sent(custom: Connection) -> None:
    columns = " ".join(repr(value) for value in Connection.objects.values_list().get())
    assert "s3cr3t-key" not in columns
    assert "s3cr3t-key" not in str(services.shown_settings(stored(custom)))
    assert (shown_headers(custom)["X-Key"], shown_headers(custom)["X-Open"]) == (MASK, "open")
    assert header_sent(custom) == "s3cr3t-key"


def test_a_locked_header_survives_writing_back_what_is_shown_and_moving_its_row(custom: Connection) -> None:
    shown = services.shown_settings(stored(custom))
    assert change(custom, settings=shown).version == 1
    change(custom, settings={"headers": [*reversed(shown["headers"])]})
    assert header_sent(custom) == "s3cr3t-key"
    change(custom, settings={"sender": "36180"})
    assert header_sent(custom) == "s3cr3t-key"


def test_a_locked_header_written_anew_replaces_the_old_value(custom: Connection) -> None:
    assert change(custom, settings={"headers": [*HEADERS[:2], KEY | {"value": "s3cr3t-new"}]}).version == 2
    assert header_sent(custom) == "s3cr3t-new"


@pytest.mark.parametrize("row", [{"locked": False, "value": MASK}, {"label": "X-Other", "value": MASK}])
def test_the_mask_brings_no_secret_into_a_header_that_is_open_or_another(
    custom: Connection, row: dict[str, object]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        change(custom, settings={"headers": [*HEADERS[:2], KEY | row]})
    assert fields_of(caught) == ["settings.headers[2].value"]
    assert "s3cr3t" not in str(services.shown_settings(stored(custom)))


def test_a_locked_header_that_is_removed_leaves_nothing_behind(custom: Connection) -> None:
    change(custom, settings={"headers": HEADERS[:2]})
    assert "s3cr3t-key" not in str(services.open_secrets(stored(custom)))
    change(custom, settings={"headers": [*HEADERS[:2], {"label": "X-Key", "value": "open now"}]})
    assert header_sent(custom) == "open now"


def test_without_the_key_a_locked_header_shows_its_mask_and_is_needed_again(
    custom: Connection, keys: list[bytes]
) -> None:
    keys[:] = [b"another key of the process 32 by"]
    assert shown_headers(custom)["X-Key"] == MASK
    with pytest.raises(InvalidInput) as caught:
        change(custom, settings={"sender": "36180"})
    assert "settings.headers[2].value" in fields_of(caught)
