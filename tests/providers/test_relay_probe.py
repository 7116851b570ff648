"""What the test of a mid-sourcing account finds, from each answer that mid may give."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe import __version__
from chappe.providers import relay
from chappe.providers.http import Account, HttpResponse

ACCOUNT = Account(
    relay.SPEC.parse(
        {"internal_name": "crm", "base_url": "https://mid.example.com/", "operator": "sms", "password": "pa55word"}
    )
)
NOW_S = 1_780_000_000.0
GOOD = {
    "account": "sms_crm",
    "operator": "sms",
    "is_enabled": True,
    "rights": ["administration"],
    "version": __version__,
    "now_ms": int(NOW_S * 1000),
    "connection": "North",
    "warnings": [],
}
JSON, PROBLEM = {"content-type": "application/json"}, {"content-type": "application/problem+json; charset=utf-8"}


def found(response: HttpResponse) -> list[tuple[str, str]]:
    return [(one.level, one.words) for one in relay.findings(response, ACCOUNT, NOW_S)]


def answer(**told: Any) -> list[tuple[str, str]]:
    return found(HttpResponse(200, json.dumps(GOOD | told).encode(), JSON))


def problem(status: int, detail: str) -> list[tuple[str, str]]:
    return found(HttpResponse(status, json.dumps({"status": status, "detail": detail}).encode(), PROBLEM))


def test_what_is_asked_for_is_the_account() -> None:
    request = relay.probe(ACCOUNT)
    assert request is not None
    assert (request.method, request.url) == ("GET", "https://mid.example.com/v1/relay/accounts/crm")


def test_each_thing_is_found_by_itself_where_all_is_well() -> None:
    assert answer(rights=["administration", "replies"]) == [
        ("ok", "Address: a Chappe answers there."),
        ("ok", "Sign-in: the operator sms is let in."),
        ("ok", "Right: the operator has administration."),
        ("ok", "Right: the operator may change automatic replies."),
        ("ok", f"Version: {__version__} on both sides."),
        ("ok", "Clock: both sides agree within 2 s."),
        ("ok", "Account: sms_crm is there, by the connection North."),
    ]
    assert relay.probed(HttpResponse(200, json.dumps(GOOD).encode(), JSON), ACCOUNT) == ""


@pytest.mark.parametrize(
    ("told", "level", "words"),
    [
        ({"rights": []}, "error", "Right: the operator lacks the right administration."),
        ({}, "ok", "Right: automatic replies are mid's alone."),
        ({"version": "9.9"}, "warning", "Version: mid has 9.9"),
        ({"now_ms": int(NOW_S * 1000) + 300_000}, "warning", "Clock: mid is 300 s ahead."),
        ({"now_ms": int(NOW_S * 1000) - 300_000}, "warning", "Clock: mid is 300 s behind."),
        ({"is_enabled": False}, "error", "Account: sms_crm is switched off on mid."),
        ({"account": "sms_erp"}, "error", "Account: sms_crm was asked for, and mid has another one: sms_erp."),
        ({"warnings": ["This operator has no password."]}, "warning", "Mid warns: This operator has no password."),
    ],
)
def test_what_is_not_well_is_said_where_it_is(told: dict[str, Any], level: str, words: str) -> None:
    (one,) = [(level, said) for level, said in answer(**told) if said.startswith(words)]
    assert one[0] == level


@pytest.mark.parametrize(
    ("status", "detail", "last"),
    [
        (401, "The password is wrong.", ("error", "Sign-in: the operator's login, password or key is wrong")),
        (
            403,
            "No right.",
            ("error", "Right: the operator lacks the right administration (mid answered HTTP 403: No right.)"),
        ),
        (
            404,
            "No connection has the internal name sms_crm.",
            ("error", "Account: No connection has the internal name sms_crm."),
        ),
        (
            404,
            "There is nothing at this address.",
            ("error", "Version: that Chappe is of a version that knows no mid-sourcing"),
        ),
        (429, "Too many.", ("error", "Sign-in: it is not known whether it works")),
        (503, "The database does not answer now.", ("error", "Sign-in: it is not known whether it works")),
    ],
)
def test_a_problem_is_told_with_mids_words_behind_what_works(status: int, detail: str, last: tuple[str, str]) -> None:
    told = problem(status, detail)
    assert told[0] == ("ok", "Address: a Chappe answers there.")
    assert [level for level, _ in told[:-1]] == ["ok"] * (len(told) - 1)
    assert told[-1][0] == last[0]
    assert told[-1][1].startswith(last[1])


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse(200, b"<html>"),
        HttpResponse(404, b"Not found"),
        HttpResponse(301),
        HttpResponse(200, b'{"account": "x"}'),
    ],
)
def test_what_is_no_chappe_is_told_as_such(response: HttpResponse) -> None:
    ((level, words),) = found(response)
    assert level == "error"
    assert words.startswith("Address: no Chappe answers there")


@given(
    st.integers(100, 599),
    st.binary(max_size=200),
    st.sampled_from(["application/json", "application/problem+json", ""]),
)
def test_any_octets_give_findings(status: int, body: bytes, kind: str) -> None:
    response = HttpResponse(status, body, {"content-type": kind})
    assert relay.findings(response, ACCOUNT, NOW_S)
    assert relay.probed(response, ACCOUNT)
