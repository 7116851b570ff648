import pytest

from chappe.rules.keyword import AutomaticReply, KeywordAction, find_reply, first_word

STOP = AutomaticReply("STOP", "", "Bye", KeywordAction.SEND_TO_QUARANTINE)
START = AutomaticReply("START", "36000", "", KeywordAction.REMOVE_FROM_QUARANTINE)
ADAPT = AutomaticReply("ADAPT", "", "adapt")
AD = AutomaticReply("AD", "", "ad")
CODE = AutomaticReply("", "36001", "for this number")
ANY = AutomaticReply("", "", "anything")
TABLE = (STOP, START, ADAPT, AD, CODE, ANY)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("STOP", "STOP"),
        ("  ...stop now", "stop"),
        ("¡Hola!", "Hola"),
        ("«arrêt»", "arrêt"),
        ("arre\u0302t", "arrêt"),
        ("_stop_", "stop"),
        ("36000stop", "36000stop"),
        ("стоп!", "стоп"),
        ("", ""),
        ("🙂 !", ""),
    ],
)
def test_first_word_is(text: str, word: str) -> None:
    assert first_word(text) == word


@pytest.mark.parametrize(
    ("text", "short_code", "row"),
    [
        ("stop", "36000", STOP),
        (" - Stop, please", "36000", STOP),
        ("STOPPED", "36000", STOP),
        ("please stop", "36000", ANY),
        ("start", "36000", START),
        ("start", "+36000", START),
        ("start", "36002", ANY),
        ("adobe", "36000", AD),
        ("Adaptation", "36000", ADAPT),
        ("a", "36000", ANY),
        ("hello", "36001", CODE),
        ("", "36000", ANY),
        ("🙂", "36001", CODE),
    ],
)
def test_first_matching_row_answers(text: str, short_code: str, row: AutomaticReply) -> None:
    assert find_reply(TABLE, text, short_code) == row


def test_row_order_decides_between_prefixes() -> None:
    assert find_reply((AD, ADAPT), "adapt", "") == AD


def test_action_is_there_without_a_reply() -> None:
    found = find_reply((START,), "start", "36000")
    assert found is not None
    assert (found.reply, found.action) == ("", KeywordAction.REMOVE_FROM_QUARANTINE)


@pytest.mark.parametrize(("keyword", "text"), [("Straße", "STRASSE"), ("ARRÊT", "arre\u0302t"), ("i", "I")])
def test_case_does_not_matter(keyword: str, text: str) -> None:
    assert find_reply((AutomaticReply(keyword),), text, "") is not None


def test_nothing_answers_where_no_row_matches() -> None:
    assert find_reply((STOP, START), "hello", "36000") is None
    assert find_reply((), "stop", "36000") is None
