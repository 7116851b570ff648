"""Proofs: the text of a delivery to test numbers, as somebody of the list would get it, before anybody of it does.

They go the way of every message, and heed quarantine; but they belong to no delivery, so no report counts them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import IntegrityError, transaction

from chappe.engine.store import catalogue
from chappe.engine.store.statement import Column, Row, Update
from chappe.engine.store.store import OutboxBatch, Store
from chappe.features.audit.following import subject_of
from chappe.features.audit.record import note
from chappe.features.connections.services import way_of
from chappe.features.connections.way import Way
from chappe.features.contacts.phone import PhoneReader
from chappe.features.deliveries.analysis import Excluded, Member, Planner, Prepared, first_members
from chappe.features.deliveries.models import Delivery, Proof, ProofNumber
from chappe.features.deliveries.services import find_delivery
from chappe.features.message_store import open_store
from chappe.features.messages.models import Message, MessageNow
from chappe.features.page import LARGEST_ID
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.features.settings.services import settings_of
from chappe.features.tracking.services import forget_addresses_of
from chappe.messaging import ENDS, ConfigError, DeliveryState, FieldError
from chappe.rules.email_address import read_email

MOST_ADDRESSES = 100
MOST_PROOFS_SHOWN = 5
PRIORITY = 2
"""Somebody waits for it: before what other deliveries have waiting."""
PROVABLE = ("draft", "ready", "failed")

SET_PLACE = Update("delivery_proof", (Column("first_message_id"),), (Column("id"),))
_BETWEEN = re.compile(r"[,;\n\r]+")
_AS_TYPED = re.compile(r"[ -~]{1,20}")
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Shown:
    """A proof and its messages, as they are now."""

    proof: Proof
    messages: list[MessageNow]


def send_proof(organisation_id: int, delivery_id: int, typed: str, place: int, now_ms: int) -> Proof:
    """Send the text, as the person at `place` of the list (from 0) would get it, to the addresses in `typed`.

    These stand one a line, or between commas; numbers without a country code are of the organisation's own country.
    Raises NotFound; InvalidInput for an address that is none and for a text that cannot be made; Conflict where the
    delivery is on its way already.
    """
    delivery = find_delivery(organisation_id, delivery_id)
    if delivery.status not in PROVABLE:
        raise Conflict("Proofs are sent before the delivery is.")
    try:
        addresses = read_addresses(typed, way_of(delivery.connection), region_of(organisation_id))
        contact_id, planned = _planned(delivery, place, addresses)
    except ConfigError as error:
        raise InvalidInput(error.errors) from None
    with transaction.atomic():
        proof = Proof.objects.create(delivery=delivery, contact_id=contact_id, messages=len(planned), created_ms=now_ms)
        note(subject_of(delivery), "proof", after={"messages": len(planned)})
    with open_store() as store, store.transaction():
        ids = store.take_ids("message", len(planned))
        rows = _rows(delivery, ids, planned, now_ms)
        store.enqueue([OutboxBatch(delivery.connection_id, 0, PRIORITY, now_ms, rows)])
        store.database.run(SET_PLACE, [(ids.start, proof.pk)])
    proof.first_message_id = ids.start
    return proof


def read_addresses(typed: str, way: Way, region: str = "") -> list[str]:
    """What stands in a text, each once. Raises InvalidInput naming what cannot be read."""
    parts = [part.strip() for part in _BETWEEN.split(typed) if part.strip()]
    if not parts:
        raise InvalidInput.at("numbers", "is needed")
    if len(parts) > MOST_ADDRESSES:
        raise InvalidInput.at("numbers", f"must be at most {MOST_ADDRESSES}")
    read = _reader(way, region)
    found = {part: read(part) for part in parts}
    if wrong := [part for part, address in found.items() if not address]:
        raise InvalidInput.at("numbers", f"cannot be read: {', '.join(wrong[:5])}")
    return list(dict.fromkeys(found.values()))


def _reader(way: Way, region: str) -> Any:
    if way.is_email:
        return read_email
    if way.as_typed:
        return lambda text: text if _AS_TYPED.fullmatch(text) else ""
    return PhoneReader(region or None).read


def _planned(delivery: Delivery, place: int, addresses: Sequence[str]) -> tuple[int, list[Prepared | Excluded]]:
    """The person at `place`, the last where there are fewer, and their text to other addresses. Raises ConfigError."""
    planner = Planner(delivery)
    with open_store() as store:
        person = _person(store, delivery, planner.way, place)
        blocked = store.blocked(delivery.organisation_id, list(addresses), planner.way.channel.value)
    found: list[Prepared | Excluded] = []
    for address in addresses:
        prepared, excluded = planner.plan([_posing(person, address, planner.way)], blocked)
        found += [*prepared, *excluded]
    _, contact_id, *_ = person
    return contact_id, found


def _person(store: Store, delivery: Delivery, way: Way, place: int) -> Member:
    members = first_members(store, delivery, way, place + 1)
    if not members:
        raise ConfigError([FieldError("list_id", "nobody on the list has a number or address that could be read")])
    return members[-1]


def _posing(person: Member, address: str, way: Way) -> Member:
    """The same person, reached elsewhere. An e-mail provider knows people by something else, too: all of that must lead to
    the tester, or the person would get the proof."""
    _, _, attributes, given, external_id, phone, email = person
    if not way.is_email:
        return (address, 0, attributes, given, external_id, phone, email)
    if name := way.settings.text("identifier_attribute"):
        attributes = _encode({**_decode(attributes), name: address}).decode()
    return (address, 0, attributes, address, address, address, address)


def _rows(delivery: Delivery, ids: range, planned: Sequence[Prepared | Excluded], now_ms: int) -> list[Row]:
    """Messages of no delivery, in the order of `planned`."""
    channel = Planner(delivery).channel.value
    expires_ms = now_ms + delivery.validity_s * 1000
    return [_row(delivery, channel, number, one, now_ms, expires_ms) for number, one in zip(ids, planned, strict=True)]


def _row(delivery: Delivery, channel: str, number: int, one: Prepared | Excluded, now_ms: int, expires_ms: int) -> Row:
    is_sent = isinstance(one, Prepared)
    return catalogue.new_message(
        number,
        delivery.organisation_id,
        delivery.connection_id,
        channel=channel,
        category=delivery.category,
        recipient=one.recipient,
        sender=delivery.sender,
        body=one.body if isinstance(one, Prepared) else "",
        options=one.options if isinstance(one, Prepared) else None,
        segments=one.segments if isinstance(one, Prepared) else 0,
        state=(DeliveryState.WAITING if is_sent else DeliveryState.EXCLUDED).value,
        reason=one.reason if isinstance(one, Excluded) else "",
        client_reference=f"proof {delivery.pk}",
        created_ms=now_ms,
        due_ms=now_ms,
        expires_ms=expires_ms if is_sent else 0,
        done_ms=0 if is_sent else now_ms,
    )


def proofs_of(delivery: Delivery) -> list[Shown]:
    """The last proofs, newest first, with what became of each message."""
    return [Shown(proof, _messages(delivery, proof)) for proof in delivery.proofs.order_by("-pk")[:MOST_PROOFS_SHOWN]]


def _messages(delivery: Delivery, proof: Proof) -> list[MessageNow]:
    if not proof.first_message_id:
        return []
    ids = range(proof.first_message_id, proof.first_message_id + proof.messages)
    rows = MessageNow.objects.filter(pk__in=list(ids), organisation_id=delivery.organisation_id)
    return list(rows.order_by("pk"))


def forget_person(organisation_id: int, contact_id: int, reaches: Sequence[str]) -> bool:
    """Take a person's text out of proofs, and their number out of those that are kept; whether some of it is still on its
    way, and needs its text until it has ended."""
    for number in ProofNumber.objects.filter(organisation_id=organisation_id, address__in=reaches):
        number.delete()
    is_needed = False
    for proof in Proof.objects.filter(contact_id=contact_id, delivery__organisation_id=organisation_id):
        rows = _messages(proof.delivery, proof)
        ended = [row.pk for row in rows if row.state in ENDS]
        with transaction.atomic():
            Message.objects.filter(pk__in=ended).update(body="", options=None)
            forget_addresses_of(ended)
        is_needed |= len(ended) < len(rows)
        if len(ended) == len(rows):
            Proof.objects.filter(pk=proof.pk).update(contact_id=0)
    return is_needed


# -- numbers that are kept -------------------------------------------------------------------------------------------


def kept_numbers(organisation_id: int) -> list[ProofNumber]:
    return list(ProofNumber.objects.filter(organisation_id=organisation_id).order_by("label", "pk")[:MOST_ADDRESSES])


def region_of(organisation_id: int) -> str:
    """Of numbers without a country code; "" where the organisation has not said."""
    return settings_of(organisation_id).region


def keep_number(organisation_id: int, address: str, label: str) -> ProofNumber:
    """Keep a number, or an address, for the next proofs. Raises InvalidInput, or Conflict where it is kept already."""
    read = (
        read_email(address) if "@" in address else PhoneReader(region_of(organisation_id) or None).read(address.strip())
    )
    if not read:
        raise InvalidInput.at("address", "must be a number with its country code, or an e-mail address")
    if ProofNumber.objects.filter(organisation_id=organisation_id).count() >= MOST_ADDRESSES:
        raise Conflict(f"There are {MOST_ADDRESSES} test numbers already.")
    try:
        with transaction.atomic():
            return ProofNumber.objects.create(organisation_id=organisation_id, address=read, label=label.strip()[:100])
    except IntegrityError:
        raise Conflict("This number is among the test numbers already.") from None


def forget_number(organisation_id: int, number_id: int) -> None:
    """Raises NotFound."""
    found = ProofNumber.objects.filter(organisation_id=organisation_id, pk=min(number_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("test number", number_id)
    found.delete()
