"""Accounts with providers: kept only as the provider's declaration accepts them; secrets are written, never shown."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.db import IntegrityError, transaction
from django.db.models import Max, ProtectedError, QuerySet

from chappe.engine.address import hook_urls
from chappe.engine.vault import Sealed, connection_place
from chappe.features import clock, sealed
from chappe.features.accounts.services import checked_name
from chappe.features.audit.following import subject_of
from chappe.features.audit.record import Subject as Audited
from chappe.features.audit.record import note, together
from chappe.features.connections import version
from chappe.features.connections.account import checked_internal_name
from chappe.features.connections.link import held_slots
from chappe.features.connections.models import Connection, ConnectionVersion, LinkLease, LinkState
from chappe.features.connections.way import Way
from chappe.features.messages.models import Exchange, HookEvent, Outbox
from chappe.features.page import LARGEST_ID
from chappe.features.refusal import Conflict, InvalidInput, Mistakes, NotFound
from chappe.features.relay.models import RelayAccount, RelayLink
from chappe.features.sealed import process_vault
from chappe.features.settings.egress import bounds_of, refuse_unlisted
from chappe.features.settings.models import OrganisationSettings
from chappe.messaging import Channel, ConfigError, FieldError

if TYPE_CHECKING:
    from chappe.engine.net.probe import OnPdu
    from chappe.engine.net.verification import Subject, Verification
    from chappe.providers.contract import ProviderSpec

MASK = "********"
VENDORS = frozenset({"twilio", "vonage", "messagebird", "link_mobility", "sinch", "infobip", "messagemedia"})
"""Providers whose connections are replaced, never edited: what was sent through one keeps saying with which settings."""
NETWORKS, UNKNOWN_ERROR = "allowed_networks", "default_error_kind"
LONGEST_NAME = 200
LARGEST_POSITION = 1_000_000


@dataclass(frozen=True)
class Change:
    """What to change of a connection; None leaves it as it is.

    `settings` names only what changes: null puts a setting back to its default, the mask leaves a secret as it is.
    `version` is the one the caller has read: when somebody else changed the connection since, nothing is changed. The
    connection with the lowest `position` is the first of the list, and used where none is named.
    """

    name: str | None = None
    settings: Mapping[str, object] | None = None
    is_enabled: bool | None = None
    version: int | None = None
    position: int | None = None
    internal_name: str | None = None


def connections_of(organisation_id: int, *, with_replaced: bool = False) -> "QuerySet[Connection]":
    """In the order of the list: by position, the older one first. Those that were replaced only where they are asked for."""
    rows = _all_of(organisation_id).order_by("position", "pk")
    return rows if with_replaced else rows.filter(replaced_by=0)


def replaced_connections(organisation_id: int) -> list[Connection]:
    """Those that others stand in the place of, the latest first."""
    return list(_all_of(organisation_id).exclude(replaced_by=0).order_by("-pk")[:200])


def former_connection(connection: Connection) -> Connection | None:
    """The one that this one replaced."""
    return _all_of(connection.organisation_id).filter(replaced_by=connection.pk).first()


def find_connection(organisation_id: int, connection_id: int) -> Connection:
    """Also one that was replaced. Raises NotFound."""
    return _found(_all_of(organisation_id), connection_id)


def connection_to_use(organisation_id: int, connection_id: int) -> Connection:
    """The connection of this number, or the one that replaced it. Raises NotFound."""
    found = find_connection(organisation_id, connection_id)
    while found.replaced_by:
        found = find_connection(organisation_id, found.replaced_by)
    return found


def default_connection(organisation_id: int, channel: Channel) -> Connection:
    """The first of the list that is switched on, complete, and of this channel. Raises Conflict where there is none."""
    for row in connections_of(organisation_id).filter(is_enabled=True):
        try:
            found = way_of(row)
        except ConfigError:
            continue  # not set up yet: traffic stays with the others until it is
        if channel in found.spec.channels:
            return row
    raise Conflict(f"There is no connection for {channel.value} that is switched on and complete.")


def way_of(connection: Connection) -> Way:
    """What can be sent through it. Raises ConfigError where its settings are not complete."""
    way = read_way(
        connection.organisation_id,
        connection.pk,
        connection.provider,
        connection.settings,
        bytes(connection.secrets),
    )
    return replace(way, mid_link_base=mid_link_base(connection.pk)) if way.is_handed_over else way


def mid_link_base(connection_id: int) -> str | None:
    """What mid told through this connection: see `Way`."""
    return RelayLink.objects.filter(pk=connection_id).values_list("mid_link_base", flat=True).first()


def read_way(
    organisation_id: int, connection_id: int, provider: str, settings: Mapping[str, Any], sealed: bytes
) -> Way:
    """The same of a row's values. Raises ConfigError."""
    spec = _spec_or_none(provider)
    if spec is None:
        raise ConfigError([FieldError("provider", f"there is no provider {provider}")])
    try:
        secrets = process_vault().decrypt(sealed, connection_place(organisation_id, connection_id))
    except Sealed:
        secrets = {}  # where they are needed the settings are not complete; else what is sent waits for the key
    return Way(spec, spec.parse({**settings, **secrets}))


def create_connection(
    organisation_id: int,
    name: str,
    provider: str,
    settings: Mapping[str, object],
    now_ms: int,
    *,
    is_enabled: bool = True,
    internal_name: str = "",
) -> Connection:
    """A new connection. Raises InvalidInput naming each field, or Conflict where the name is taken."""
    mistakes, public, secrets = Mistakes(), dict[str, Any](), dict[str, str]()
    with mistakes.noted():
        name = checked_name(name)
    with mistakes.noted():
        internal_name = checked_internal_name(organisation_id, internal_name)
    with mistakes.noted():
        spec = provider_spec(provider)
        public, secrets = _parsed(spec, _with_defaults(organisation_id, spec, settings), {})
        refuse_unlisted(organisation_id, str(public.get(NETWORKS, "")), f"settings.{NETWORKS}")
    mistakes.refuse()
    connection = Connection(
        organisation_id=organisation_id,
        name=name,
        internal_name=internal_name,
        provider=provider,
        settings=public,
        is_enabled=is_enabled,
        position=_last_position(organisation_id),
        created_ms=now_ms,
        changed_ms=now_ms,
    )
    with _names_are_free(connection), together():
        _save_new(connection, secrets, version.CREATE)
    return connection


def _with_defaults(organisation_id: int, spec: "ProviderSpec", settings: Mapping[str, object]) -> Mapping[str, object]:
    """What the organisation has settled for connections that do not say it themselves."""
    own = OrganisationSettings.objects.filter(organisation_id=organisation_id).only("unknown_error_kind").first()
    is_asked = any(setting.name == UNKNOWN_ERROR for setting in spec.settings)
    return {UNKNOWN_ERROR: own.unknown_error_kind, **settings} if own is not None and is_asked else settings


def name_problem(organisation_id: int, name: str) -> str:
    """Why a new connection cannot have this name; "" where it can, as things are now."""
    try:
        name = checked_name(name)
    except InvalidInput as error:
        return error.errors[0].message
    is_taken = _all_of(organisation_id).filter(name=name).exists()
    return f"There is a connection named {name} already." if is_taken else ""


def _last_position(organisation_id: int) -> int:
    """A new connection comes after the others: what names none goes on as it went."""
    return int(connections_of(organisation_id).aggregate(last=Max("position", default=0))["last"])


def _save_new(connection: Connection, secrets: Mapping[str, str], action: str) -> None:
    connection.save()
    # The number of the row is part of what the secrets are sealed for, so they can only follow it.
    connection.secrets = _sealed(connection, secrets)
    connection.save(update_fields=["secrets"])
    version.record(connection, action, version.changed_names({}, secrets), connection.created_ms)


def change_connection(
    organisation_id: int, connection_id: int, change: Change, now_ms: int, *, reverted_to: int = 0
) -> Connection:
    """The connection as changed; its version grows when anything differs. Raises NotFound, InvalidInput, Conflict.

    `reverted_to` is the version whose settings `change` brings back.
    """
    with transaction.atomic():
        connection = locked(organisation_id, connection_id, change.version)
        version.begin(connection)
        old_secrets = _secrets_or_none(connection)
        if _apply(connection, change):
            connection.version += 1
            connection.changed_ms = now_ms
            with _names_are_free(connection), transaction.atomic():
                connection.save()
            action = version.REVERT if reverted_to else version.CHANGE
            changed = version.changed_names(old_secrets, _secrets_or_none(connection))
            version.record(connection, action, changed, now_ms, reverted_to=reverted_to)
    return connection


def _secrets_or_none(connection: Connection) -> dict[str, str]:
    """Those that no key opens are none: what is written over them counts as changed."""
    try:
        return open_secrets(connection)
    except Sealed:
        return {}


def made_from(old: Connection, settings: Mapping[str, object], now_ms: int, name: str | None = None) -> Connection:
    """A new connection in the place of `old`, which is switched off and gives up its names; within the caller's transaction.

    Raises InvalidInput, or Conflict where another has the name.
    """
    mistakes, public, secrets = Mistakes(), dict[str, Any](), dict[str, str]()
    with mistakes.noted():
        name = old.name if name is None else checked_name(name)
    with mistakes.noted():
        public, secrets, _ = _changed_settings(old, settings)
    mistakes.refuse()
    version.begin(old)
    mark = f" (replaced {old.pk})"
    made = Connection(
        organisation_id=old.organisation_id,
        name=name,
        internal_name=old.internal_name,
        provider=old.provider,
        settings=public,
        is_enabled=old.is_enabled,
        position=old.position,
        created_ms=now_ms,
        changed_ms=now_ms,
    )
    old.name, old.is_enabled = old.name[: LONGEST_NAME - len(mark)] + mark, False
    old.internal_name = ""
    old.version, old.changed_ms = old.version + 1, now_ms
    with _names_are_free(old), transaction.atomic():
        old.save()
    with _names_are_free(made), transaction.atomic():
        _save_new(made, secrets, version.REPLACE)
    old.replaced_by = made.pk
    old.save(update_fields=["replaced_by"])
    version.record(old, version.REPLACED, (), now_ms)
    return made


def delete_connection(organisation_id: int, connection_id: int) -> None:
    """Raises NotFound; Conflict while messages wait for it, here or on mid, or a delivery is sent through it.

    One that this one replaced is in the list again then, switched off.
    """
    from chappe.features.messages.handed import waits_on_mid

    with transaction.atomic():
        connection = _found(_all_of(organisation_id).select_for_update(), connection_id)
        if Outbox.objects.filter(connection_id=connection_id).exists():
            raise Conflict("Messages are waiting for this connection. Let them go out, or cancel their deliveries.")
        try:
            connection.delete()
        except ProtectedError as error:
            raise Conflict(_why_kept(error)) from None
        if waits_on_mid(connection_id, connection.provider):
            raise Conflict(
                "Messages that were handed over wait on mid, and it tells this connection what becomes of them. "
                "Wait for that, or switch the connection off instead."
            )
        for former in _all_of(organisation_id).filter(replaced_by=connection_id):
            former.replaced_by = 0
            former.save(update_fields=["replaced_by"])
        LinkState.objects.filter(connection_id=connection_id).delete()
        LinkLease.objects.filter(connection_id=connection_id).delete()
        HookEvent.objects.filter(connection_id=connection_id).delete()
        Exchange.objects.filter(connection_id=connection_id).delete()
        RelayAccount.objects.filter(pk=connection_id).delete()


def _why_kept(error: ProtectedError) -> str:
    """What of a connection keeps it from being deleted."""
    if {one._meta.model_name for one in error.protected_objects} == {"deliverytemplate"}:
        return "Delivery templates are routed through this connection. Give them another, or delete them first."
    return "Deliveries were sent through this connection. Switch it off instead."


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


def stored_secrets(connection: Connection) -> frozenset[str]:
    """The names of the secrets that are there; none where no key opens them, so that they are asked for anew."""
    return frozenset(name for name, value in _secrets_or_none(connection).items() if value)


def open_secrets(connection: Connection) -> dict[str, str]:
    """The secrets themselves, for the engine and for verifying; never for a page. Raises Sealed."""
    return process_vault().decrypt(bytes(connection.secrets), _place(connection))


def verify_connection(
    connection: Connection,
    *,
    test_number: str | None = None,
    test_text: str | None = None,
    on_pdu: "OnPdu | None" = None,
) -> "Verification":
    """Use a connection as the engine would, and say what was found. `on_pdu` sees what crosses a link by SMPP.

    Raises Conflict where the secrets stay closed. No transaction may be open: a provider takes its time.
    """
    from chappe.engine.net.verification import verify
    from chappe.features.deliveries.identifier import for_test

    try:
        subject = verification_subject(connection)
    except Sealed as error:
        raise Conflict(f"The secrets of this connection cannot be opened: {error}. Write them again.") from None
    text = for_test(subject, test_number, test_text) if test_number and test_text else test_text
    found = async_to_sync(verify)(subject, test_number=test_number, test_text=text, on_pdu=on_pdu)
    note_trial(subject_of(connection), "verify", found, is_test_sent=bool(test_number))
    return found


def note_trial(subject: Audited, action: str, found: "Verification", *, is_test_sent: bool) -> None:
    """Nothing was changed, and yet somebody logged in at a provider, and perhaps sent a message."""
    with transaction.atomic():
        note(subject, action, after={"is_usable": found.is_usable, "is_test_sent": is_test_sent})


def verification_subject(connection: Connection) -> "Subject":
    """What is to be known to verify a connection. Raises Sealed."""
    from chappe.engine.net.verification import Subject
    from chappe.features.hooks.services import tokens_of

    place = (connection.organisation_id, connection.pk, tokens_of(connection.pk))
    urls = hook_urls(django_settings.CONFIGURATION.public_url, provider_spec(connection.provider), *place)
    return Subject(
        connection.provider,
        dict(connection.settings),
        open_secrets(connection),
        connection.pk,
        connection.organisation_id,
        *urls,
        engine_links=held_slots(connection.pk, clock.now_ms()),
        bounds=bounds_of(connection.organisation_id),
    )


def rotate_secrets() -> int:
    """Bring every connection's secrets, and those of its history, under the first key; how many connections' were not.

    Raises Sealed where a key is missing.
    """
    for row in ConnectionVersion.objects.exclude(secrets=b"").select_related("connection").iterator():
        # What a lost key sealed comes back in no revert, and is not to hold up the others.
        with suppress(Sealed):
            rotated = process_vault().rotate(bytes(row.secrets), _place(row.connection))
            ConnectionVersion.objects.filter(pk=row.pk).exclude(secrets=rotated).update(secrets=rotated)
    return sealed.rotate(process_vault(), Connection.objects.exclude(secrets=b"").iterator(), _place)


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


def _all_of(organisation_id: int) -> "QuerySet[Connection]":
    return Connection.objects.filter(organisation_id=organisation_id)


def locked(organisation_id: int, connection_id: int, version: int | None) -> Connection:
    """The row, to be changed in this transaction. Raises NotFound, Conflict."""
    connection = _found(_all_of(organisation_id).select_for_update(), connection_id)
    if version not in (None, connection.version):
        raise Conflict(f"The connection was changed since: it is at version {connection.version} now.")
    return connection


def _found(rows: "QuerySet[Connection]", connection_id: int) -> Connection:
    found = rows.filter(pk=connection_id).first() if connection_id <= LARGEST_ID else None
    if found is None:
        raise NotFound("connection", connection_id)
    return found


def _apply(connection: Connection, change: Change) -> bool:
    """Write `change` into the row, unsaved; whether anything differs. Raises InvalidInput, Conflict."""
    before = _facts(connection)
    if change.is_enabled and connection.replaced_by:
        raise Conflict(f"This connection was replaced by connection {connection.replaced_by}, which is used instead.")
    mistakes = Mistakes()
    with mistakes.noted():
        connection.name = connection.name if change.name is None else checked_name(change.name)
    with mistakes.noted():
        _apply_internal_name(connection, change.internal_name)
    with mistakes.noted():
        if change.settings is not None:
            _apply_settings(connection, change.settings)
    with mistakes.noted():
        connection.position = connection.position if change.position is None else _checked_position(change.position)
    mistakes.refuse()
    if change.is_enabled is not None:
        connection.is_enabled = change.is_enabled
    return before != _facts(connection)


def _apply_internal_name(connection: Connection, internal_name: str | None) -> None:
    """Where it differs: what was right when it was given is no mistake of a change of something else."""
    if internal_name is None or internal_name.strip() == connection.internal_name:
        return
    if connection.replaced_by:
        raise Conflict(
            f"This connection was replaced by connection {connection.replaced_by}, which has its internal name."
        )
    connection.internal_name = checked_internal_name(connection.organisation_id, internal_name, connection.pk)


def _facts(connection: Connection) -> tuple[object, ...]:
    """What a change may change."""
    names = (connection.name, connection.internal_name)
    return (*names, connection.is_enabled, connection.position, connection.settings, bytes(connection.secrets))


def _checked_position(position: int) -> int:
    if not 0 <= position <= LARGEST_POSITION:
        raise InvalidInput.at("position", f"must be from 0 to {LARGEST_POSITION}")
    return position


def _need_every_secret(
    spec: "ProviderSpec", connection: Connection, given: Mapping[str, object], error: Sealed
) -> None:
    from chappe.providers.contract import applies

    values = {**spec.defaults(), **connection.settings, **given}
    missing = [
        setting.name
        for setting in spec.settings
        if setting.is_secret
        and setting.made is None
        and applies(setting, values)
        and given.get(setting.name, MASK) in (MASK, None)
    ]
    for setting in spec.settings:
        for index, _ in setting.locked_cells(values[setting.name]):
            if values[setting.name][index].get(setting.locks, MASK) in (MASK, None):
                missing.append(f"{setting.name}[{index}].{setting.locks}")
    if missing:
        words = f"is needed again, for what is kept cannot be opened: {error}"
        raise InvalidInput([FieldError(f"settings.{name}", words) for name in missing])


def _apply_settings(connection: Connection, given: Mapping[str, object]) -> None:
    public, secrets, old_secrets = _changed_settings(connection, given)
    differs = secrets != old_secrets
    if connection.provider in VENDORS and (public != connection.settings or differs):
        label = provider_spec(connection.provider).label
        raise Conflict(
            f"The settings of a connection with {label} are not changed: replace it, and the new connection takes its name "
            "and its place. Only name, position and is_enabled change."
        )
    connection.settings = public
    if differs or process_vault().needs_rotation(bytes(connection.secrets)):
        connection.secrets = _sealed(connection, secrets)


def _changed_settings(
    connection: Connection, given: Mapping[str, object]
) -> tuple[dict[str, Any], dict[str, str], Mapping[str, str]]:
    """Its settings with what is given in their place: the public ones, the secrets, and the secrets of before.

    Raises InvalidInput.
    """
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
    listed = str(public.get(NETWORKS, ""))
    if listed != connection.settings.get(
        NETWORKS, ""
    ):  # what was listed before is not called, but nothing else is locked
        refuse_unlisted(connection.organisation_id, listed, f"settings.{NETWORKS}")
    return public, secrets, old_secrets


def _parsed(
    spec: "ProviderSpec", given: Mapping[str, object], old_secrets: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Public and secret settings, complete. A secret left out or masked is the old one. Raises InvalidInput."""
    try:
        public, secrets = spec.split(spec.parse(spec.unmasked(given, old_secrets, MASK)))
    except ConfigError as error:
        raise InvalidInput([FieldError(f"settings.{one.field}", one.message) for one in error.errors]) from None
    return public, {name: str(value) for name, value in secrets.items()} | _made(spec, secrets)


def _made(spec: "ProviderSpec", secrets: Mapping[str, object]) -> dict[str, str]:
    """Secrets that make themselves where they were left empty."""
    return {one.name: one.made() for one in spec.settings if one.made is not None and not secrets.get(one.name)}


def _place(connection: Connection) -> str:
    return connection_place(connection.organisation_id, connection.pk)


def _sealed(connection: Connection, secrets: Mapping[str, str]) -> bytes:
    return process_vault().encrypt(secrets, _place(connection))


@contextmanager
def _names_are_free(connection: Connection) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        others = _all_of(connection.organisation_id).exclude(pk=connection.pk)
        if connection.internal_name and others.filter(internal_name=connection.internal_name).exists():
            raise Conflict(
                f"There is a connection with the internal name {connection.internal_name} already."
            ) from None
        raise Conflict(f"There is a connection named {connection.name} already.") from None
