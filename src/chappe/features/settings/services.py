"""An organisation's settings: read by every page, changed by its administrators, heeded by engines within a second."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields
from typing import Any

import msgspec
import phonenumbers
from django.db import IntegrityError, transaction

from chappe.engine.configuration import ANY_NETWORK, LANGUAGES
from chappe.engine.net.egress import listing_problem
from chappe.features.accounts.models import Organisation
from chappe.features.accounts.services import checked_name
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.features.settings import quiet_wait, retention
from chappe.features.settings.models import OrganisationSettings
from chappe.messaging import ConfigError, ErrorKind, FieldError
from chappe.rules.quiet_hours import QuietHours, read_quiet_hours

LONGEST_LIST = 2000


@dataclass(frozen=True)
class Change:
    """What to change; None leaves it as it is. `retention` names only the kinds that change.

    `version` is the one the caller has read: when somebody else changed the settings since, nothing is changed.
    """

    name: str | None = None
    language: str | None = None
    region: str | None = None
    time_zone: str | None = None
    quiet_periods: Sequence[Mapping[str, object]] | None = None
    quiet_action: str | None = None
    allowed_networks: str | None = None
    retention: Mapping[str, int] | None = None
    unknown_error_kind: str | None = None
    version: int | None = None


def settings_of(organisation_id: int) -> OrganisationSettings:
    """The organisation's settings, the defaults where it has changed none."""
    found = OrganisationSettings.objects.filter(organisation_id=organisation_id).first()
    return found or OrganisationSettings(organisation_id=organisation_id, version=0)


def quiet_hours_of(row: OrganisationSettings) -> QuietHours | None:
    """None where the organisation has none."""
    return read_quiet_hours(row.quiet_periods, row.time_zone, row.quiet_action)


def change_settings(organisation_id: int, change: Change, now_ms: int) -> OrganisationSettings:
    """The settings as changed; their version grows when anything differs. Raises NotFound, InvalidInput, Conflict."""
    with transaction.atomic():
        row = _locked(organisation_id, change.version)
        if change.name is not None:
            _rename(organisation_id, change.name)
        before = _facts(row)
        was_quiet = (row.quiet_periods, row.quiet_action, row.time_zone)
        _apply(row, change)
        if _facts(row) == before:
            return row
        row.version += 1
        row.changed_ms = now_ms
        row.save()
        if was_quiet != (row.quiet_periods, row.quiet_action, row.time_zone):
            quiet_wait.release(organisation_id, now_ms)
        retention.plan(row, now_ms)
    return row


def check(row: OrganisationSettings, change: Change) -> None:
    """Raises InvalidInput where the change could not be made; nothing is kept."""
    _apply(copy(row), change)


def _locked(organisation_id: int, version: int | None) -> OrganisationSettings:
    """The row, made where there is none, to be changed in this transaction. Raises NotFound, Conflict."""
    if not Organisation.objects.select_for_update().filter(pk=organisation_id).exists():
        raise NotFound("organisation", organisation_id)
    row = settings_of(organisation_id)
    if version not in (None, row.version):
        raise Conflict("The settings were changed by somebody else in the meantime. Look at them as they are now.")
    return row


def _rename(organisation_id: int, name: str) -> None:
    row = Organisation.objects.get(pk=organisation_id)
    name = checked_name(name)
    if row.name == name:
        return
    row.name = name
    try:
        with transaction.atomic():
            row.save(update_fields=["name"])
    except IntegrityError:
        raise Conflict(f"There is an organisation named {name} already.") from None


def _facts(row: OrganisationSettings) -> tuple[Any, ...]:
    names = [field.name for field in fields(Change) if field.name not in ("name", "version")]
    return tuple(getattr(row, name) for name in names)


def _apply(row: OrganisationSettings, change: Change) -> None:
    """Write `change` into the row, unsaved. Raises InvalidInput naming each field."""
    errors: list[FieldError] = []
    for field in ("language", "time_zone", "quiet_action", "unknown_error_kind"):
        given = getattr(change, field)
        if given is not None:
            setattr(row, field, given)
    if change.region is not None:
        row.region = change.region.strip().upper()
    if change.allowed_networks is not None:
        row.allowed_networks = change.allowed_networks.strip()
    errors += _problems(row)
    if change.quiet_periods is not None:
        row.quiet_periods = [dict(period) for period in change.quiet_periods]
    errors += _quiet_problems(row)
    if change.retention is not None:
        errors += retention.problems(change.retention)
        days = {**row.retention, **change.retention}
        row.retention = {kind: days[kind] for kind in sorted(days) if days[kind]}
    if errors:
        raise InvalidInput(errors)


def _problems(row: OrganisationSettings) -> list[FieldError]:
    errors = []
    if row.language and row.language not in LANGUAGES:
        errors.append(FieldError("language", f"must be one of {', '.join(LANGUAGES)}"))
    if row.region and row.region not in phonenumbers.SUPPORTED_REGIONS:
        errors.append(FieldError("region", "must be a country code of two letters, such as FR"))
    if row.unknown_error_kind not in tuple(ErrorKind):
        errors.append(FieldError("unknown_error_kind", f"must be one of {', '.join(ErrorKind)}"))
    if len(row.allowed_networks) > LONGEST_LIST:
        errors.append(FieldError("allowed_networks", f"must have at most {LONGEST_LIST} characters"))
    elif row.allowed_networks != ANY_NETWORK and (problem := listing_problem(row.allowed_networks)):
        errors.append(FieldError("allowed_networks", problem))
    return errors


def _quiet_problems(row: OrganisationSettings) -> list[FieldError]:
    """Of the time zone, too: without quiet hours it is what times are shown in."""
    names = {"periods": "quiet_periods", "zone": "time_zone", "action": "quiet_action"}
    try:
        found = read_quiet_hours(row.quiet_periods, row.time_zone, row.quiet_action)
    except ConfigError as error:
        heads = [one.field.partition("[") for one in error.errors]
        return [
            FieldError(names[head] + mark + rest, one.message)
            for (head, mark, rest), one in zip(heads, error.errors, strict=True)
        ]
    row.quiet_periods = msgspec.json.decode(msgspec.json.encode(found.periods)) if found else []
    return []
