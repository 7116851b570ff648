"""How deliveries' statuses, and why people get nothing, are called and coloured on pages."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from chappe.features.words import localised

Words = str | Promise

STATUSES: Mapping[str, Words] = {
    "draft": _("Draft"),
    "analysing": _("Being analysed"),
    "ready": _("Ready to send"),
    "sending": _("Sending"),
    "paused": _("Paused"),
    "finished": pgettext_lazy("a delivery", "Finished"),
    "cancelled": pgettext_lazy("a delivery", "Cancelled"),
    "failed": _("Analysis failed"),
}
TONES: Mapping[str, str] = {
    "draft": "mute",
    "analysing": "info",
    "ready": "warn",
    "sending": "info",
    "paused": "warn",
    "finished": "good",
    "cancelled": "mute",
    "failed": "bad",
}
RUNNING = ("analysing", "sending", "paused")
STARTED = ("sending", "paused", "finished", "cancelled")

REASONS: Mapping[str, Words] = {
    "bad_number": _("The number cannot be read"),
    "bad_address": _("The e-mail address cannot be read"),
    "duplicate": _("The same number or address is on the list twice"),
    "render_error": _("The text cannot be made for this person"),
    "empty": _("The text would be empty"),
    "too_long": _("The text would have too many segments"),
    "unencodable": _("The text has characters that the connection cannot send"),
    "no_identifier": _("The e-mail provider would not know the person: the identifier is missing"),
    "denylisted": _("Wrote STOP, or was put on the denylist"),
    "quarantine": _("In quarantine: messages did not arrive before"),
    "opted_out": _("Does not want marketing messages"),
    "no_opt_in": _("Never agreed to marketing messages"),
    "quiet_hours": _("Came due in quiet hours"),
}
ENCODINGS: Mapping[str, Words] = {
    "gsm": _("GSM alphabet"),
    "latin1": _("Latin 1"),
    "ucs2": _("Unicode (UCS-2)"),
    "utf-8": _("Unicode (UTF-8)"),
}
CATEGORIES: Mapping[int, Words] = {0: _("Marketing"), 1: _("Transactional")}


REPORTED: Mapping[str, Words] = {
    "UNDELIV": _("The provider could not deliver it"),
    "EXPIRED": _("The phone was not reached in time"),
    "REJECTD": _("The provider rejected it"),
    "DELETED": _("The provider deleted it"),
    "UNKNOWN": _("The provider does not know what became of it"),
}
"""What providers' receipts say of messages that did not arrive (SMPP 3.4, appendix B), by their first word."""


def reason_words(reason: str) -> str:
    """Why somebody gets nothing, or why a message ended as it did; what is none of ours as it is, with what it means."""
    if reason in REASONS:
        return str(REASONS[reason])
    word = reason.partition(" ")[0]
    if word in REPORTED:
        return f"{REPORTED[word]} ({reason})"
    told, mark, why = reason.rpartition(": ")
    if why in REASONS:
        return localised(f"{told}{mark}{REASONS[why]}")
    return localised(reason)
