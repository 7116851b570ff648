import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.messaging import Deferred, ErrorKind, Refused
from chappe.rules.error import LONGEST, Qualification, Reason, normalise, outcome_text, qualify
from chappe.rules.smpp_status import STATUSES, outcome_of, status_of
from chappe.smpp import CommandStatus

HARD, SOFT, IGNORED = ErrorKind.HARD, ErrorKind.SOFT, ErrorKind.IGNORED


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("Generic", "DELIVRD", "000"), "SR Generic DELIVRD 000|#MESSAGE#"),
        (("Acme SMS", "UNDELIV", ""), "SR Acme SMS UNDELIV|#MESSAGE#"),
        (("A|B", "UN DELIV\n", " 1 "), "SR A B UN DELIV 1|#MESSAGE#"),
        (("Generic", "0x00000400", ""), "SR Generic 0x00000400|#MESSAGE#"),
    ],
)
def test_outcome_text_is(parts: tuple[str, str, str], text: str) -> None:
    assert outcome_text(*parts) == text
    assert normalise(text) == text


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("SR Generic UNDELIV 001|id:12 text:Hello", "SR Generic UNDELIV 001|#MESSAGE#"),
        ("number +33612345678 is blocked", "number #NUMBER# is blocked"),
        ("request 05e3299e-8d37-49d0-97c6-8e4fe60c7739 failed", "request #ID# failed"),
        ("  a \n b ", "a b"),
        ("", ""),
    ],
)
def test_normalising_takes_out_what_changes(text: str, normalised: str) -> None:
    assert normalise(text) == normalised


@given(st.text(max_size=400))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text)
    assert len(once) <= LONGEST
    assert normalise(once) == once


def test_table_decides_before_what_is_built_in() -> None:
    text = outcome_text("Acme", "EXPIRED", "001")
    table = {text: Qualification(HARD, Reason.USER_UNKNOWN)}
    assert qualify(text, table, status="EXPIRED") == Qualification(HARD, Reason.USER_UNKNOWN)
    assert qualify("SR Acme EXPIRED 001|the text", table) == Qualification(HARD, Reason.USER_UNKNOWN)
    assert qualify(outcome_text("Other", "EXPIRED", "001"), table, status="EXPIRED").kind is SOFT


@pytest.mark.parametrize(
    ("status", "qualification"),
    [
        ("ESME_RINVDSTADR", Qualification(HARD, Reason.USER_UNKNOWN)),
        ("ESME_RTHROTTLED", Qualification(SOFT, Reason.UNREACHABLE)),
        ("ESME_RMSGQFUL", Qualification(SOFT, Reason.UNREACHABLE)),
        ("ESME_RSYSERR", Qualification(SOFT, Reason.UNREACHABLE)),
        ("ESME_RINVSRCADR", Qualification(IGNORED, Reason.ERROR_IGNORED)),
        ("ESME_RBINDFAIL", Qualification(IGNORED, Reason.ERROR_IGNORED)),
        ("EXPIRED", Qualification(SOFT, Reason.NOT_CONNECTED)),
        ("deleted", Qualification(IGNORED, Reason.ERROR_IGNORED)),
        ("UNDELIV", Qualification(SOFT, Reason.UNREACHABLE, is_known=False)),
        ("REJECTD", Qualification(SOFT, Reason.REFUSED, is_known=False)),
        ("0x00000400", Qualification(SOFT, Reason.REFUSED, is_known=False)),
        ("", Qualification(SOFT, Reason.REFUSED, is_known=False)),
    ],
)
def test_status_is_qualified_as(status: str, qualification: Qualification) -> None:
    assert qualify(outcome_text("Generic", status, "1"), {}, status=status) == qualification


@pytest.mark.parametrize("status", ["UNDELIV", "REJECTD", "UNKNOWN", "anything"])
def test_new_error_has_the_default_kind(status: str) -> None:
    assert qualify("SR Generic", {}, HARD, status=status).kind is HARD


def test_reasons_have_their_numbers() -> None:
    assert len({reason.number for reason in Reason}) == len(Reason)
    assert (Reason.USER_UNKNOWN.number, Reason.REFUSED.number, Reason.CONTROL_ADDRESS.number) == (1, 20, 127)


@pytest.mark.parametrize("value", [0x14, 0x58])
def test_full_provider_is_sent_less_and_tried_again(value: int) -> None:
    assert status_of(value).slows_down
    assert isinstance(outcome_of(value, after_s=30), Deferred)
    assert {status.value for status in STATUSES.values() if status.slows_down} == {0x14, 0x58}


def test_invalid_number_is_never_tried_again() -> None:
    assert outcome_of(0x0B) == Refused("the number is not valid", "0x0000000B")
    assert status_of(0x0B).kind is HARD


def test_only_an_invalid_number_is_hard() -> None:
    assert [status.name for status in STATUSES.values() if status.kind is HARD] == ["ESME_RINVDSTADR"]


@pytest.mark.parametrize(("kind", "is_retried"), [(SOFT, True), (IGNORED, True), (HARD, False)])
def test_providers_own_status_has_the_default_kind(kind: ErrorKind, is_retried: bool) -> None:
    status = status_of(0x0000_0401, kind)
    assert (status.name, status.kind, status.is_retried) == ("0x00000401", kind, is_retried)
    expected = Deferred if is_retried else Refused
    assert isinstance(outcome_of(0x0000_0401, default_kind=kind), expected)


def test_statuses_are_those_of_the_protocol() -> None:
    ours = {status.name: status.value for status in STATUSES.values()}
    theirs = {status.name: int(status) for status in CommandStatus if status != CommandStatus.ESME_ROK}
    assert ours == theirs
