"""What RCS and MMS carry: kept with the message as JSON, checked before it is sent."""

import msgspec
import pytest

from chappe.messaging import MessageOptions
from chappe.messaging.content import (
    Card,
    Carousel,
    Content,
    Dial,
    Location,
    Media,
    Mms,
    OpenUrl,
    Reply,
    RichText,
    ShowLocation,
    WebviewSize,
    check,
    is_basic,
)

URL = "https://media.example.org/a.jpg"
CARD = Card("Boots", "Warm ones", Media(URL), (Reply("Yes", "boots-yes"), OpenUrl("See", URL, WebviewSize.TALL)))
ALL: tuple[Content, ...] = (
    RichText("Hello"),
    Media(URL, URL),
    CARD,
    Carousel((CARD, Card("Socks"))),
    Location(48.85, 2.35, "Paris"),
    Mms("Boots", URL),
    RichText("Call?", (Dial("Call", "+33123456789"), ShowLocation("Where", 48.85, 2.35))),
)


def problems(content: Content, body: str = "Boots at example.org") -> dict[str, str]:
    return {error.field: error.message for error in check(content, body)}


@pytest.mark.parametrize("content", ALL)
def test_a_content_is_kept_with_the_message_and_comes_back_as_it_was(content: Content) -> None:
    options = MessageOptions(content=content)
    assert msgspec.json.decode(msgspec.json.encode(options), type=MessageOptions) == options
    assert problems(content) == {}


def test_options_without_a_content_are_kept_as_before() -> None:
    assert msgspec.json.encode(MessageOptions()) == b"{}"


@pytest.mark.parametrize(
    ("content", "body", "field"),
    [
        (RichText("x" * 3073), "x", "content.text"),
        (RichText(""), "x", "content.text"),
        (RichText("x"), " ", "body"),
        (Card(), "x", "content"),
        (Carousel((CARD,)), "x", "content.cards"),
        (Carousel((CARD, Card())), "x", "content.cards[1]"),
        (Media("boots.jpg"), "x", "content.url"),
        (Media(URL, "ftp://example.org"), "x", "content.thumbnail_url"),
        (Carousel((CARD, Card(media=Media("https://")))), "x", "content.cards[1].media.url"),
        (Card("x", suggestions=(OpenUrl("x", "javascript:alert(1)"),)), "x", "content.suggestions[0].url"),
        (Mms("Boots", URL), "x" * 1601, "body"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(content: Content, body: str, field: str) -> None:
    assert list(problems(content, body)) == [field]


def test_3072_characters_are_rich_and_160_alone_are_basic() -> None:
    assert problems(RichText("x" * 3072)) == {}
    assert is_basic(RichText("x" * 160))
    assert not is_basic(RichText("x" * 161))
    assert not is_basic(RichText("x", (Reply("Yes"),)))
    assert not is_basic(Media(URL))


@pytest.mark.parametrize(
    "data", [b'{"content":{"type":"location","latitude":91,"longitude":0}}', b'{"content":{"type":"x"}}']
)
def test_what_is_no_content_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(data, type=MessageOptions)
