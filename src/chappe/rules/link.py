"""Short links: the addresses in a text become ours, which say whose message was opened and where to go on.

Nothing is kept for a short link: it names the message and which of its addresses it is, and is signed, so that nobody can make
one up. The address itself is read in the message. All of them are of one length, so a text can be measured before its
message has a number.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from itertools import islice
from urllib.parse import quote, urlsplit, urlunsplit

PATH = "/l/"
"""What follows the address of an installation in its short links."""
ELSEWHERE = "https://example.com/l/"
"""Stands for the beginning of links that another installation makes: it is known there only."""
MOST_LINKS = 15
"""In one text; others stay as they are."""
PLACE_BITS = 4
LONGEST_SHOWN = 400

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_ALPHABET)}
_NUMBER, _PROOF = 8, 8
TOKEN = _NUMBER + _PROOF
"""Characters of a token: digits and letters, which every alphabet of SMS has."""
MOST_MESSAGE = (62**_NUMBER >> PLACE_BITS) - 1

_NO_LINK = (
    r"\x00-\x20\x7f-\xa0<>\"«»\u2000-\u206f"
    # Where words are written without spaces between them, what stands behind an address is no part of it.
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    r"\U00020000-\U0003ffff"
)
"""What ends an address: no character of one (RFC 3986), or none of one as people write them."""
_LINK = re.compile(rf"https?://(?:(?![,;]https?://)[^{_NO_LINK}])+", re.IGNORECASE)
_TRAILING = ".,;:!?'*`|،؛؟"
_PAIRS = {")": "(", "]": "[", "}": "{"}
LONGEST_LINK = 2_000
LONGEST_HOST = 253
MOST_LOOKED_AT = 4 * MOST_LINKS
"""Addresses of a text, whether they can be followed or not: nobody waits for what somebody wrote to keep others waiting."""


def links_in(text: str) -> list[tuple[int, int]]:
    """Where the web addresses of a text begin and end. What ends a sentence or closes a bracket is not theirs."""
    found = []
    for match in islice(_LINK.finditer(text), MOST_LOOKED_AT):
        link = _trimmed(match[0])
        if len(link) <= LONGEST_LINK and host_of(link) is not None:
            found.append((match.start(), match.start() + len(link)))
            if len(found) == MOST_LINKS:
                break
    return found


def host_of(link: str) -> str | None:
    """The host of an address as the network knows it (UTS 46); None where it has none, or one that cannot be."""
    try:
        host = urlsplit(link).hostname
        if not host or len(host) > LONGEST_HOST:
            return None
        if host.isascii():
            return host
        # Only where it is needed: every command reads the configuration, and that knows this module.
        import idna

        return idna.encode(host, uts46=True).decode()
    except ValueError:
        return None


def shortened(text: str, make: Callable[[int], str]) -> str:
    """The text with each of its addresses replaced by what `make` makes of its place, from 0."""
    parts, at = [], 0
    for place, (start, end) in enumerate(links_in(text)):
        parts += [text[at:start], make(place)]
        at = end
    return "".join((*parts, text[at:])) if parts else text


def measured(text: str, base: str) -> str:
    """A text as long as it will be once its links begin with `base`."""
    return shortened(text, lambda place: base + "x" * TOKEN)


def link_at(text: str, place: int) -> str | None:
    """The address that a short link stands for, in ASCII (RFC 3986); None where there is none."""
    found = links_in(text)
    if place >= len(found):
        return None
    start, end = found[place]
    link = text[start:end]
    scheme, netloc = link[: link.index("://") + 3], urlsplit(link).netloc
    user, at, address = netloc.rpartition("@")
    if not address.isascii():
        _, colon, port = address.partition(":")
        link = f"{scheme}{user}{at}{host_of(link)}{colon}{port}{link[len(scheme) + len(netloc) :]}"
    return quote(link, safe="!#$%&'()*+,/:;=?@[]~-._")


def without_query(link: str) -> str:
    """As links are counted: what follows ? or # often tells one person from another. At most `LONGEST_SHOWN` characters."""
    parts = urlsplit(link)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))[:LONGEST_SHOWN]


class LinkSigner:
    """Makes the tokens of short links, and reads them. The first key signs; all of them are believed."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Raises ValueError where there is no key."""
        if not keys:
            raise ValueError("a signer needs a key")
        self._keys = tuple(keys)

    def token(self, message_id: int, place: int) -> str:
        number = _written(message_id << PLACE_BITS | place, _NUMBER)
        return number + _proof(self._keys[0], number)

    def shortened(self, text: str, base: str, message_id: int) -> str:
        """A message's text as it goes out."""
        return shortened(text, lambda place: base + self.token(message_id, place))

    def read(self, token: str) -> tuple[int, int] | None:
        """Message and place; None for what none of the keys signed."""
        if len(token) != TOKEN or not all(digit in _VALUES for digit in token):
            return None
        number, proof = token[:_NUMBER], token[_NUMBER:]
        if not any(hmac.compare_digest(proof, _proof(key, number)) for key in self._keys):
            return None
        value = 0
        for digit in number:
            value = value * 62 + _VALUES[digit]
        return value >> PLACE_BITS, value & ((1 << PLACE_BITS) - 1)


def _proof(key: bytes, number: str) -> str:
    digest = hashlib.blake2b(number.encode(), digest_size=8, key=key, person=b"chappe link").digest()
    return _written(int.from_bytes(digest) % 62**_PROOF, _PROOF)


def _written(value: int, width: int) -> str:
    digits = []
    for _ in range(width):
        value, digit = divmod(value, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _trimmed(link: str) -> str:
    end = len(link)
    open_ones = {last: link.count(first) - link.count(last) for last, first in _PAIRS.items()}
    while end:
        last = link[end - 1]
        if open_ones.get(last, 0) < 0:
            open_ones[last] += 1
        elif last not in _TRAILING:
            break
        end -= 1
    return link[:end]
