"""Accounts with providers: kept only as the provider's declaration accepts them; secrets are written, never shown."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, QuerySet

from chappe.engine.address import inbound_url, status_url
from chappe.engine.vault import Sealed, Vault, connection_place
from chappe.features import clock
from chappe.features.accounts.services import checked_name
from chappe.features.connections.link import held_slots
from chappe.features.connections.models import Connection, LinkLease, LinkState
from chappe.features.messages.models import Outbox
from chappe.features.page import LARGEST_ID
from chappe.features.refusal import Conflict, InvalidInput, Mistakes, NotFound
from chappe.messaging import ConfigError, FieldError

if TYPE_CHECKING:
    from chappe.engine.net.verification import Subject, Verification
    from chappe.providers.contract import ProviderSpec

MASK = "********"


@dataclass(frozen=True)
class Change:
    """What to change of a connection; None leaves it as it is.

    `settings` names only what changes: null puts a setting back to its default, the mask leaves a secret as it is.
    `version` is the one the caller has read: when somebody else changed the connection since, nothing is changed.
    """

    name: str | None = None
    settings: Mapping[str, object] | None = None
    is_enabled: bool | None = None
    version: int | None = None


@cache
def process_vault() -> Vault:
    """The vault of this process's keys."""
    return Vault(django_settings.CONFIGURATION.keys)


def connections_of(organisation_id: int) -> "QuerySet[Connection]":
    return Connection.objects.filter(organisation_id=organisation_id)


def find_connection(organisation_id: int, connection_id: int) -> Connection:
    """Raises NotFound."""
    return _found(connections_of(organisation_id), connection_id)


def create_connection(
    organisation_id: int,
    name: str,
    provider: str,
    settings: Mapping[str, object],
    now_ms: int,
    *,
    is_enabled: bool = True,
) -> Connection:
    """A new connection. Raises InvalidInput naming each field, or Conflict where the name is taken."""
    mistakes, public, secrets = Mistakes(), dict[str, Any](), dict[str, str]()
    with mistakes.noted():
        name = checked_name(name)
    with mistakes.noted():
        public, secrets = _parsed(provider_spec(provider), settings, {})
    mistakes.refuse()
    connection = Connection(
        organisation_id=organisation_id,
        name=name,
        provider=provider,
        settings=public,
        is_enabled=is_enabled,
        created_ms=now_ms,
        changed_ms=now_ms,
    )
    with _name_is_free(connection.name), transaction.atomic():
        connection.save()
        # The number of the row is part of what the secrets are sealed for, so they can only follow it.
        connection.secrets = _sealed(connection, secrets)
        connection.save(update_fields=["secrets"])
    return connection


def change_connection(organisation_id: int, connection_id: int, change: Change, now_ms: int) -> Connection:
    """The connection as changed; its version grows when anything differs. Raises NotFound, InvalidInput, Conflict."""
    with transaction.atomic():
        connection = _found(connections_of(organisation_id).select_for_update(), connection_id)
        if change.version not in (None, connection.version):
            raise Conflict(f"The connection was changed since: it is at version {connection.version} now.")
        if _apply(connection, change):
            connection.version += 1
            connection.changed_ms = now_ms
            with _name_is_free(connection.name), transaction.atomic():
                connection.save()
    return connection


def delete_connection(organisation_id: int, connection_id: int) -> None:
    """Raises NotFound; Conflict while messages wait for it or a delivery is sent through it."""
    with transaction.atomic():
        connection = _found(connections_of(organisation_id).select_for_update(), connection_id)
        if Outbox.objects.filter(connection_id=connection_id).exists():
            raise Conflict("Messages are waiting for this connection. Let them go out, or cancel their deliveries.")
        try:
            connection.delete()
        except ProtectedError:
            raise Conflict("Deliveries were sent through this connection. Switch it off instead.") from None
        LinkState.objects.filter(connection_id=connection_id).delete()
        LinkLease.objects.filter(connection_id=connection_id).delete()


def shown_settings(connection: Connection) -> dict[str, Any]:
    """Every setting as people may see it: secrets masked, empty where none was given."""
    spec = _spec_or_none(connection.provider)
    if spec is None:
        return dict(connection.settings)
    try:
        secrets: Mapping[str, str] | None = open_secrets(connection)
    except Sealed:
        secrets = None
    return spec.shown(connection.settings, secrets, MASK)


def open_secrets(connection: Connection) -> dict[str, str]:
    """The secrets themselves, for the engine and for verifying; never for a page. Raises Sealed."""
    return process_vault().decrypt(bytes(connection.secrets), _place(connection))


def verify_connection(
    connection: Connection, *, test_number: str | None = None, test_text: str | None = None
) -> "Verification":
    """Use a connection as the engine would, and say what was found.

    Raises Conflict where the secrets stay closed. No transaction may be open: a provider takes its time.
    """
    from chappe.engine.net.verification import verify

    try:
        subject = verification_subject(connection)
    except Sealed as error:
        raise Conflict(f"The secrets of this connection cannot be opened: {error}. Write them again.") from None
    return async_to_sync(verify)(subject, test_number=test_number, test_text=test_text)


def verification_subject(connection: Connection) -> "Subject":
    """What is to be known to verify a connection. Raises Sealed."""
    from chappe.engine.net.verification import Subject

    place = (django_settings.CONFIGURATION.public_url, connection.provider, connection.organisation_id, connection.pk)
    return Subject(
        connection.provider,
        dict(connection.settings),
        open_secrets(connection),
        connection.pk,
        connection.organisation_id,
        status_url(*place),
        inbound_url(*place),
        held_slots(connection.pk, clock.now_ms()),
    )


def rotate_secrets() -> int:
    """Bring every connection's secrets under the first key; how many were not. Raises Sealed where a key is missing."""
    vault, rotated = process_vault(), 0
    for connection in Connection.objects.exclude(secrets=b"").iterator():
        sealed = bytes(connection.secrets)
        if vault.needs_rotation(sealed):
            # Guarded by the version: secrets that somebody writes meanwhile are under the first key already.
            same = Connection.objects.filter(pk=connection.pk, version=connection.version)
            rotated += same.update(secrets=vault.rotate(sealed, _place(connection)))
    return rotated


def provider_spec(key: str) -> "ProviderSpec":
    """The declaration of a provider. Raises InvalidInput naming those there are."""
    from chappe.providers.registry import PROVIDERS

    spec = _spec_or_none(key)
    if spec is None:
        raise InvalidInput.at("provider", f"must be one of {', '.join(sorted(PROVIDERS))}")
    return spec


def _spec_or_none(key: str) -> "ProviderSpec | None":
    from chappe.providers.registry import PROVIDERS

    return PROVIDERS.get(key)


def _found(rows: "QuerySet[Connection]", connection_id: int) -> Connection:
    found = rows.filter(pk=connection_id).first() if connection_id <= LARGEST_ID else None
    if found is None:
        raise NotFound("connection", connection_id)
    return found


def _apply(connection: Connection, change: Change) -> bool:
    """Write `change` into the row, unsaved; whether anything differs."""
    before = (connection.name, connection.is_enabled, connection.settings, bytes(connection.secrets))
    mistakes = Mistakes()
    with mistakes.noted():
        connection.name = connection.name if change.name is None else checked_name(change.name)
    with mistakes.noted():
        if change.settings is not None:
            _apply_settings(connection, change.settings)
    mistakes.refuse()
    if change.is_enabled is not None:
        connection.is_enabled = change.is_enabled
    return before != (connection.name, connection.is_enabled, connection.settings, bytes(connection.secrets))


def _need_every_secret(
    spec: "ProviderSpec", connection: Connection, given: Mapping[str, object], error: Sealed
) -> None:
    from chappe.providers.contract import applies

    values = {**spec.defaults(), **connection.settings, **given}
    missing = [
        setting.name
        for setting in spec.settings
        if setting.is_secret and applies(setting, values) and given.get(setting.name, MASK) in (MASK, None)
    ]
    for setting in spec.settings:
        for index, _ in setting.locked_cells(values[setting.name]):
            if values[setting.name][index].get(setting.locks, MASK) in (MASK, None):
                missing.append(f"{setting.name}[{index}].{setting.locks}")
    if missing:
        words = f"is needed again, for what is kept cannot be opened: {error}"
        raise InvalidInput([FieldError(f"settings.{name}", words) for name in missing])


def _apply_settings(connection: Connection, given: Mapping[str, object]) -> None:
    spec = provider_spec(connection.provider)
    try:
        old_secrets: Mapping[str, str] = open_secrets(connection)
    except Sealed as error:
        # Its key is not here: whoever writes every secret anew gets the connection back, and nobody loses one unawares.
        _need_every_secret(spec, connection, given, error)
        old_secrets = {}
    known = {setting.name for setting in spec.settings}
    # What an earlier release declared and this one does not is dropped, not refused: nobody typed it today.
    kept = {name: value for name, value in connection.settings.items() if name in known}
    public, secrets = _parsed(spec, kept | dict(given), old_secrets)
    connection.settings = public
    if secrets != old_secrets or process_vault().needs_rotation(bytes(connection.secrets)):
        connection.secrets = _sealed(connection, secrets)


def _parsed(
    spec: "ProviderSpec", given: Mapping[str, object], old_secrets: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Public and secret settings, complete. A secret left out or masked is the old one. Raises InvalidInput."""
    try:
        public, secrets = spec.split(spec.parse(spec.unmasked(given, old_secrets, MASK)))
    except ConfigError as error:
        raise InvalidInput([FieldError(f"settings.{one.field}", one.message) for one in error.errors]) from None
    return public, {name: str(value) for name, value in secrets.items()}


def _place(connection: Connection) -> str:
    return connection_place(connection.organisation_id, connection.pk)


def _sealed(connection: Connection, secrets: Mapping[str, str]) -> bytes:
    return process_vault().encrypt(secrets, _place(connection))


@contextmanager
def _name_is_free(name: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise Conflict(f"There is a connection named {name} already.") from None
