"""Short links are made and read without a row; what the addresses in a text are; and nothing harmful leaves by them."""

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.gsm import Encoding, can_encode
from chappe.rules.link import (
    LONGEST_LINK,
    MOST_LINKS,
    MOST_LOOKED_AT,
    MOST_MESSAGE,
    TOKEN,
    LinkSigner,
    link_at,
    links_in,
    measured,
    shortened,
    without_query,
)

BASE = "https://go.example.org/l/"
KEY, OTHER = b"k" * 32, b"o" * 32
SIGNER = LinkSigner([KEY])

words = st.text(max_size=20)
addresses = st.builds("https://{}.example/{}".format, st.from_regex(r"[a-z]{1,10}", fullmatch=True), words)
texts = st.lists(st.one_of(words, addresses), max_size=20).map(" ".join)


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in links_in(text)]


# -- tokens ------------------------------------------------------------------------------------------------------------


@given(st.integers(1, MOST_MESSAGE), st.integers(0, MOST_LINKS - 1))
def test_a_token_says_what_it_was_made_of(message_id: int, place: int) -> None:
    token = SIGNER.token(message_id, place)
    assert (len(token), SIGNER.read(token)) == (TOKEN, (message_id, place))
    assert can_encode(token, Encoding.GSM)


@given(st.integers(1, MOST_MESSAGE), st.integers(0, TOKEN - 1), st.sampled_from("0Az9"))
def test_no_character_of_a_token_can_be_another(message_id: int, at: int, digit: str) -> None:
    token = SIGNER.token(message_id, 0)
    guess = token[:at] + digit + token[at + 1 :]
    assert guess == token or SIGNER.read(guess) is None


@given(st.text(max_size=2 * TOKEN))
def test_what_nobody_signed_is_nothing(token: str) -> None:
    assert SIGNER.read(token) is None


def test_links_made_by_a_key_of_before_are_still_read_and_new_ones_are_made_by_the_first() -> None:
    old, both = LinkSigner([OTHER]).token(7, 1), LinkSigner([KEY, OTHER])
    assert both.read(old) == (7, 1)
    assert both.token(7, 1) == SIGNER.token(7, 1) != old
    assert SIGNER.read(old) is None


def test_a_signer_has_a_key() -> None:
    with pytest.raises(ValueError, match="key"):
        LinkSigner([])


# -- texts -------------------------------------------------------------------------------------------------------------


@given(texts)
def test_a_text_is_measured_as_long_as_it_goes_out(text: str) -> None:
    out = SIGNER.shortened(text, BASE, 42)
    assert len(measured(text, BASE)) == len(out)
    assert [can_encode(one, Encoding.GSM) for one in (measured(text, BASE), out)] in ([True, True], [False, False])


@given(texts)
def test_the_short_links_of_a_text_lead_back_to_its_addresses(text: str) -> None:
    out = SIGNER.shortened(text, BASE, 42)
    places = [SIGNER.read(token) for token in re.findall(re.escape(BASE) + "([0-9A-Za-z]{16})", out)]
    assert places == [(42, place) for place in range(len(links_in(text)))]
    assert all(link_at(text, place) for _, place in filter(None, places))


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("See https://a.example/x?y=1#z.", ["https://a.example/x?y=1#z"]),
        ("(https://a.example/x) and https://b.example!", ["https://a.example/x", "https://b.example"]),
        ("https://a.example/wiki/Chappe_(telegraph)", ["https://a.example/wiki/Chappe_(telegraph)"]),
        ("« https://a.example » HTTP://B.example,", ["https://a.example", "HTTP://B.example"]),
        ("https://a.example\nhttps://b.example", ["https://a.example", "https://b.example"]),
        (
            "https://a.example/x,https://b.example/y;https://c.example",
            [f"https://{x}" for x in ("a.example/x", "b.example/y", "c.example")],
        ),
        ("https://a.example/?u=https://b.example/x", ["https://a.example/?u=https://b.example/x"]),
        (
            "https://a.example/L'Oréal 'https://b.example/x' `https://c.example`",
            [f"https://{x}" for x in ("a.example/L'Oréal", "b.example/x", "c.example")],
        ),
        ("https://a.example/x—merci https://b.example/y\u200bmerci", ["https://a.example/x", "https://b.example/y"]),
        ("访问https://a.example/sale查看优惠。", ["https://a.example/sale"]),
        (
            "https://a.example/売り切れ https://b.example/x에서 https://c.example/xครับ",
            [f"https://{x}" for x in ("a.example/", "b.example/x", "c.example/x")],
        ),
        ("https://a.example/x، https://b.example/x؟", ["https://a.example/x", "https://b.example/x"]),
        ("https://a.example/(x(y)))) [https://b.example/[x]]", ["https://a.example/(x(y))", "https://b.example/[x]"]),
        ("https://a.example/x\x01y", ["https://a.example/x"]),
        ("https://a.example/" + ")" * 10_000, ["https://a.example/"]),
        ("https://bücher.example/lesen", ["https://bücher.example/lesen"]),
        ("a.example www.a.example ftp://a.example mailto:a@a.example", []),
        ("https:// https://? https://[::1 http://i❤.ws", []),
        ("javascript:alert(1) data:text/html,x", []),
        ("", []),
    ],
)
def test_which_addresses_a_text_has(text: str, links: list[str]) -> None:
    assert found(text) == links


def test_no_more_than_so_many_addresses_are_followed() -> None:
    text = " ".join(f"https://a.example/{number}" for number in range(MOST_LINKS + 1))
    out = shortened(text, lambda place: f"<{place}>")
    assert out.startswith("<0> <1>")
    assert out.endswith("<14> https://a.example/15")
    assert link_at(text, MOST_LINKS) is None


@pytest.mark.parametrize("length", [LONGEST_LINK, LONGEST_LINK + 1])
def test_an_address_that_is_too_long_stays_as_it_is(length: int) -> None:
    link = "https://a.example/".ljust(length, "x")
    assert found(f"{link}.") == ([link] if length == LONGEST_LINK else [])


def test_only_so_many_are_looked_at_whatever_becomes_of_them() -> None:
    """Who writes nothing but addresses that cannot be is not looked at without end."""
    wrong = "https://[ " * (MOST_LOOKED_AT - 1)
    assert found(f"{wrong}https://a.example") == ["https://a.example"]
    assert found(f"{wrong}https://[ https://a.example") == []


def test_a_text_without_addresses_stays_as_it_is() -> None:
    assert SIGNER.shortened("Bonjour", BASE, 1) == "Bonjour"


# -- where they lead ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "led_to"),
    [
        ("https://a.example/x?y=1&z=%20#f", "https://a.example/x?y=1&z=%20#f"),
        ("https://a.example/é?ü=ö", "https://a.example/%C3%A9?%C3%BC=%C3%B6"),
        ("https://bücher.example:8443/ä", "https://xn--bcher-kva.example:8443/%C3%A4"),
        ("https://пример.испытание", "https://xn--e1afmkfd.xn--80akhbyknj4f"),
        ("https://me:é@straße.example/", "https://me:%C3%A9@xn--strae-oqa.example/"),
        ("https://é@[2001:db8::1]/", "https://%C3%A9@[2001:db8::1]/"),
        ("https://[2001:db8::1]:8080/é", "https://[2001:db8::1]:8080/%C3%A9"),
        ("https://a.example/\\x`{|}^", "https://a.example/%5Cx%60%7B%7C%7D%5E"),
    ],
)
def test_it_leads_to_the_address_as_the_network_writes_it(link: str, led_to: str) -> None:
    assert link_at(f"Go {link} now", 0) == led_to


@given(texts)
def test_where_it_leads_is_one_line_of_printable_ascii_with_a_host(text: str) -> None:
    for place in range(len(links_in(text))):
        link = link_at(text, place)
        assert link is not None
        assert link.isascii()
        assert link.isprintable()
        assert " " not in link
        assert urlsplit(link).scheme in ("http", "https")
        assert urlsplit(link).hostname


def test_an_address_is_counted_without_what_may_be_the_persons_own() -> None:
    assert without_query("https://me:secret@a.example:8080/x/y?id=7#z") == "https://a.example:8080/x/y"
    assert len(without_query("https://a.example/" + "x" * 1000)) == 400
