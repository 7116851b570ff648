"""What RCS and MMS carry beyond a text. The message's body is then the text that stands in for it on other phones."""

from enum import StrEnum
from typing import Annotated

import msgspec

from chappe.messaging.error import FieldError

LONGEST_RICH = 3072
"""Characters of a rich text (RCS)."""
LONGEST_BASIC = 160
"""Characters up to which providers count a text without anything else as basic."""
LONGEST_MMS = 1600
FEWEST_CARDS = 2

Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]


class _Tagged(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class Reply(_Tagged, frozen=True, tag="reply"):
    """A word to tap that is sent back. `postback` is what we get to hear; the text itself where it is empty."""

    text: str
    postback: str = ""


class WebviewSize(StrEnum):
    """How much of the screen a page opened within the conversation takes."""

    FULL = "full"
    HALF = "half"
    TALL = "tall"


class OpenUrl(_Tagged, frozen=True, tag="open_url"):
    """Opens a page: in the browser, or within the conversation where a size is given."""

    text: str
    url: str
    webview_size: WebviewSize | None = None


class Dial(_Tagged, frozen=True, tag="dial"):
    """Dials a number, E.164 with "+"."""

    text: str
    number: str


class ShowLocation(_Tagged, frozen=True, tag="show_location"):
    """Opens a map. Degrees, WGS 84."""

    text: str
    latitude: Latitude
    longitude: Longitude
    name: str = ""


Suggestion = Reply | OpenUrl | Dial | ShowLocation


class RichText(_Tagged, frozen=True, tag="text"):
    """A text of up to 3072 characters."""

    text: str
    suggestions: tuple[Suggestion, ...] = ()


class Media(_Tagged, frozen=True, tag="media"):
    """A picture, film or file at a public address; a film has a picture that stands for it."""

    url: str
    thumbnail_url: str = ""
    suggestions: tuple[Suggestion, ...] = ()


class MediaHeight(StrEnum):
    SHORT = "short"
    MEDIUM = "medium"
    TALL = "tall"


class Card(_Tagged, frozen=True, tag="card"):
    """A title, a text and a picture, of which one at least is there."""

    title: str = ""
    description: str = ""
    media: Media | None = None
    suggestions: tuple[Suggestion, ...] = ()


class CardWidth(StrEnum):
    SMALL = "small"
    MEDIUM = "medium"


class Carousel(_Tagged, frozen=True, tag="carousel"):
    """Two cards or more side by side, all of one width, their pictures of one height."""

    cards: tuple[Card, ...]
    width: CardWidth = CardWidth.MEDIUM
    media_height: MediaHeight = MediaHeight.MEDIUM
    suggestions: tuple[Suggestion, ...] = ()


class Location(_Tagged, frozen=True, tag="location"):
    """A place. Degrees, WGS 84."""

    latitude: Latitude
    longitude: Longitude
    name: str = ""


class Mms(_Tagged, frozen=True, tag="mms"):
    """A title and a picture or film at a public address; the text is the message's body."""

    title: str
    url: str


Rcs = RichText | Media | Card | Carousel | Location
Content = Rcs | Mms


def is_basic(content: Content) -> bool:
    """Whether providers count it as basic: a short text and nothing else."""
    return isinstance(content, RichText) and len(content.text) <= LONGEST_BASIC and not content.suggestions


def check(content: Content, body: str, field: str = "content") -> list[FieldError]:
    """What is wrong with a content and the body that goes with it."""
    errors = []
    if not body.strip() and not isinstance(content, Mms):
        errors.append(FieldError("body", "is needed: it is sent by SMS to phones without RCS"))
    match content:
        case RichText(text=""):
            errors.append(FieldError(f"{field}.text", "is needed"))
        case RichText(text=text) if len(text) > LONGEST_RICH:
            errors.append(
                FieldError(f"{field}.text", f"expected at most {LONGEST_RICH} characters, and has {len(text)}")
            )
        case Card() as card:
            errors += _check_card(card, field)
        case Carousel(cards=cards):
            if len(cards) < FEWEST_CARDS:
                errors.append(
                    FieldError(f"{field}.cards", f"expected {FEWEST_CARDS} cards or more, and has {len(cards)}")
                )
            for index, card in enumerate(cards):
                errors += _check_card(card, f"{field}.cards[{index}]")
        case Mms() if len(body) > LONGEST_MMS:
            errors.append(
                FieldError("body", f"expected at most {LONGEST_MMS} characters with an MMS, and has {len(body)}")
            )
    errors += [FieldError(place, problem) for place, url in _urls(content, field) if (problem := _url_problem(url))]
    return errors


def _check_card(card: Card, field: str) -> list[FieldError]:
    if card.title or card.description or card.media:
        return []
    return [FieldError(field, "needs a title, a description or a media")]


def _urls(content: Content | Suggestion, field: str) -> list[tuple[str, str]]:
    """Every address that the content names, with the place where it does."""
    found: list[tuple[str, str]] = []
    match content:
        case Media(url=url, thumbnail_url=thumbnail):
            found = [(f"{field}.url", url)] + ([(f"{field}.thumbnail_url", thumbnail)] if thumbnail else [])
        case Mms(url=url) | OpenUrl(url=url):
            found = [(f"{field}.url", url)]
        case Card(media=Media() as media):
            found = _urls(media, f"{field}.media")
        case Carousel(cards=cards):
            found = [one for index, card in enumerate(cards) for one in _urls(card, f"{field}.cards[{index}]")]
    for index, suggestion in enumerate(getattr(content, "suggestions", ())):
        found += _urls(suggestion, f"{field}.suggestions[{index}]")
    return found


def _url_problem(url: str) -> str:
    scheme, colon, rest = url.partition("://")
    if colon and scheme.lower() in ("https", "http") and rest and not any(c.isspace() for c in url):
        return ""
    return "expected an address that begins with https://"
