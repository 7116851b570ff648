"""What the writer of a text is told while writing: what it costs, which characters make it dear, and how people get it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from chappe.features.clock import now_ms
from chappe.features.connections.services import way_of
from chappe.features.connections.way import Way
from chappe.features.deliveries.analysis import OWN
from chappe.features.deliveries.glyph import glyph_name
from chappe.features.deliveries.letter import OWN as LETTER_OWN
from chappe.features.deliveries.link import base_of
from chappe.features.deliveries.measure import Measure
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.options import Options
from chappe.features.deliveries.sample import Sample, samples
from chappe.features.deliveries.services import Draft, drafted, warnings_of
from chappe.gsm import Encoding, Inspection, Reason, capacity, transliterate
from chappe.messaging import ConfigError, FieldError
from chappe.rules.link import TOKEN, links_in

SAMPLED = 20
"""People whose texts are made at each keystroke."""
PLAIN = Measure(Measure.BY_HTTP, transliterates=False, uses_payload=False, maximum_segments=0)
"""As the standard has it: where there is no connection to ask."""


@dataclass(frozen=True)
class Glyph:
    """A character that makes a text dearer. `becomes` is what transliterating makes of it; None: nothing but itself."""

    character: str
    name: str
    code: str
    is_lacking: bool
    becomes: str | None
    times: int


@dataclass(frozen=True)
class Piece:
    """A stretch of a text; with a glyph, the one character that it is."""

    text: str
    glyph: Glyph | None = None


@dataclass(frozen=True)
class Composition:
    """A text as far as it is written. `problems` say why it cannot be sent as it is; without a list, or where there are any,
    `people` is empty and `text` is what was typed."""

    text: str
    inspection: Inspection | None
    """None where nobody counts segments: e-mail, RCS, MMS."""
    way: Way | None
    names: Sequence[str] = ()
    problems: Sequence[FieldError] = ()
    warnings: Sequence[str] = ()
    people: Sequence[Sample] = ()
    place: int = 0
    is_whole: bool = False
    """The provider cuts it, and says nothing of segments."""
    maximum_segments: int = 0
    transliterates: bool = False
    """Whether the connection does it by itself."""
    is_mendable: bool = False
    """Whether some of what makes it dear stands in the text itself, and has a plain counterpart."""
    sent: Inspection | None = None
    """What goes out costs this; the same as typed where nothing is transliterated."""
    is_followed: bool = False
    """Whether addresses of the text go out as short links."""

    @property
    def person(self) -> Sample | None:
        return self.people[self.place] if self.people else None

    @property
    def is_email(self) -> bool:
        return self.way is not None and self.way.is_email

    @property
    def lacks_links(self) -> bool:
        """Whether links are followed of which there is none in the text."""
        return self.is_followed and bool(self.text) and not links_in(self.text)

    @property
    def is_linked_elsewhere(self) -> bool:
        """Whether another installation makes the links."""
        return self.is_followed and self.way is not None and self.way.is_handed_over and not self.lacks_links

    @property
    def link_base(self) -> str:
        """What the links begin with that another installation makes; "" where it did not say."""
        return (self.way.mid_link_base or "") if self.way is not None else ""

    @property
    def link_length(self) -> int:
        return len(self.link_base) + TOKEN

    @property
    def number(self) -> int:
        """The place of the person, as people count."""
        return self.place + 1

    @property
    def before(self) -> int | None:
        return self.place - 1 if self.place else None

    @property
    def after(self) -> int | None:
        return self.place + 1 if self.place + 1 < len(self.people) else None

    @property
    def used(self) -> int:
        """Units in the segment that is being filled, and in those before it."""
        return self.sent.units if self.sent else 0

    @property
    def size(self) -> int:
        """Units that the segments begun have room for."""
        return self.sent.units + self.sent.room if self.sent else 0

    @property
    def per_segment(self) -> int:
        """Units of each segment of a text of several."""
        if self.sent is None or self.sent.encoding is None:
            return 0
        octets = capacity(self.sent.encoding)[self.sent.segments > 1]
        return octets // 2 if self.sent.encoding is Encoding.UCS2 else octets

    @property
    def is_over(self) -> bool:
        """Whether it has more segments than the delivery allows, so that it would be left out."""
        most = max((one.segments for one in self.people), default=self.sent.segments if self.sent else 0)
        return 0 < self.maximum_segments < most

    @property
    def fewest(self) -> int:
        return min((one.segments for one in self.people if one.segments), default=0)

    @property
    def most(self) -> int:
        return max((one.segments for one in self.people), default=0)

    @property
    def excluded(self) -> dict[str, int]:
        """Of the people looked at, who would be left out, by reason."""
        return dict(Counter(one.reason for one in self.people if one.reason))

    @cached_property
    def glyphs(self) -> list[Glyph]:
        """Each character that makes the text dearer, once; those that force another encoding first."""
        found = self.inspection
        if found is None:
            return []
        lacking = Counter(one.character for one in found.costly if one.reason is Reason.LACKING)
        double = Counter(one.character for one in found.costly if one.reason is Reason.DOUBLE) - lacking
        cheapest = Encoding.GSM
        return [
            *(_glyph(character, times, cheapest, is_lacking=True) for character, times in lacking.items()),
            *(_glyph(character, times, cheapest, is_lacking=False) for character, times in double.items()),
        ]

    @property
    def doubled(self) -> list[Glyph]:
        """Those that take the room of two, where the text could do without."""
        return [one for one in self.glyphs if not one.is_lacking]

    @property
    def left_out(self) -> int:
        return sum(self.excluded.values())

    @property
    def guilty(self) -> list[Glyph]:
        return [one for one in self.glyphs if one.is_lacking]

    @cached_property
    def pieces(self) -> list[Piece]:
        """The text with what is guilty cut out of it, to be marked."""
        guilty = {one.character: one for one in self.guilty}
        pieces: list[Piece] = []
        plain = ""
        for character in self.text:
            if character not in guilty:
                plain += character
                continue
            pieces += [Piece(plain)] if plain else []
            pieces.append(Piece(character, guilty[character]))
            plain = ""
        return [*pieces, Piece(plain)] if plain else pieces

    @property
    def transliterated(self) -> str:
        """The text as transliteration leaves it; "" where it changes nothing."""
        other = self.inspection.transliterated if self.inspection else None
        return other.text if other else ""


def _glyph(character: str, times: int, encoding: Encoding, *, is_lacking: bool) -> Glyph:
    other = transliterate(character, encoding) if is_lacking else character
    becomes = other if other != character else None
    return Glyph(character, glyph_name(character), f"U+{ord(character):04X}", is_lacking, becomes, times)


def _is_mendable(body: str) -> bool:
    return transliterate(body, Encoding.GSM) != body


def compose(organisation_id: int, draft: Draft, place: int) -> Composition:
    """What to say of a draft, `place` being the person whose text is shown. Raises NotFound for somebody else's list or
    connection, InvalidInput where there is no connection at all."""
    body = draft.body or ""
    if draft.list_id is None:
        found = PLAIN.inspected(body)
        return Composition(body, found, None, names=OWN, sent=found, is_mendable=_is_mendable(body))
    delivery, errors = drafted(organisation_id, draft, now_ms())
    # Of a text that is not begun, nothing is to be said.
    problems = [one for one in errors if _is_of_text(one)] if body.strip() else []
    try:
        way = way_of(delivery.connection)
    except ConfigError:
        way = None
    people = [] if problems or way is None or not body.strip() else _people(delivery, problems)
    place = min(max(place, 0), max(len(people) - 1, 0))
    text = (people[place].body or body) if people else body
    return _composition(delivery, way, text, people, place, problems)


def _is_of_text(error: FieldError) -> bool:
    return error.field in ("body", "follow_links") or error.field.startswith("content")


def _people(delivery: Delivery, problems: list[FieldError]) -> list[Sample]:
    try:
        return samples(delivery, SAMPLED)
    except ConfigError as error:
        problems += error.errors
        return []


def _composition(
    delivery: Delivery,
    way: Way | None,
    text: str,
    people: Sequence[Sample],
    place: int,
    problems: Sequence[FieldError],
) -> Composition:
    options = Options.of(delivery)
    names = [*delivery.contact_list.attributes, *(LETTER_OWN if way and way.is_email else OWN)]
    is_counted = way is None or not (way.is_email or way.carries(options.content))
    is_followed = options.follow_links and way is not None and bool(base_of(way))
    # The texts of people have their links already.
    base = base_of(way) if way and is_followed and not people else ""
    measure = Measure.of(way, options.maximum_segments, base) if way else PLAIN
    return Composition(
        text,
        measure.inspected(text) if is_counted else None,
        way,
        names=list(dict.fromkeys(names)),
        problems=problems,
        warnings=warnings_of(delivery),
        people=people,
        place=place,
        is_whole=measure.uses_payload,
        maximum_segments=options.maximum_segments,
        transliterates=measure.transliterates,
        is_mendable=_is_mendable(delivery.body),
        sent=measure.inspected(measure.sent(text)) if is_counted else None,
        is_followed=is_followed,
    )
