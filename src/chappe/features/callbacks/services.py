"""Customers' URLs that we call, and calls that were given up. A secret is shown when it is made, and never again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import Min, Q, QuerySet

from chappe.engine.vault import Sealed, callback_place
from chappe.features import sealed
from chappe.features.audit.following import subject_of
from chappe.features.audit.record import note, together
from chappe.features.callbacks.models import CallbackEndpoint, CallbackEvent
from chappe.features.page import LARGEST_ID, Page, page_of, size_of_page
from chappe.features.refusal import Conflict, InvalidInput, Mistakes, NotFound
from chappe.features.sealed import process_vault
from chappe.features.settings.egress import refuse_unlisted
from chappe.providers.smpp_settings import networks_problem
from chappe.providers.standard_webhook import new_secret
from chappe.rules.callback import EVENTS, TEST, TRIED_FOR_MS

MOST_ENDPOINTS = 20
URL_CHARACTERS = 2000
OVERLAP_S = 24 * 3600
LONGEST_OVERLAP_S = 30 * 24 * 3600
MOST_REPLAYED = 10_000
"""Dead letters that one request brings back."""


@dataclass(frozen=True)
class Change:
    """What to change of an endpoint; None leaves it. `version` is the one the caller has read."""

    url: str | None = None
    events: Sequence[str] | None = None
    allowed_networks: str | None = None
    is_enabled: bool | None = None
    version: int | None = None


@dataclass(frozen=True)
class Secret:
    """An endpoint with its new secret, which is shown to its owner now."""

    row: CallbackEndpoint
    secret: str

    def __repr__(self) -> str:
        return f"Secret({self.row.pk})"


@dataclass(frozen=True)
class Letters:
    """Which dead letters: those of `ids` (None: of any), of an event ("": of any), given up from `since_ms` to `until_ms`."""

    ids: Sequence[int] | None = None
    event: str = ""
    since_ms: int = 1
    until_ms: int = LARGEST_ID


@dataclass(frozen=True)
class Lag:
    """How far an endpoint is behind: since when its oldest call has been due, 0 where none is."""

    endpoint_id: int
    oldest_due_ms: int


def endpoints_of(organisation_id: int) -> "QuerySet[CallbackEndpoint]":
    return CallbackEndpoint.objects.filter(organisation_id=organisation_id, deleted_ms=0)


def find_endpoint(organisation_id: int, endpoint_id: int) -> CallbackEndpoint:
    """Raises NotFound."""
    return _found(endpoints_of(organisation_id), endpoint_id)


def create_endpoint(
    organisation_id: int,
    url: str,
    now_ms: int,
    *,
    events: Sequence[str] = EVENTS,
    allowed_networks: str = "",
    is_enabled: bool = True,
) -> Secret:
    """A new endpoint with its first secret. Raises InvalidInput, or Conflict where there are too many."""
    row = CallbackEndpoint(organisation_id=organisation_id, is_enabled=is_enabled, created_ms=now_ms, changed_ms=now_ms)
    _apply(row, Change(url, events, allowed_networks))
    if endpoints_of(organisation_id).count() >= MOST_ENDPOINTS:
        raise Conflict(f"There are {MOST_ENDPOINTS} callbacks already, and there can be no more.")
    secret = new_secret()
    with together():
        row.save()
        # The number of the row is part of what the secret is sealed for.
        row.secrets = _sealed(row, {"current": secret})
        row.save(update_fields=["secrets"])
    return Secret(row, secret)


def change_endpoint(organisation_id: int, endpoint_id: int, change: Change, now_ms: int) -> CallbackEndpoint:
    """The endpoint as changed. Raises NotFound, InvalidInput, Conflict."""
    with transaction.atomic():
        row = _found(endpoints_of(organisation_id).select_for_update(), endpoint_id)
        if change.version not in (None, row.version):
            raise Conflict(f"The callback was changed since: it is at version {row.version} now.")
        before = (row.url, row.events, row.allowed_networks, row.is_enabled)
        _apply(row, change)
        if change.is_enabled is not None:
            row.is_enabled = change.is_enabled
        if before != (row.url, row.events, row.allowed_networks, row.is_enabled):
            row.disabled_reason = "" if row.is_enabled else row.disabled_reason
            _save(row, now_ms)
    return row


def delete_endpoint(organisation_id: int, endpoint_id: int, now_ms: int) -> None:
    """Nothing is called from now on; an engine takes out what was still to be called. Raises NotFound."""
    with together("delete"):
        row = _found(endpoints_of(organisation_id).select_for_update(), endpoint_id)
        row.is_enabled, row.deleted_ms, row.secrets = False, now_ms, b""
        _save(row, now_ms)


def rotate_secret(organisation_id: int, endpoint_id: int, now_ms: int, overlap_s: int = OVERLAP_S) -> Secret:
    """A new secret; the one before signs as well for `overlap_s`, and an older one no more.

    Raises NotFound, InvalidInput; Conflict where the one before cannot be kept.
    """
    if not 0 <= overlap_s <= LONGEST_OVERLAP_S:
        raise InvalidInput.at("overlap_s", f"must be from 0 to {LONGEST_OVERLAP_S}")
    secret = new_secret()
    with together("rotate"):
        row = _found(endpoints_of(organisation_id).select_for_update(), endpoint_id)
        held = _held(row) if overlap_s else {}
        kept = {"previous": held["current"]} if held else {}
        row.secrets = _sealed(row, {"current": secret, **kept})
        row.previous_until_ms = now_ms + overlap_s * 1000 if kept else 0
        _save(row, now_ms)
    return Secret(row, secret)


def send_test(organisation_id: int, endpoint_id: int, now_ms: int) -> CallbackEvent:
    """Have an engine call the endpoint, whatever it wants to hear of. Raises NotFound; Conflict where it is off."""
    row = find_endpoint(organisation_id, endpoint_id)
    if not row.is_enabled:
        raise Conflict("The callback is switched off. Switch it on first.")
    with transaction.atomic():
        note(subject_of(row), "test")
        return CallbackEvent.objects.create(
            endpoint_id=row.pk, type=TEST, at_ms=now_ms, due_ms=now_ms, give_up_ms=now_ms + TRIED_FOR_MS
        )


# -- dead letters ----------------------------------------------------------------------------------------------------


def dead_letters(
    organisation_id: int, endpoint_id: int, letters: Letters, cursor: str, limit: int
) -> Page[CallbackEvent]:
    """A page of the endpoint's dead letters, given up last first. Raises NotFound, InvalidInput."""
    rows = _dead(find_endpoint(organisation_id, endpoint_id), letters)
    if cursor:
        dead_ms, event_id = _read_cursor(cursor)
        rows = rows.filter(Q(dead_ms__lt=dead_ms) | Q(dead_ms=dead_ms, pk__lt=event_id), dead_ms__lte=dead_ms)
    found = list(rows.order_by("-dead_ms", "-pk")[: size_of_page(limit) + 1])
    return page_of(found, limit, lambda row: f"{row.dead_ms}-{row.pk}")


MOST_COUNTED = 1_000
"""Dead letters that are counted; of more it is enough to know that."""


def dead_counts(endpoint_ids: Sequence[int]) -> dict[int, int]:
    """How many dead letters each endpoint has, up to `MOST_COUNTED`."""
    rows = CallbackEvent.objects.filter(dead_ms__gt=0)
    return {one: rows.filter(endpoint_id=one)[:MOST_COUNTED].count() for one in endpoint_ids}


def replay(organisation_id: int, endpoint_id: int, letters: Letters, now_ms: int) -> int:
    """Call again, from the first try on; how many, `MOST_REPLAYED` at most. Raises NotFound, InvalidInput; Conflict where
    the endpoint is off."""
    endpoint = find_endpoint(organisation_id, endpoint_id)
    if not endpoint.is_enabled:
        raise Conflict("The callback is switched off. Switch it on first.")
    chosen = _dead(endpoint, letters).order_by("dead_ms", "pk").values_list("pk", flat=True)[:MOST_REPLAYED]
    with transaction.atomic():
        again = CallbackEvent.objects.filter(pk__in=list(chosen), dead_ms__gt=0)
        count = again.update(dead_ms=0, due_ms=now_ms, give_up_ms=now_ms + TRIED_FOR_MS, attempts=0, lease_token=0)
        if count:
            note(subject_of(endpoint), "replay", after={"calls": count})
    return count


def _dead(endpoint: CallbackEndpoint, letters: Letters) -> "QuerySet[CallbackEvent]":
    since_ms, until_ms = max(1, letters.since_ms), min(letters.until_ms, LARGEST_ID)
    rows = CallbackEvent.objects.filter(endpoint_id=endpoint.pk, dead_ms__gte=since_ms, dead_ms__lte=until_ms)
    if letters.ids is not None:
        if not 1 <= len(letters.ids) <= MOST_REPLAYED:
            raise InvalidInput.at("ids", f"must name from 1 to {MOST_REPLAYED}")
        rows = rows.filter(pk__in=[one for one in letters.ids if 0 < one <= LARGEST_ID])
    if letters.event:
        if letters.event not in (*EVENTS, TEST):
            raise InvalidInput.at("type", f"must be one of {', '.join(EVENTS)}")
        rows = rows.filter(type=letters.event)
    return rows


def _read_cursor(cursor: str) -> tuple[int, int]:
    parts = cursor.split("-")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        raise InvalidInput.at("cursor", "must be the `next` of another page")
    return int(parts[0]), int(parts[1])


# -- for whoever operates it -----------------------------------------------------------------------------------------


def lags() -> list[Lag]:
    """One for each endpoint that is switched on."""
    ids = CallbackEndpoint.objects.filter(is_enabled=True, deleted_ms=0).order_by("pk").values_list("pk", flat=True)
    rows = CallbackEvent.objects.filter(dead_ms=0)
    return [Lag(one, rows.filter(endpoint_id=one).aggregate(oldest=Min("due_ms"))["oldest"] or 0) for one in ids]


def rotate_secrets() -> int:
    """Bring every endpoint's secrets under the first of our keys; how many were not. Raises Sealed where a key is missing."""
    return sealed.rotate(process_vault(), CallbackEndpoint.objects.exclude(secrets=b"").iterator(), _place)


def _found(rows: "QuerySet[CallbackEndpoint]", endpoint_id: int) -> CallbackEndpoint:
    found = rows.filter(pk=min(endpoint_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("callback", endpoint_id)
    return found


def _apply(row: CallbackEndpoint, change: Change) -> None:
    """Write `change` into the row, unsaved. Raises InvalidInput naming each field."""
    mistakes, listed = Mistakes(), row.allowed_networks
    if change.allowed_networks is not None:
        row.allowed_networks = change.allowed_networks.strip()
    with mistakes.noted():
        if change.allowed_networks is not None and (problem := networks_problem(row.allowed_networks)):
            raise InvalidInput.at("allowed_networks", problem)
        if change.allowed_networks is not None and row.allowed_networks != listed:
            refuse_unlisted(row.organisation_id, row.allowed_networks, "allowed_networks")
    with mistakes.noted():
        row.url = _url(row.url if change.url is None else change.url, is_private=bool(row.allowed_networks))
    with mistakes.noted():
        if change.events is not None:
            row.events = _events(change.events)
    mistakes.refuse()


def _url(text: str, *, is_private: bool) -> str:
    """An address to call. Within one's own networks it need not be encrypted."""
    text = text.strip()
    problem = _url_problem(text)
    if problem:
        raise InvalidInput.at("url", problem)
    if not text.lower().startswith("https://") and not is_private:
        raise InvalidInput.at("url", "must begin with https://, unless its network is among allowed_networks")
    return text


def _url_problem(text: str) -> str:
    """What is wrong with an address; "" when nothing is."""
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > URL_CHARACTERS:
        return f"must have at most {URL_CHARACTERS} characters, all ASCII; write a host's name in its xn-- form"
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or a bracket that is not closed
        is_address = False
    if not is_address:
        return "must be an address such as https://example.org/messages"
    if parts.username is not None or parts.password is not None:
        return "must have no user and no password; calls are signed instead"
    return "must have nothing after a #" if parts.fragment else ""


def _events(given: Sequence[str]) -> list[str]:
    chosen = [event for event in EVENTS if event in given]
    if not chosen or set(given) - set(EVENTS):
        raise InvalidInput.at("events", f"must be one or more of {', '.join(EVENTS)}")
    return chosen


def _save(row: CallbackEndpoint, now_ms: int) -> None:
    row.version += 1
    row.changed_ms = now_ms
    row.save()


def _place(row: CallbackEndpoint) -> str:
    return callback_place(row.organisation_id, row.pk)


def _held(row: CallbackEndpoint) -> dict[str, str]:
    """Raises Conflict where no key that is here opens the secrets."""
    try:
        return process_vault().decrypt(bytes(row.secrets), _place(row))
    except Sealed as error:
        raise Conflict(f"The secret before cannot be kept: {error}. Make a new one with an overlap of 0 s.") from None


def _sealed(row: CallbackEndpoint, secrets: Mapping[str, str]) -> bytes:
    return process_vault().encrypt(secrets, _place(row))
