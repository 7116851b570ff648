"""On mid: what an operator of another Chappe may ask for and say about its account, which is a connection here.

Every function takes that connection; `features.connections.account.find_account` finds it for an operator.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction

from chappe.engine.relay_feed import MOST_PAGES, MOST_TOLD
from chappe.engine.store.relay_catalogue import RELAY_BITS, relayed
from chappe.engine.vault import Sealed, relay_place
from chappe.features import sealed
from chappe.features.accounts.models import Operator
from chappe.features.audit.following import subject_of
from chappe.features.audit.record import Subject, note, together
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection
from chappe.features.messages.models import DeliveryCount, IdBlock, MessageNow, Outbox
from chappe.features.messages.services import find_message
from chappe.features.refusal import InvalidInput, Mistakes, NotFound
from chappe.features.relay.models import RelayAccount, RelayDelivery, Relayed, RelayPage
from chappe.features.sealed import process_vault
from chappe.features.settings.egress import refuse_unlisted
from chappe.messaging import DeliveryState
from chappe.providers.http_settings import is_loopback_host
from chappe.providers.smpp_settings import networks_problem
from chappe.providers.standard_webhook import secret_key

URL_CHARACTERS = 2000
LARGEST_NUMBER = (1 << RELAY_BITS) - 1
"""That the other side may have for a message or a delivery."""
HEARD_EVERY_MS = 5_000
SENDING, PAUSED, CANCELLED = "sending", "paused", "cancelled"
OPERATOR = "operator"
STATUS_AFTER = {"pause": PAUSED, "resume": SENDING, "cancel": CANCELLED}
REPLIES = "automatic_replies"


@dataclass(frozen=True)
class Pages:
    """Pages `first` to `last` of an account, each as it was written: JSON of `chappe.messaging.Told`. Without any, `last` is
    the one before `first`. `newest` is the number of the newest page there is; 0: there never was one."""

    first: int
    last: int
    newest: int
    told: Sequence[bytes]

    def json(self, now_ms: int) -> bytes:
        """As `chappe.messaging.Pages` is read, without looking into one of them."""
        head = f'{{"first":{self.first},"last":{self.last},"now_ms":{now_ms},"told":['.encode()
        return head + b",".join(self.told) + b"]}"


# -- the account -----------------------------------------------------------------------------------------------------


def account_row(connection: Connection) -> RelayAccount | None:
    """None: the other side has never signed in."""
    return RelayAccount.objects.filter(pk=connection.pk).first()


def note_pulled(connection: Connection, after: int, now_ms: int) -> None:
    """The other side has the pages up to `after`: those are not pushed any more."""
    rows = RelayAccount.objects.filter(pk=connection.pk, told__lt=after)
    if rows.exists() and after <= page_span(connection.pk)[1]:
        rows.update(told=after, told_ms=now_ms)


def note_heard(connection: Connection, now_ms: int) -> None:
    """The other side asked for something. Written down every few seconds only."""
    rows = RelayAccount.objects.filter(pk=connection.pk, heard_ms__lt=now_ms - HEARD_EVERY_MS)
    if rows.exists():
        rows.update(heard_ms=now_ms)


def sign_in(connection: Connection, operator: Operator, push_url: str, secret: str, now_ms: int) -> RelayAccount:
    """Where the other side wants to be told, and what that is signed with. An empty address: it only asks.

    Raises InvalidInput naming each field.
    """
    push_url, secret = push_url.strip(), secret.strip()
    _check_push(push_url, secret)
    with together():
        connections.locked(connection.organisation_id, connection.pk, None)
        row = account_row(connection)
        is_new = row is None
        row = row or RelayAccount(pk=connection.pk, organisation_id=connection.organisation_id)
        before = (row.push_url, row.operator, _held(row))
        if is_new or before != (push_url, operator.login, _kept(secret)):
            row.push_url, row.operator, row.heard_ms = push_url, operator.login, now_ms
            row.secrets = process_vault().encrypt(_kept(secret), _place(row)) if secret else b""
            row.version += not is_new
            row.save(force_insert=is_new)
    note_heard(connection, now_ms)
    return row


def _kept(secret: str) -> dict[str, str]:
    return {"current": secret} if secret else {}


def _check_push(push_url: str, secret: str) -> None:
    mistakes = Mistakes()
    with mistakes.noted():
        if push_url and (problem := _url_problem(push_url)):
            raise InvalidInput.at("push_url", problem)
    with mistakes.noted():
        if (secret or push_url) and not _is_secret(secret):
            raise InvalidInput.at("secret", "must be a secret such as whsec_…, with 24 to 64 octets in Base64")
    mistakes.refuse()


def _url_problem(text: str) -> str:
    """What is wrong with an address to be called at; "" when nothing is."""
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > URL_CHARACTERS:
        return f"must have at most {URL_CHARACTERS} characters, all ASCII"
    try:
        parts = urlsplit(text)
        is_address = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or a bracket that is not closed
        is_address = False
    if not is_address:
        return "must be an address such as https://marketing.example.org/hooks/…"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "must have no user, no password and nothing after a #"
    if parts.scheme.lower() != "https" and not is_loopback_host(parts.hostname or ""):
        return "must begin with https://, unless both are on one machine"
    return ""


def _is_secret(text: str) -> bool:
    try:
        return bool(secret_key(text))
    except ValueError:
        return False


def allow_networks(connection: Connection, text: str) -> RelayAccount:
    """Private networks that the other side's address may be in. Raises NotFound where it never signed in, InvalidInput."""
    text = text.strip()
    if problem := networks_problem(text):
        raise InvalidInput.at("allowed_networks", problem)
    with together():
        row = RelayAccount.objects.select_for_update().filter(pk=connection.pk).first()
        if row is None:
            raise NotFound("connection", connection.pk)
        if row.allowed_networks != text:
            refuse_unlisted(connection.organisation_id, text, "allowed_networks")
            row.allowed_networks, row.version, row.error = text, row.version + 1, ""
            row.save()
    return row


def rotate_secrets() -> int:
    """Bring every account's secret under the first key; how many were not. Raises Sealed where a key is missing."""
    return sealed.rotate(process_vault(), RelayAccount.objects.exclude(secrets=b"").iterator(), _place)


def _place(row: RelayAccount) -> str:
    return relay_place(row.organisation_id, row.connection_id)


def _held(row: RelayAccount) -> Mapping[str, str]:
    """None where no key that is here opens them: they are written anew."""
    try:
        return process_vault().decrypt(bytes(row.secrets), _place(row))
    except Sealed:
        return {"": ""}


# -- pages -----------------------------------------------------------------------------------------------------------


def page_span(connection_id: int) -> tuple[int, int]:
    """The numbers of the oldest page that is kept and of the newest that there was; the first is one more than the second where
    none is kept."""
    # Read in this order, a page that comes between the two is not missed.
    oldest = _pages_of(connection_id).values_list("pk", flat=True).first()
    newest = IdBlock.objects.filter(name=f"relay_page {connection_id}").values_list("next_id", flat=True).first()
    last = (newest or 1) - 1
    return (_number(oldest) if oldest is not None else last + 1), last


def pages_after(connection_id: int, after: int, since_ms: int = 0) -> Pages:
    """The pages that come after number `after`, as many as go in one answer; those of before `since_ms` are passed over."""
    oldest, newest = page_span(connection_id)
    start = max(min(after, LARGEST_NUMBER - 1) + 1, oldest)
    if since_ms:
        start = _first_since(connection_id, start, newest, since_ms)
    rows = _pages_of(connection_id, start)
    taken, size = list[int](), 0
    for page_id, page_size in rows.values_list("pk", "size")[:MOST_PAGES]:
        if taken and size + page_size > MOST_TOLD:
            break
        taken.append(page_id)
        size += page_size
    if not taken:
        return Pages(max(after, newest) + 1, max(after, newest), newest, ())
    told = [bytes(data) for data in rows.filter(pk__lte=taken[-1]).values_list("told", flat=True)[: len(taken)]]
    first, last = _number(taken[0]), _number(taken[-1])
    return Pages(first, last, max(newest, last), told)


def _first_since(connection_id: int, low: int, newest: int, since_ms: int) -> int:
    """The first page from `low` on that is not of before `since_ms`; numbers rise with time, so it is found by halving."""
    high = newest + 1
    while low < high:
        middle = (low + high) // 2
        at_ms = _pages_of(connection_id, middle).values_list("at_ms", flat=True).first()
        if at_ms is not None and at_ms < since_ms:
            low = middle + 1
        else:
            high = middle
    return low


def _pages_of(connection_id: int, first: int = 0) -> Any:
    span = (relayed(connection_id, first), relayed(connection_id, LARGEST_NUMBER))
    return RelayPage.objects.filter(pk__gte=span[0], pk__lte=span[1]).order_by("pk")


def _number(page_id: int) -> int:
    return page_id & LARGEST_NUMBER


# -- messages --------------------------------------------------------------------------------------------------------


def figures(connection_id: int, numbers: Iterable[int]) -> dict[int, dict[str, int]]:
    """How many messages of each of the other side's deliveries are in which state, by its number there."""
    asked = {relayed(connection_id, number): number for number in numbers if number <= LARGEST_NUMBER}
    found: dict[int, dict[str, int]] = {number: {} for number in asked.values()}
    rows = DeliveryCount.objects.filter(delivery_id__in=list(asked)).exclude(messages=0).order_by("state")
    for delivery_id, state, messages in rows.values_list("delivery_id", "state", "messages"):
        found[asked[delivery_id]][DeliveryState(state).name.lower()] = messages
    return found


def known(connection_id: int, numbers: Sequence[int]) -> list[int]:
    """Which of the other side's numbers of messages are known here, in their order."""
    ids = [relayed(connection_id, number) for number in sorted(set(numbers)) if 0 < number <= LARGEST_NUMBER]
    return [_number(pk) for pk in Relayed.objects.filter(pk__in=ids).order_by("pk").values_list("pk", flat=True)]


def message_of(connection: Connection, number: int) -> MessageNow:
    """The message that has `number` on the other side. Raises NotFound."""
    pk = relayed(connection.pk, min(number, LARGEST_NUMBER))
    message_id = Relayed.objects.filter(pk=pk).values_list("message_id", flat=True).first()
    if message_id is None:
        raise NotFound("message", number)
    return find_message(connection.organisation_id, message_id)


# -- deliveries ------------------------------------------------------------------------------------------------------


def delivery_is(connection: Connection, number: int, action: str, now_ms: int, by: str = "") -> RelayDelivery:
    """Pause, resume or cancel the other side's delivery, so that what waits here stops, too; also one of which no message has
    come yet. What is cancelled stays so; and what people paused here is resumed by them, not by the operator (`by` is OPERATOR
    then). Raises NotFound for a number that no delivery can have."""
    if not 0 <= number <= LARGEST_NUMBER:
        raise NotFound("delivery", number)
    status, pk = STATUS_AFTER[action], relayed(connection.pk, number)
    with transaction.atomic():
        given = {"organisation_id": connection.organisation_id, "created_ms": now_ms, "changed_ms": now_ms}
        RelayDelivery.objects.get_or_create(pk=pk, defaults=given)
        row = RelayDelivery.objects.select_for_update().get(pk=pk)
        is_theirs_alone = by == OPERATOR and status != CANCELLED and row.status == PAUSED and row.paused_by != OPERATOR
        if row.status == status == PAUSED and not by and row.paused_by:
            row.paused_by = ""
            row.save(update_fields=["paused_by"])
        elif row.status not in (status, CANCELLED) and not is_theirs_alone:
            before, row.status, row.changed_ms = row.status, status, now_ms
            row.paused_by = by if status == PAUSED else ""
            row.save(update_fields=["status", "paused_by", "changed_ms"])
            Outbox.objects.filter(delivery_id=pk).update(is_held=status == PAUSED)
            after = {"status": status, "delivery": number}
            note(subject(connection), action, before={"status": before}, after=after)
    return row


def subject(connection: Connection) -> Subject:
    """The account, as the audit trail names it."""
    row = account_row(connection)
    return subject_of(row) if row is not None else Subject(connection.organisation_id, "relay", connection.pk)


# -- automatic replies -----------------------------------------------------------------------------------------------


def set_replies(connection: Connection, rows: Sequence[Mapping[str, str]], now_ms: int) -> Connection:
    """The automatic replies of the connection. Raises InvalidInput, also where its provider knows none."""
    if not any(setting.name == REPLIES for setting in connections.provider_spec(connection.provider).settings):
        raise InvalidInput.at("rows", "cannot be kept: automatic replies are for connections by SMPP")
    change = connections.Change(settings={REPLIES: [dict(row) for row in rows]})
    return connections.change_connection(connection.organisation_id, connection.pk, change, now_ms)
