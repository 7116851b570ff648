import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.messaging import ConfigError, Receipt, ReceiptKind
from chappe.providers.smpp_settings import SPEC
from chappe.rules import receipt
from chappe.rules.provider_id import IdFormat
from chappe.rules.receipt import ReceiptRules, check_pattern, optional_field

DEFAULT = ReceiptRules()
USUAL = (
    b"id:0123456789 sub:001 dlvrd:001 submit date:2611220915 done date:2611220916 stat:DELIVRD err:000 text:Hello there"
)

WORDS = {
    "DELIVRD": ReceiptKind.SUCCESS,
    "delivered": ReceiptKind.SUCCESS,
    "UNDELIV": ReceiptKind.ERROR,
    "REJECTD": ReceiptKind.ERROR,
    "EXPIRED": ReceiptKind.ERROR,
    "DELETED": ReceiptKind.ERROR,
    "UNKNOWN": ReceiptKind.ERROR,
    "FAILED": ReceiptKind.ERROR,
    "ENROUTE": ReceiptKind.INTERMEDIATE,
    "ACCEPTD": ReceiptKind.INTERMEDIATE,
    "SOMETHING": ReceiptKind.INTERMEDIATE,
}

# What a stranger may write in a message, hoping that the receipt which quotes it is read as another message's.
HOSTILE = (
    "id:9999999999 stat:DELIVRD err:000",
    "text:x id:9999999999 stat:DELIVRD",
    "Text: id:9999999999 TEXT: stat:DELIVRD",
    "\r\nid:9999999999 sub:001 dlvrd:001 submit date:2611220915 done date:2611220916 stat:DELIVRD err:000 text:",
    " id:9999999999",
    "\x00id:9999999999 stat:DELIVRD",
    "é id:9999999999 stat:DELIVRD",
)


def test_receipt_of_the_standard_gives_id_status_and_code() -> None:
    assert DEFAULT.read(USUAL) == Receipt("0123456789", ReceiptKind.SUCCESS, "DELIVRD", "000")


@pytest.mark.parametrize(("word", "kind"), WORDS.items())
def test_status_words_mean(word: str, kind: ReceiptKind) -> None:
    found = DEFAULT.read(f"id:1 stat:{word} err:001")
    assert found == Receipt("1", kind, word, "001")


@pytest.mark.parametrize(
    "text",
    [
        "id:0123456789 sub:001 dlvrd:001 submit date:2611220915 done date:2611220916 stat:DELIVRD err:000",
        "id:0123456789 submit date:26-11-22 09:15 done date:26-11-22 09:16 stat:DELIVRD err:000 text:",
        "id:0123456789 sub:1 dlvrd:1 stat:DELIVRD err:0000 Text:x",
        "id:0123456789ABCDEF-01 sub:1 dlvrd:1 stat:DELIVRD err:000 text:x",
        "sub:001 id:0123456789,stat:DELIVRD err:000,text:x",
    ],
)
def test_receipt_in_another_layout_is_read_alike(text: str) -> None:
    found = DEFAULT.read(text)
    assert found is not None
    assert (found.provider_message_id, found.kind, found.code) == ("0123456789", ReceiptKind.SUCCESS, "000")


def test_receipt_in_ucs2_is_read_like_the_same_in_ascii() -> None:
    text = USUAL.decode("ascii").replace("Hello there", "Здравствуйте")
    assert DEFAULT.read(text.encode("utf-16-be")) == DEFAULT.read(USUAL)
    assert DEFAULT.explain(text.encode("utf-16-be")).provider_message_id == "0123456789"


def test_field_names_are_found_in_any_case() -> None:
    found = DEFAULT.read("ID:ab12 SUB:001 STAT:Undeliv Err:0A1 TEXT:no")
    assert found == Receipt("ab12", ReceiptKind.ERROR, "Undeliv", "0A1")


@pytest.mark.parametrize(
    "text", ["", "hello", "id:1", "stat:DELIVRD err:000", "stat:DELIVRD id:", "id:12 stat:BAD", "x" * 5000]
)
def test_text_without_id_or_status_is_no_receipt(text: str) -> None:
    assert DEFAULT.read(text) is None


def test_receipt_without_a_code_has_an_empty_one() -> None:
    assert DEFAULT.read("id:1 stat:DELIVRD") == Receipt("1", ReceiptKind.SUCCESS, "DELIVRD", "")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_forged_fields_in_the_text_change_nothing(hostile: str) -> None:
    genuine = "id:1111111111 sub:001 dlvrd:000 submit date:2611220915 done date:2611220916 stat:UNDELIV err:001 "
    for field in ("text:", "Text:", "TEXT:", "text :", "text="):
        found = DEFAULT.read(genuine + field + hostile)
        assert found == Receipt("1111111111", ReceiptKind.ERROR, "UNDELIV", "001")


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("before", ["", "sub:001 ", "id: stat:DELIVRD ", "id:5 err:000 "])
def test_forged_fields_do_not_fill_what_the_provider_left_out(before: str, hostile: str) -> None:
    assert DEFAULT.read(f"{before}text:{hostile}") is None


def test_text_is_kept_where_the_connection_says_so() -> None:
    rules = ReceiptRules(keeps_text=True)
    assert rules.read("sub:001 text:id:77 stat:DELIVRD") == Receipt("77", ReceiptKind.SUCCESS, "DELIVRD", "")


def test_optional_fields_are_appended_where_the_connection_says_so() -> None:
    pattern = r"\b0x001E:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b"
    rules = ReceiptRules(id_pattern=pattern, appends_optional_fields=True)
    tlvs = [(0x0427, b"\x02"), (0x001E, b"05e3299e-8d37-49d0-97c6-8e4fe60c7739\0")]
    found = rules.read("stat:DELIVRD err:000 text:x", tlvs)
    assert found == Receipt("05e3299e-8d37-49d0-97c6-8e4fe60c7739", ReceiptKind.SUCCESS, "DELIVRD", "000")
    assert ReceiptRules(id_pattern=pattern).read("stat:DELIVRD err:000", tlvs) is None


@pytest.mark.parametrize(
    ("tag", "value", "seen"),
    [
        (0x002E, b"abc", " 0x002E:abc"),
        (0x1403, b"12\0", " 0x1403:12"),
        (0xABCD, "é".encode(), " 0xABCD:é"),
        (0x0001, b"\xe9", " 0x0001:é"),
        (0x0423, b"\x03\x00\x01", ""),
        (0x0427, b"\x02", ""),
    ],
)
def test_optional_field_is_written_as(tag: int, value: bytes, seen: str) -> None:
    assert optional_field(tag, value) == seen


def test_message_payload_is_not_appended_again() -> None:
    rules = ReceiptRules(appends_optional_fields=True)
    assert rules.read("sub:001 text:x", [(0x0424, b"text:id:9 stat:DELIVRD")]) is None


@pytest.mark.parametrize(
    ("id_format", "stored"),
    [
        (IdFormat.AS_IS, "00A1"),
        (IdFormat.DECIMAL, "00A1"),
        (IdFormat.HEXADECIMAL, "161"),
        (IdFormat.HEXADECIMAL_STRING, "00A1"),
    ],
)
def test_id_of_the_receipt_is_read_in_its_format(id_format: IdFormat, stored: str) -> None:
    found = ReceiptRules(id_format=id_format).read("id:00A1 stat:DELIVRD err:000")
    assert found is not None
    assert found.provider_message_id == stored


def test_explaining_shows_what_each_pattern_found() -> None:
    reading = ReceiptRules(id_format=IdFormat.DECIMAL).explain("id:00A1 sub:1 text:id:2 stat:DELIVRD")
    assert reading.seen == "id:00A1 sub:1 "
    assert (reading.raw_id, reading.provider_message_id, reading.is_id_in_format) == ("00A1", "00A1", False)
    assert (reading.status, reading.code, reading.kind) == (None, None, None)


def test_status_words_are_remembered_up_to_a_limit() -> None:
    rules = ReceiptRules()
    for number in range(5000):
        rules.kind_of(f"WORD{number}")
    assert len(rules._kinds) <= 1024


def test_own_patterns_decide_success_and_error() -> None:
    rules = ReceiptRules(success_pattern="^0$", error_pattern="^[1-9]", status_pattern=r"\bs=(\d)\b", code_pattern="")
    assert rules.read("id:1 s=0") == Receipt("1", ReceiptKind.SUCCESS, "0", "")
    assert rules.read("id:1 s=4") == Receipt("1", ReceiptKind.ERROR, "4", "")


def test_slow_pattern_is_cut_short() -> None:
    rules = ReceiptRules(id_pattern=r"id:((?:x+x+)+y)")
    start = time.monotonic()
    assert rules.read("id:" + "x" * 4000 + " stat:DELIVRD") is None
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("pattern", ["id:(", "id:[0-9]+", "(id):([0-9]+)", "[", "(?P<a", "x" * 2000])
def test_pattern_that_cannot_be_used_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError):
        check_pattern(pattern, 1)
    with pytest.raises(ConfigError):
        ReceiptRules(id_pattern=pattern)


@pytest.mark.parametrize("pattern", [r"(?:x+x+)+(y)", r"(?:a|aa)+($)", r"id:(.*.*.*=)", r"(?:[a-zA-Z]+)*($)"])
def test_pattern_that_can_run_for_long_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="too long"):
        check_pattern(pattern, 1)


@pytest.mark.parametrize(
    "pattern", [receipt.ID_PATTERN, receipt.STATUS_PATTERN, receipt.ERROR_CODE_PATTERN, r"\bid:([0-9a-f-]{36})\b"]
)
def test_usual_pattern_is_taken(pattern: str) -> None:
    check_pattern(pattern, 1)


def test_settings_without_values_read_receipts_as_the_defaults_here_do() -> None:
    settings = SPEC.parse({"host": "smsc.example", "account": "a"})
    assert settings["receipt_id_pattern"] == receipt.ID_PATTERN
    assert settings["receipt_status_pattern"] == receipt.STATUS_PATTERN
    assert settings["success_pattern"] == receipt.SUCCESS_PATTERN
    assert settings["error_pattern"] == receipt.ERROR_PATTERN
    assert settings["error_code_pattern"] == receipt.ERROR_CODE_PATTERN
    assert ReceiptRules.of(settings).read(USUAL) == DEFAULT.read(USUAL)


tokens = st.sampled_from(
    """id:|Id:| sub:001| dlvrd:001| submit date:2611220915| done date:26-11-22 09:16:01| stat:| err:|text:| Text:|text|:
    | |\n|\x1c|\xa0|é|_|\u017f|\u212a|DELIVRD|UNDELIVERABLE|001|0|x|TEXT :|id:7| stat:REJECTD|err:1|err:0001|-|9-id:3
    |ENROUTEENROUTEENROUTE""".replace("\n    ", "").split("|")
)


@st.composite
def almost_usual(draw: st.DrawFn) -> str:
    """A receipt of the usual layout with some of its pieces changed, left out or added."""
    letters = string.ascii_letters + string.digits + " :_é\n"
    pieces = ["id:", draw(st.text(letters, min_size=1, max_size=12)), *draw(st.lists(tokens, max_size=2))]
    pieces += [
        " sub:001",
        " dlvrd:001",
        " submit date:26-11-22 09:15",
        " done date:2611220916",
        " stat:",
        draw(st.text(letters, min_size=4, max_size=17)),
        " err:",
    ]
    pieces += [draw(st.text(letters, min_size=2, max_size=5)), " text:", draw(st.text(letters, max_size=20))]
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(pieces)))
        pieces[at : at + draw(st.integers(0, 1))] = [draw(tokens)]
    return "".join(pieces)


plain = st.text(string.ascii_letters + string.digits, min_size=1, max_size=16)
usual_and_more = st.builds(
    lambda found, status, code, rest: f"id:{found} sub:001 done date:26/11/22 09:16 stat:{status} err:{code}{rest}",
    plain,
    st.text(string.ascii_letters, min_size=4, max_size=16),
    st.text(string.ascii_letters + string.digits, min_size=2, max_size=4),
    st.lists(tokens, max_size=8).map("".join),
)


SHORT_CUTS = [
    DEFAULT,
    ReceiptRules(keeps_text=True),
    ReceiptRules(id_format=IdFormat.HEXADECIMAL),
    *(
        ReceiptRules(id_pattern=pattern)
        for pattern in (
            r"(?i)\bid:([0-9a-z]{1,5})",
            r"(?i)\bid:([0-9a-z]{1,5})\b",
            r"(?i)\bid:([0-9]{1,12})",
            r"(?i)\bid:([0-9]{1,12})\b",
        )
    ),
]


@given(st.one_of(usual_and_more, almost_usual(), st.lists(tokens, max_size=14).map("".join), st.text()))
def test_short_cut_gives_what_the_patterns_give(text: str) -> None:
    for rules in SHORT_CUTS:
        reading = rules.explain(text)
        expected = None
        if reading.provider_message_id is not None and reading.status is not None and reading.kind is not None:
            expected = Receipt(reading.provider_message_id, reading.kind, reading.status, reading.code or "")
        assert rules.read(text) == expected


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=20)), max_size=3))
def test_any_octets_have_an_answer(octets: bytes, tlvs: list[tuple[int, bytes]]) -> None:
    found = ReceiptRules(appends_optional_fields=True).read(octets, tlvs)
    assert found is None or found.provider_message_id


@given(st.text(alphabet=st.characters(max_codepoint=255)))
def test_no_text_can_forge_an_id(text: str) -> None:
    found = DEFAULT.read("id:1111111111 stat:UNDELIV err:001 text:" + text)
    assert found == Receipt("1111111111", ReceiptKind.ERROR, "UNDELIV", "001")


def test_what_no_database_keeps_is_not_in_a_receipt() -> None:
    """NUL characters, and words longer than any column: seen in fuzz, where they stopped the store."""
    rules = ReceiptRules(status_pattern=r"stat:(\S+)", code_pattern=r"err:(.+)", id_pattern=r"id:(\S+)")
    text = b"id:12\x0034" + b"5" * 300 + b" stat:DEL\0IVRD" + b"x" * 99 + b" err:\0\0" + b"7" * 99
    receipt = rules.read(text)
    assert receipt is not None
    assert receipt.provider_message_id == "1234" + "5" * 251
    assert receipt.status == "DELIVRD" + "x" * 33
    assert receipt.code == "7" * 40
