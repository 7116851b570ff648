"""A message's life for somebody who reads French, what the engine wrote of it in English included."""

from collections.abc import Iterator

import pytest
from django.utils import translation
from tests import row
from tests.row import NOW_MS

from chappe.engine.change import INTERRUPTED
from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection
from chappe.features.messages.models import Message
from chappe.features.messages.timeline import timeline, why_it_waits
from chappe.messaging import ENDS, DeliveryState
from chappe.rules.ending import ending

ENGLISH = frozenset(
    {"the", "of", "to", "is", "was", "by", "that", "not", "for", "with", "and", "or", "its", "it", "has"}
)


@pytest.fixture(autouse=True)
def french() -> Iterator[None]:
    with translation.override("fr"):
        yield


@pytest.fixture
def connection(organisation: Organisation) -> Connection:
    return row.connection(organisation.pk)


def told(message: Message) -> list[str]:
    return [entry.text for entry in timeline(message, NOW_MS + 70_000)]


def english_in(texts: list[str]) -> list[str]:
    return [text for text in texts if ENGLISH & set(text.lower().replace(".", "").split())]


def test_what_happened_is_told_in_french(connection: Connection) -> None:
    message = row.message(
        connection.organisation_id,
        segments=2,
        attempt=1,
        due_ms=NOW_MS + 3_600_000,
        state=DeliveryState.FAILED,
        reason="the provider's queue is full, and so 3 times",
        done_ms=NOW_MS + 69_000,
    )
    row.segment(1, status="UNDELIV", code="011", done_ms=NOW_MS + 150, state=DeliveryState.FAILED)
    row.segment(1, attempt=1, sent_ms=NOW_MS + 60_100, provider_message_id="B")
    _, unsure = ending(DeliveryState.FAILED, "no answer from smsc.example.org within 30 s", may_have_gone=True)
    row.event(1, "error", "UNDELIV 011 (soft: refused)", NOW_MS + 160)
    row.event(1, "resent", INTERRUPTED, NOW_MS + 200)
    row.event(1, "unconfirmed", unsure, NOW_MS + 300)
    row.event(1, "receipt_ignored", "", NOW_MS + 400)
    assert told(message) == [
        "Accepté.",
        "À envoyer à partir de 2026-01-01 01:00:00 UTC.",
        "Segment 1 sur 2 a été pris par le fournisseur, qui ne lui a pas donné d’ID.",
        "Segment 1 sur 2\u202f: le fournisseur annonce UNDELIV 011.",
        "UNDELIV 011 (passagère\u202f: refusé)",
        "le moteur a été interrompu alors que ce message était peut-être en route",
        "il est peut-être parti, et n’est pas envoyé de nouveau\u202f: aucune réponse de smsc.example.org en 30 s",
        "accusé de réception ignoré",
        "Segment 1 sur 2 (tentative 2) a été pris par le fournisseur sous l’ID B.",
        "Échoué\u202f: la file du fournisseur est pleine, et cela 3 fois.",
    ]


@pytest.mark.parametrize("state", sorted(ENDS))
def test_every_end_is_told_in_french(connection: Connection, state: DeliveryState) -> None:
    message = row.message(connection.organisation_id, state=state, reason="denylisted", done_ms=NOW_MS + 300)
    assert told(message)[-1].endswith("\u202f: la personne ne veut plus de messages.")
    assert not english_in(told(message))


@pytest.mark.parametrize("state", [DeliveryState.WAITING, DeliveryState.UNCONFIRMED, DeliveryState.SENT])
def test_why_a_message_waits_is_told_in_french(connection: Connection, state: DeliveryState) -> None:
    row.link(connection.pk, "bound")
    texts = why_it_waits(row.message(connection.organisation_id, connection_id=connection.pk, state=state), NOW_MS)
    assert texts and not english_in(texts)


def test_what_keeps_a_link_down_is_told_in_french(connection: Connection) -> None:
    message = row.message(connection.organisation_id, connection_id=connection.pk)
    row.link(connection.pk, "down", reason="the provider refused the log-in: wrong password")
    assert why_it_waits(message, NOW_MS) == [
        "Aucun lien de la connexion North n’est connecté.",
        "Lien 1 (émetteur-récepteur)\u202f: le fournisseur a refusé l’authentification\u202f: mot de passe incorrect.",
    ]


def test_what_was_opened_is_told_in_french(connection: Connection) -> None:
    message = row.message(connection.organisation_id, state=DeliveryState.DELIVERED, done_ms=NOW_MS)
    row.click(1)
    row.click(1, 1, 3)
    row.click(1, 2, 0, 1)
    row.click(1, 3, 1, url="")
    row.click(1, 4, 0, 1, url="")
    assert english_in(told(message)) == []
    assert "https://shop.example/sale a été ouvert." in told(message)
