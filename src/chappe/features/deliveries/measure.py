"""How a text would go out on a connection: in which encoding, in how many segments. The connection's own rule."""

from dataclasses import dataclass

from chappe.features.connections.way import Way
from chappe.gsm import (
    Encoding,
    Inspection,
    TooManySegments,
    Unencodable,
    can_encode,
    count,
    encode,
    inspect,
    transliterate,
)
from chappe.rules.link import measured

WHOLE = ("utf-8", 1)
"""What e-mail, and content of RCS or MMS, is: one message in UTF-8, of which nobody counts segments."""
MOST_PAYLOAD_OCTETS = 0xFFFF
TOO_LONG, UNENCODABLE = "too_long", "unencodable"


@dataclass(frozen=True)
class Measure:
    """`maximum_segments` 0 is no limit of the delivery's own. `link_base` is what addresses in the text will begin with; empty:
    they stay as they are."""

    # A provider called by HTTP picks the encoding and splits by itself, as the standard has it.
    BY_HTTP = (Encoding.GSM, Encoding.UCS2)

    encodings: tuple[Encoding, ...]
    transliterates: bool
    uses_payload: bool
    maximum_segments: int
    link_base: str = ""

    @classmethod
    def of(cls, way: Way, maximum_segments: int, link_base: str = "") -> "Measure":
        settings = way.settings
        if not way.is_smpp:
            return cls(cls.BY_HTTP, False, False, maximum_segments, link_base)
        return cls(
            tuple(dict.fromkeys(Encoding(row["encoding"]) for row in settings.rows("encodings"))),
            settings.flag("transliterate"),
            settings.flag("message_payload"),
            maximum_segments,
            link_base,
        )

    def __call__(self, text: str) -> tuple[Encoding, int] | str:
        """The encoding and the number of segments; or why it cannot be sent, as an exclusion's reason."""
        text = self._linked(text)
        for encoding in self.encodings:
            try:
                return self._segments(text, encoding)
            except Unencodable:
                if not self.transliterates:
                    continue
            try:
                return self._segments(transliterate(text, encoding), encoding)
            except Unencodable:
                continue
        return UNENCODABLE

    def sent(self, text: str) -> str:
        """The text as it goes out: transliterated where the connection does that, and as long as its links make it."""
        text = self._linked(text)
        for encoding in self.encodings:
            other = transliterate(text, encoding) if self.transliterates else text
            if can_encode(other, encoding):
                return other
        return text

    def inspected(self, text: str) -> Inspection:
        """What the text costs as it is typed, and what transliterating it would make of it."""
        return inspect(self._linked(text), self.encodings, transliterating=True)

    def _linked(self, text: str) -> str:
        return measured(text, self.link_base) if self.link_base else text

    def _segments(self, text: str, encoding: Encoding) -> tuple[Encoding, int] | str:
        if self.uses_payload:
            # The provider cuts it, and says nothing of its segments: it is one message.
            return (encoding, 1) if len(encode(text, encoding)) <= MOST_PAYLOAD_OCTETS else TOO_LONG
        try:
            segments = count(text, encoding)
        except TooManySegments:
            return TOO_LONG
        return TOO_LONG if 0 < self.maximum_segments < segments else (encoding, segments)
