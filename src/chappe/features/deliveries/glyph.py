"""What characters are called: the ones that text processors put into texts unasked by the names people know, the others by
their Unicode names."""

import unicodedata
from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

KNOWN: Mapping[str, str | Promise] = {
    "\u2019": gettext_lazy("curly apostrophe"),
    "\u2018": gettext_lazy("opening single quotation mark"),
    "“": gettext_lazy("opening double quotation mark"),
    "”": gettext_lazy("closing double quotation mark"),
    "«": gettext_lazy("opening French quotation mark"),
    "»": gettext_lazy("closing French quotation mark"),
    "…": gettext_lazy("ellipsis in one character"),
    "\u2013": gettext_lazy("dash"),
    "—": gettext_lazy("long dash"),
    "•": gettext_lazy("bullet"),
    "\u00a0": gettext_lazy("no-break space"),
    "\u202f": gettext_lazy("narrow no-break space"),
    "\u200b": gettext_lazy("space of no width"),
    "\u200d": gettext_lazy("joiner of no width"),
    "\u00ad": gettext_lazy("soft hyphen"),
    "\ufe0f": gettext_lazy("sign that asks for a picture"),
    "\t": gettext_lazy("tabulator"),
    "€": gettext_lazy("euro sign"),
    "œ": gettext_lazy("o and e joined"),
    "Œ": gettext_lazy("capital O and E joined"),
    "ç": gettext_lazy("c with cedilla"),
    "ê": gettext_lazy("e with circumflex"),
    "â": gettext_lazy("a with circumflex"),
    "î": gettext_lazy("i with circumflex"),
    "ô": gettext_lazy("o with circumflex"),
    "û": gettext_lazy("u with circumflex"),
    "ë": gettext_lazy("e with diaeresis"),
    "ï": gettext_lazy("i with diaeresis"),
    "À": gettext_lazy("capital A with grave"),
    "È": gettext_lazy("capital E with grave"),
    "Ê": gettext_lazy("capital E with circumflex"),
}


def glyph_name(character: str) -> str:
    """What a person calls a character."""
    if character in KNOWN:
        return str(KNOWN[character])
    if 0x1F000 <= ord(character) <= 0x1FAFF:
        name = unicodedata.name(character, "").lower()
        return _("emoji: %(name)s") % {"name": name} if name else _("emoji")
    return unicodedata.name(character, _("character without a name")).lower()
