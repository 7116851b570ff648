"""A delivery as files for spreadsheets: its figures, and each of its messages."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator

from django.utils.translation import gettext as _

from chappe.features.clock import instant
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.services import Report, every_message, links_of
from chappe.features.deliveries.state import ENCODINGS, reason_words
from chappe.features.state import STATES
from chappe.features.stream import guarded
from chappe.features.tracking.services import LinkFigures
from chappe.messaging import DeliveryState

BOM = "\ufeff"
"""Without it a spreadsheet reads other letters than were written."""


def figure_lines(found: Report, *, has_links: bool) -> Iterator[str]:
    """What, of what, how many; the addresses of links, which are of the text, only with `has_links`."""
    delivery = found.delivery
    yield BOM + _line([_("Figure"), _("Of"), _("Number")])
    yield _line([_("Audience"), "", delivery.audience])
    for state, messages in found.states.items():
        yield _line([_("State"), STATES[state], messages])
    for reason, people in found.exclusions.items():
        yield _line([_("Left out"), reason_words(reason), people])
    for reason, messages in found.reasons:
        yield _line([_("Failed"), reason_words(reason), messages])
    yield _line([_("Segments"), "", delivery.segments])
    for encoding, messages in delivery.encodings.items():
        yield _line([_("Encoding"), ENCODINGS.get(encoding, encoding), messages])
    if found.links is not None:
        yield from _click_lines(found.links, has_links=has_links)


def _click_lines(found: LinkFigures, *, has_links: bool) -> Iterator[str]:
    yield _line([_("People who opened a link"), "", found.people])
    yield _line([_("Clicks"), "", found.clicks])
    yield _line([_("Opened by programs"), "", found.machine_clicks])
    for link in found.links if has_links else ():
        shown = link.url or _("all others")
        yield _line([_("People who opened a link"), shown, link.people])
        yield _line([_("Clicks"), shown, link.clicks])
        yield _line([_("Opened by programs"), shown, link.machine_clicks])


def message_lines(delivery: Delivery, shown: Callable[[str], str]) -> Iterator[str]:
    """Every message, without its text; `shown` writes a number or address for whoever reads the file."""
    heading = [_("Number or address"), _("State"), _("Why"), _("Segments"), _("Prepared"), _("Left"), _("Ended")]
    has_clicks = links_of(delivery) is not None
    yield BOM + _line([_("Message"), *heading, *([_("Clicks")] if has_clicks else [])])
    for row, clicks in every_message(delivery, has_clicks=has_clicks):
        times = [_time(ms) for ms in (row.created_ms, row.sent_ms, row.done_ms)]
        yield _line(
            [
                row.pk,
                shown(row.recipient),
                STATES[DeliveryState(row.state)],
                reason_words(row.reason),
                row.segments,
                *times,
                *([clicks] if has_clicks else []),
            ]
        )


def _time(ms: int) -> str:
    at = instant(ms)
    return at.isoformat(timespec="seconds") if at else ""


def _line(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([guarded(str(cell)) for cell in cells])
    return line.getvalue()
