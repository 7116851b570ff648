"""Nothing secret is left of a request or an answer that is kept, however it was written."""

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.engine.net.redact import MASK, mask_numbers, redact

SECRET = 'pä"ss/w\\ö+r d&%é'
PLAIN = "s3cret-token"

Writer = Callable[[str], str]


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def escaped_whole(text: str) -> str:
    """In JSON that needs no escapes and has them all the same."""
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[place] << 8 | units[place + 1]:04X}" for place in range(0, len(units), 2))


WRITERS: dict[str, Writer] = {
    "as it is": lambda text: text,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON with escaped slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON escaped throughout": escaped_whole,
    "address": lambda text: quote(text, safe=""),
    "path": quote,
    "form": quote_plus,
    "lower-case address": lambda text: quote(text, safe="").lower(),
    "address escaped throughout": lambda text: "".join(f"%{octet:02X}" for octet in text.encode()),
    "XML": html.escape,
    "XML by numbers": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "XML by hexadecimal numbers": lambda text: "".join(f"&#x{ord(character):x};" for character in text),
    "Base64": base64_of,
    "Base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "Base64 after another": lambda text: base64_of(f"user:{text}"),
    "Base64 between others": lambda text: base64_of(f"ab{text}cd"),
    "hexadecimal": lambda text: text.encode().hex(),
    "JSON within JSON": lambda text: json.dumps(json.dumps(text))[1:-1],
    "JSON in an address": lambda text: quote(json.dumps(text)[1:-1], safe=""),
    "an address in an address": lambda text: quote(quote(text, safe=""), safe=""),
    "Base64 in a form": lambda text: quote_plus(base64_of(text)),
    "Base64 in JSON": lambda text: json.dumps(base64_of(text))[1:-1].replace("/", "\\/"),
}


def traces(text: str, secret: str) -> list[str]:
    """Ways of writing the secret in which it can still be found."""
    return [name for name, write in WRITERS.items() if write(secret) in text]


@pytest.mark.parametrize("secret", [SECRET, PLAIN, "🔑 geheim", "💣💣💣💣", "aaaa", "1234", "-----BEGIN X-----\nabc\n"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_secret_is_taken_out_however_it_was_written(name: str, secret: str) -> None:
    written = WRITERS[name](secret)
    if name.startswith("lower-case"):
        secret = secret.lower()
        written = quote(secret, safe="").lower()
    seen = redact(f'{{"before": 1, "key": "{written}", "after": 2}}', [secret])
    assert written not in seen
    assert traces(seen, secret) == []
    assert MASK in seen
    assert seen.startswith('{"before": 1, "key": "')
    assert seen.endswith('", "after": 2}')


@given(
    st.text(st.characters(min_codepoint=32, exclude_categories=("Cs",)), min_size=4, max_size=12),
    st.sampled_from(sorted(WRITERS)),
)
def test_no_secret_can_be_read_back(secret: str, name: str) -> None:
    if MASK[0] in secret or "lower-case" in name:
        return
    written = WRITERS[name](secret)
    assert written not in redact(f"<{written}>", [secret])


def test_all_places_of_a_secret_are_masked() -> None:
    assert redact(f"{PLAIN}, {PLAIN} and {PLAIN}", [PLAIN]) == f"{MASK}, {MASK} and {MASK}"


@pytest.mark.parametrize("order", [("abcd1234", "1234efgh"), ("1234efgh", "abcd1234")])
def test_of_two_secrets_that_overlap_nothing_remains(order: tuple[str, str]) -> None:
    assert redact("x abcd1234efgh y", order) == f"x {MASK} y"


def test_a_secret_within_another_leaves_nothing_of_the_longer() -> None:
    assert redact("x password-1 y", ["word", "password-1"]) == f"x {MASK} y"


def test_a_secret_that_overlaps_itself_is_taken_out_whole() -> None:
    assert redact("x abababab y", ["ababab"]) == f"x {MASK} y"


def test_the_mask_itself_may_be_a_secret() -> None:
    assert redact(f"x{MASK}{MASK}y", [MASK * 2]) == f"x{MASK}y"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ('{"pin": "a1", "banana1": 1}', f'{{"pin": "{MASK}", "banana1": 1}}'),
        ("pin=a1&name=a1b", f"pin={MASK}&name=a1b"),
        ("a1", "a1"),
        ("la1la a1 a1", "la1la a1 a1"),
    ],
)
def test_a_short_secret_is_taken_out_only_where_it_is_a_whole_value(text: str, seen: str) -> None:
    assert redact(text, ["a1"]) == seen


def test_an_empty_secret_is_none() -> None:
    assert redact("all of it", ["", ""], [""]) == "all of it"


def test_text_without_anything_to_hide_stays_as_it_is() -> None:
    text = 'POST /x?a=%C3%A9+b\n\n{"a": "\\u00e9 &amp; %41"}'
    assert redact(text, [PLAIN], ["+33612345678", "a text"]) == text


# -- headers ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: Basic {MASK}"),
        ("authorization:Bearer ey.x.y", f"authorization: Bearer {MASK}"),
        ("AUTHORIZATION: App 12345", f"AUTHORIZATION: App {MASK}"),
        ("Authorization: hmac username=x, signature=y", f"Authorization: hmac {MASK}"),
        ("Authorization: whatever", f"Authorization: {MASK}"),
        ("Proxy-Authorization: Basic x", f"Proxy-Authorization: Basic {MASK}"),
        ("Cookie: a=b; c=d", f"Cookie: {MASK}"),
        ("Set-Cookie: a=b", f"Set-Cookie: {MASK}"),
        ("X-Twilio-Signature: abc=", f"X-Twilio-Signature: {MASK}"),
        ("MessageBird-Signature-JWT: a.b.c", f"MessageBird-Signature-JWT: {MASK}"),
        ("X-Api-Key: k", f"X-Api-Key: {MASK}"),
        ("X-Auth-Token: t", f"X-Auth-Token: {MASK}"),
        ("Authorization: Digest a=b,\r\n  c=d", f"Authorization: Digest {MASK}"),
        ("Content-Type: application/json", "Content-Type: application/json"),
        ("User-Agent: Authorization: x", "User-Agent: Authorization: x"),
    ],
)
def test_headers_that_prove_who_calls_are_masked(line: str, seen: str) -> None:
    assert redact(f"POST /x\r\n{line}\r\nAccept: */*", []) == f"POST /x\r\n{seen}\r\nAccept: */*"


# -- numbers and texts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("to +33612345678.", f"to {MASK}78."),
        ("to=33612345678&x=1", f"to={MASK}78&x=1"),
        ("to=%2B33612345678&x=1", f"to={MASK}78&x=1"),
        ('"to": "\\u002B33612345678"', f'"to": "{MASK}78"'),
        ("0033612345678", f"{MASK}78"),
        ("+33 6 12 34 56 78", f"{MASK}78"),
        ("+33612345678,+33612345678", f"{MASK}78,{MASK}78"),
        ("1336123456789", "1336123456789"),
    ],
)
def test_numbers_keep_their_last_two_digits(text: str, seen: str) -> None:
    assert redact(text, [], ["+33612345678"]) == seen


def test_a_number_given_without_a_plus_is_hidden_with_one_too() -> None:
    assert redact("+33612345678", [], ["33612345678"]) == f"{MASK}78"


def test_texts_go_whole() -> None:
    text = "Votre code est 4711, à bientôt"
    body = json.dumps({"text": text, "status": "ok"})
    assert redact(body, [], [text]) == f'{{"text": "{MASK}", "status": "ok"}}'


def test_a_code_of_six_digits_goes_whole() -> None:
    assert redact('{"text": "123456"}', [], ["123456"]) == f'{{"text": "{MASK}"}}'


def test_a_short_text_is_hidden_only_where_it_is_a_whole_value() -> None:
    assert redact('{"text": "no", "note": "not now"}', [], ["no"]) == f'{{"text": "{MASK}", "note": "not now"}}'


def test_a_long_text_of_many_escapes_is_hidden_soon_enough() -> None:
    text = "é\n" * 5000
    assert redact(json.dumps({"text": text}), [PLAIN], [text]) == f'{{"text": "{MASK}"}}'


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ('{"to": "+33612345678", "n": 4915123456789}', f'{{"to": "{MASK}78", "n": {MASK}89}}'),
        ("to=%2B33612345678&from=36180", f"to=%2B{MASK}78&from=36180"),
        ("SM123456789012 2026-11-22 1.23456789", "SM123456789012 2026-11-22 1.23456789"),
        ("id 1234567890", "id 1234567890"),
    ],
)
def test_whatever_may_be_a_number_is_masked_but_what_is_known_to_be_none(text: str, seen: str) -> None:
    assert mask_numbers(text, keep=["1234567890"]) == seen


@pytest.mark.parametrize(
    "text",
    [
        "token" * 7000,
        "token-" * 6000 + ": x",
        "\\u0041" * 6000,
        "%25" * 12_000,
        "&#65;" * 7000,
        "+1" * 16_000,
        " \t" * 16_000,
    ],
)
def test_texts_made_to_take_long_take_no_time_that_matters(text: str) -> None:
    """Each would take minutes if the time grew with the square of the length."""
    assert redact(f"{text}\n{PLAIN}", [PLAIN], ["+33612345678"]).endswith(f"\n{MASK}")
