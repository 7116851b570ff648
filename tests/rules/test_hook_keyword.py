"""What a text asks for: keywords of a hook, by categories."""

from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.rules.hook_keyword import (
    LONGEST_LOOKED_AT,
    STANDARD,
    KeywordCategory,
    KeywordRule,
    KeywordRules,
    decide,
    fold,
)

OPT_OUT, OPT_IN, DOUBLE, HELP, CUSTOM, DEFAULT = (
    KeywordCategory.OPT_OUT,
    KeywordCategory.OPT_IN,
    KeywordCategory.DOUBLE_OPT_IN,
    KeywordCategory.HELP,
    KeywordCategory.CUSTOM,
    KeywordCategory.DEFAULT,
)


def rules(*categories: tuple[KeywordCategory, str], near: str = "") -> KeywordRules:
    """A rule for each category with its keywords, separated by commas; its reply is its name."""
    return KeywordRules(
        tuple(
            KeywordRule(category, tuple(word.strip() for word in words.split(",") if word), category.value)
            for category, words in categories
        ),
        near,
    )


def asked(found: KeywordRules, text: str) -> tuple[KeywordCategory, str] | None:
    """Category and keyword, None where nothing follows; a near miss is nothing here."""
    decision = decide(found, text)
    return None if decision is None or decision.is_near_miss else (decision.category, decision.keyword)


# -- which words are found -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop",
        "  Stop.  ",
        "«STOP!»",
        "stop please",
        "Stop, I want no more of this",
        "stop\nsent from my phone",
        "STÓP",
        "ＳＴＯＰ",
        "ST\u200bOP",
        "\ufeffSTOP",
        "\u200eSTOP\u200f",
        "S\u00adTOP",
        "_stop_",
        "🙂 stop",
        " " * (2 * LONGEST_LOOKED_AT) + "stop",
        "stop " + "x" * 5000,
    ],
)
def test_a_keyword_is_found_however_it_is_written(text: str) -> None:
    assert asked(STANDARD, text) == (OPT_OUT, "STOP")


@pytest.mark.parametrize(
    "text", ["stopped", "stopwatch 5", "please stop", "STOP2", "nonstop", "st op", "", "   ", "🙂", "sto p it"]
)
def test_a_keyword_is_no_part_of_a_longer_word_and_does_not_stand_in_the_middle(text: str) -> None:
    assert asked(STANDARD, text) is None


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("ARRÊT", "arret"),
        ("arret", "Arrêt !"),
        ("arre\u0302t", "ARRÊT"),
        ("ABMELDEN", "abmelden bitte"),
        ("STRASSE", "Straße"),
        ("İPTAL", "iptal"),
        ("стоп", "СТОП."),
        ("إيقاف", "إيقاف من فضلك"),
        ("रुको", "रुको अभी"),
        ("停止", "停止。"),
        ("STOP ALL", "stop  all"),
        ("STOP ALL", "Stop-all, now"),
        ("1", "1"),
    ],
)
def test_keywords_of_any_language_are_found(keyword: str, text: str) -> None:
    assert asked(rules((OPT_OUT, keyword)), text) == (OPT_OUT, keyword)


def test_vowel_signs_tell_words_apart() -> None:
    assert asked(rules((OPT_OUT, "रुक")), "रुको") is None


def test_a_keyword_without_a_letter_or_digit_is_never_found() -> None:
    assert decide(rules((OPT_OUT, "!!!"), (CUSTOM, "🙂")), "!!!") is None
    assert decide(rules((OPT_OUT, "!!!")), "") is None


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=60))
def test_there_is_an_answer_for_every_text(text: str) -> None:
    decision = decide(STANDARD, text)
    assert decision is None or decision.keyword in {word for rule in STANDARD.rules for word in rule.keywords}


# -- which category goes first ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations([(OPT_IN, "GO"), (OPT_OUT, "GO"), (CUSTOM, "GO")])))
def test_a_word_to_leave_by_goes_before_every_other(order: tuple[tuple[KeywordCategory, str], ...]) -> None:
    assert asked(rules(*order), "go") == (OPT_OUT, "GO")


def test_a_word_to_leave_by_at_the_beginning_goes_before_another_that_is_the_whole_text() -> None:
    assert asked(rules((CUSTOM, "NO MEAT"), (OPT_OUT, "NO")), "no meat") == (OPT_OUT, "NO")


def test_what_is_the_whole_text_goes_before_what_it_begins_with() -> None:
    found = rules((OPT_IN, "YES"), (CUSTOM, "YES PIZZA"))
    assert asked(found, "Yes, pizza!") == (CUSTOM, "YES PIZZA")
    assert asked(found, "Yes, please") == (OPT_IN, "YES")


def test_among_equals_the_first_rule_is_taken() -> None:
    assert asked(rules((HELP, "INFO"), (CUSTOM, "INFO")), "info") == (HELP, "INFO")


def test_the_reply_is_that_of_the_category() -> None:
    decision = decide(rules((DOUBLE, "JOIN"), (DEFAULT, "")), "join us")
    assert decision is not None
    assert (decision.category, decision.keyword, decision.reply) == (DOUBLE, "JOIN", "double_opt_in")


def test_what_matches_nothing_gets_the_default_reply() -> None:
    decision = decide(rules((OPT_OUT, "STOP"), (DEFAULT, "")), "where are you?")
    assert decision is not None
    assert (decision.category, decision.keyword, decision.reply, decision.is_near_miss) == (
        DEFAULT,
        "",
        "default",
        False,
    )


def test_without_a_default_nothing_follows() -> None:
    assert decide(STANDARD, "where are you?") is None


# -- near misses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("CANCIL", "CANCEL"),
        ("cancell", "CANCEL"),
        ("cacnel", "CANCEL"),
        ("stpo", "STOP"),
        ("stopp it", "STOP"),
        ("ST0P", "STOP"),
        ("op", ""),
        ("stp", "STOP"),
        ("un-subscribe", "UNSUBSCRIBE"),
        ("unsubscrib me", "UNSUBSCRIBE"),
        ("sotp now", "STOP"),
        ("tsop", "STOP"),
        ("pots", ""),
        ("sttoop", ""),
        ("nope", ""),
        ("no-one", None),
        ("ending", ""),
        ("emd", ""),
        ("Stop", None),
        ("unstop", None),
    ],
)
def test_what_is_nearly_a_word_to_leave_by_is_told_and_changes_nothing(text: str, keyword: str | None) -> None:
    """`keyword`: the word nearly written, "" for none; None: the text is a keyword."""
    decision = decide(msgspec.structs.replace(STANDARD, near_miss_reply="To stop, write {word}."), text)
    if keyword is None:
        assert decision is not None
        assert not decision.is_near_miss
    elif keyword == "":
        assert decision is None
    else:
        assert decision is not None
        assert (decision.is_near_miss, decision.category, decision.keyword) == (True, OPT_OUT, keyword)
        assert decision.reply == f"To stop, write {keyword}."


def test_only_words_to_leave_by_have_near_misses() -> None:
    assert decide(rules((OPT_IN, "SUBSCRIBE"), (HELP, "INFORM"), near="{word}?"), "subscrib") is None


def test_a_keyword_of_another_category_is_no_near_miss() -> None:
    assert asked(rules((OPT_OUT, "STOP"), (CUSTOM, "SHOP"), near="{word}?"), "shop") == (CUSTOM, "SHOP")


def test_a_near_miss_without_an_answer_of_its_own_gets_the_default_one() -> None:
    decision = decide(rules((OPT_OUT, "STOP"), (DEFAULT, "")), "stpo")
    assert decision is not None
    assert (decision.is_near_miss, decision.reply) == (True, "default")


def test_a_near_miss_goes_before_the_default() -> None:
    decision = decide(rules((OPT_OUT, "STOP"), (DEFAULT, ""), near="{word}?"), "stpo")
    assert decision is not None
    assert decision.reply == "STOP?"


# -- standard words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "words"),
    [
        (OPT_OUT, "STOP QUIT CANCEL END UNSUBSCRIBE NO"),
        (OPT_IN, "SUBSCRIBE YES UNSTOP START CONTINUE RESUME BEGIN"),
        (HELP, "HELP"),
    ],
)
def test_the_standard_words_are_found(category: KeywordCategory, words: str) -> None:
    for word in words.split():
        assert asked(STANDARD, word.lower()) == (category, word)


def test_a_reply_alone_keeps_the_standard_words() -> None:
    found = KeywordRules((KeywordRule(OPT_OUT, (), "Bye"),)).with_defaults()
    decision = decide(found, "stop")
    assert decision is not None
    assert decision.reply == "Bye"
    assert asked(found, "help") == (HELP, "HELP")


@pytest.mark.parametrize("category", [OPT_OUT, OPT_IN, HELP])
def test_a_word_for_any_of_the_three_replaces_all_standard_words(category: KeywordCategory) -> None:
    found = rules((category, "OWN")).with_defaults()
    assert asked(found, "own") == (category, "OWN")
    assert [asked(found, word) for word in ("stop", "start", "help")] == [None] * 3


@pytest.mark.parametrize("blank", ["", "  ", "!?"])
def test_a_blank_keyword_takes_no_standard_word_away(blank: str) -> None:
    found = KeywordRules((KeywordRule(OPT_IN, (blank,)),)).with_defaults()
    assert asked(found, "stop") == (OPT_OUT, "STOP")


def test_words_of_other_categories_leave_the_standard_ones() -> None:
    found = rules((CUSTOM, "PIZZA"), (DOUBLE, "JOIN"), (DEFAULT, "")).with_defaults()
    assert [asked(found, word) for word in ("pizza", "join", "stop")] == [
        (CUSTOM, "PIZZA"),
        (DOUBLE, "JOIN"),
        (OPT_OUT, "STOP"),
    ]


def test_a_standard_word_that_another_category_uses_is_left_to_it() -> None:
    found = rules((DOUBLE, "start")).with_defaults()
    assert asked(found, "START") == (DOUBLE, "start")
    assert asked(found, "YES") == (OPT_IN, "YES")


def test_nobody_can_take_a_standard_word_to_leave_by() -> None:
    assert asked(rules((CUSTOM, "STOP")).with_defaults(), "stop") == (OPT_OUT, "STOP")


def test_rules_survive_being_written_and_read() -> None:
    found = rules((OPT_OUT, "STOP"), (DEFAULT, ""), near="{word}?")
    assert msgspec.json.decode(msgspec.json.encode(found), type=KeywordRules) == found
