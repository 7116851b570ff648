"""What became of calls, and what was read in one, in words."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chappe.messaging import HookEvent, InboundMessage, OptIn, OptOut, Pages, Receipt, ReceiptKind

TAKEN = ("accepted", "duplicate")
OUTCOMES: Mapping[str, Any] = {
    "accepted": gettext_lazy("taken"),
    "duplicate": gettext_lazy("came before, and changed nothing"),
    "no proof": gettext_lazy("refused: not proven to be the provider's"),
    "unreadable": gettext_lazy("refused: not readable"),
    "method": gettext_lazy("refused: not by POST"),
    "too slow": gettext_lazy("refused: it came too slowly"),
    "too large": gettext_lazy("refused: too large"),
    "encoding": gettext_lazy("refused: in an encoding that is not read"),
    "too many": gettext_lazy("refused: too many at once"),
    "switched off": gettext_lazy("refused: the hook is switched off"),
    "unknown": gettext_lazy("refused: an address of nobody's"),
    "refused": gettext_lazy("refused"),
    "failed": gettext_lazy("not taken: something went wrong here"),
    "not stored": gettext_lazy("not taken: the database was away"),
}
RECEIPTS: Mapping[ReceiptKind, Any] = {
    ReceiptKind.SUCCESS: gettext_lazy("Delivered"),
    ReceiptKind.ERROR: gettext_lazy("Failed"),
    ReceiptKind.INTERMEDIATE: gettext_lazy("On its way"),
    ReceiptKind.READ: gettext_lazy("Read"),
}


def outcome_words(outcome: str) -> tuple[Any, bool]:
    """An outcome in words, and whether it is well."""
    return OUTCOMES.get(outcome, outcome.replace("_", " ")), outcome in TAKEN


def meanings_of(events: Iterable[HookEvent]) -> list[tuple[str, list[tuple[str, str]]]]:
    """What each event says: what it is, and its facts by name."""
    return [_meaning(event) for event in events]


def _meaning(event: HookEvent) -> tuple[str, list[tuple[str, str]]]:
    match event:
        case InboundMessage():
            facts = [(_("From"), event.sender), (_("To"), event.recipient), (_("Text"), event.body)]
            return _("A text from a phone"), [*facts, (_("Provider's id"), event.provider_message_id)]
        case Receipt():
            facts = [(_("Provider's word"), event.status), (_("Code"), event.code)]
            said = str(RECEIPTS.get(event.kind, _("Says nothing")))
            return said, [*facts, (_("Provider's id"), event.provider_message_id)]
        case OptOut():
            return _("No more messages"), [(_("Number"), event.address)]
        case OptIn():
            return _("Messages again"), [(_("Number"), event.address)]
        case Pages():
            return _("Pages of another Chappe"), [(_("First"), str(event.first)), (_("Last"), str(event.last))]
