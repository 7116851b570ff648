"""Finding messages by whatever somebody has in hand: a number, an address, our id, the provider's id, their reference."""

from collections.abc import Collection, Hashable
from dataclasses import dataclass

from chappe.features.connections.models import Connection
from chappe.features.messages import services
from chappe.features.messages.models import MessageEvent, MessageNow
from chappe.features.page import Page
from chappe.features.refusal import NotFound

LONGEST_WANTED = 320
SHORTEST_NUMBER = 3


@dataclass(frozen=True)
class Found:
    """What a search found: the message whose own id it is, and the page of those to a recipient or with a provider's id."""

    own: MessageNow | None
    page: Page[MessageNow]
    by_provider_id: bool = False


def find(organisation_id: int, wanted: str, cursor: str, limit: int) -> Found:
    """Look for `wanted` in every way it may be meant. Raises InvalidInput for the cursor."""
    wanted = wanted.strip()[:LONGEST_WANTED]
    own = _by_id(organisation_id, wanted)
    page: Page[MessageNow] = Page([], None)
    if _may_be_a_recipient(wanted):
        page = services.search_messages(organisation_id, wanted, "", cursor, limit)
    if page.items or cursor:
        return Found(own, page)
    return Found(own, services.search_messages(organisation_id, "", wanted, cursor, limit), by_provider_id=True)


def connection_names(organisation_id: int, ids: Collection[int]) -> dict[int, str]:
    """The names of these connections of the organisation."""
    return dict(Connection.objects.filter(organisation_id=organisation_id, pk__in=ids).values_list("pk", "name"))


def fingerprint(organisation_id: int, message_id: int) -> Hashable:
    """What differs when more has happened to a message. Raises NotFound."""
    found = services.find_message(organisation_id, message_id)
    latest = MessageEvent.objects.filter(message_id=message_id).order_by("-pk").values_list("pk", flat=True).first()
    done = [(segment.pk, segment.state, segment.status) for segment in services.segments_of(message_id)]
    return (found.state, found.reason, found.attempt, found.due_ms, latest, tuple(done))


def _by_id(organisation_id: int, wanted: str) -> MessageNow | None:
    digits = wanted.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        return None
    try:
        return services.find_message(organisation_id, int(digits))
    except NotFound:
        return None


def _may_be_a_recipient(wanted: str) -> bool:
    digits = "".join(character for character in wanted if character.isdigit())
    return "@" in wanted or len(digits) >= SHORTEST_NUMBER
