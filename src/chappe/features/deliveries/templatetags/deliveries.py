"""Words and marks of deliveries' pages."""

from typing import Any

from django import template
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chappe.features.deliveries.composer import Composition, Piece
from chappe.features.deliveries.state import CATEGORIES, ENCODINGS, STATUSES, TONES, reason_words

register = template.Library()


@register.simple_tag
def status_pill(status: str) -> SafeString:
    return format_html('<span class="pill {}">{}</span>', TONES.get(status, "mute"), STATUSES.get(status, status))


@register.filter
def encoding_pill(encoding: str | None) -> SafeString | str:
    """The alphabet that a text goes out in; what is dear about it is coloured."""
    if not encoding:
        return ""
    tone = "good" if encoding == "gsm" else "warn" if encoding == "ucs2" else "info"
    return format_html('<span class="pill {}">{}</span>', tone, ENCODINGS.get(str(encoding), encoding))


@register.filter
def encoding_label(encoding: str) -> str | Promise:
    return ENCODINGS.get(encoding, encoding)


@register.filter
def category_label(category: int) -> str | Promise:
    return CATEGORIES.get(category, str(category))


@register.filter
def reason_label(reason: str) -> str:
    """Why somebody gets nothing, or why a message ended as it did."""
    return reason_words(reason)


@register.simple_tag
def marked(of: Composition) -> SafeString:
    """The text, with what makes it dear marked in it."""
    return format_html_join("", "{}", ((_piece(one),) for one in of.pieces))


def _piece(one: Piece) -> Any:
    if one.glyph is None:
        return one.text
    return format_html('<mark title="{} ({})">{}</mark>', one.glyph.name, one.glyph.code, one.text)
