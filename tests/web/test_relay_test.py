"""The test of a mid-sourcing account, over what this installation answers as mid."""

from typing import Any

import pytest
from django.test import Client
from tests.row import NOW_MS
from tests.web.relay_operator import PASSWORD, Marketing, basic, marketing

from chappe.features.accounts import operator
from chappe.features.accounts.models import Organisation
from chappe.features.accounts.operator import Change as OperatorChange
from chappe.features.clock import now_ms
from chappe.features.connections import services
from chappe.features.connections.services import Change
from chappe.providers import relay
from chappe.providers.http import Account, HttpResponse


@pytest.fixture
def sms(organisation: Organisation) -> Marketing:
    return marketing(organisation)


def found(name: str = "crm", login: str = "sms", secret: str = PASSWORD) -> dict[str, tuple[str, str]]:
    """What the test finds, by its first word; the last where a word comes twice."""
    values: dict[str, Any] = {"internal_name": name, "base_url": "https://mid.example.com", "operator": login}
    account = Account(relay.SPEC.parse(values | {"password": secret}))
    request = relay.probe(account)
    assert request is not None
    path = request.url.removeprefix("https://mid.example.com")
    answer = Client(headers={"authorization": basic(login, secret)}).get(path)
    response = HttpResponse(answer.status_code, answer.content, {k.lower(): v for k, v in answer.headers.items()})
    findings = relay.findings(response, account, now_ms() / 1000)
    return {one.words.partition(":")[0]: (one.level, one.words) for one in findings}


def test_all_is_well_with_an_account_that_is_named_for_its_operator(sms: Marketing) -> None:
    settings = {"host": "smsc.example.org", "account": "relais"}
    organisation_id = sms.row.organisation_id
    mid = services.create_connection(organisation_id, "North", "smpp", settings, NOW_MS, internal_name="sms_crm")
    for secret in (PASSWORD, sms.key):
        told = found(secret=secret)
        assert {word: level for word, (level, _) in told.items()} == dict.fromkeys(
            ("Address", "Sign-in", "Right", "Version", "Clock", "Account"), "ok"
        )
    services.change_connection(organisation_id, mid.pk, Change(is_enabled=False), NOW_MS)
    assert found()["Account"] == ("error", "Account: sms_crm is switched off on mid.")


def test_each_thing_that_is_wrong_is_found_where_it_is(sms: Marketing) -> None:
    settings = {"host": "smsc.example.org", "account": "relais"}
    organisation_id = sms.row.organisation_id
    level, words = found()["Account"]
    assert (level, "sms_crm" in words) == ("error", True)
    services.create_connection(organisation_id, "North", "smpp", settings, NOW_MS, internal_name="sms_crm")
    assert "but there is sms_crm" in found("crn")["Account"][1]
    assert found(secret="wrong")["Sign-in"][0] == "error"
    assert found(login="web")["Sign-in"][0] == "error"
    operator.change_operator(organisation_id, sms.row.pk, OperatorChange(scopes=["send"]), NOW_MS)
    assert found()["Right"][0] == "error"
    operator.change_operator(organisation_id, sms.row.pk, OperatorChange(is_enabled=False), NOW_MS)
    assert found()["Sign-in"][0] == "error"


def test_an_operator_without_a_password_is_warned_about_on_the_other_side(organisation: Organisation) -> None:
    row = operator.create_operator(organisation.pk, "bare", "Marketing", ["administration"], NOW_MS)
    key = operator.add_key(organisation.pk, row.pk, "first", NOW_MS).secret
    settings = {"host": "smsc.example.org", "account": "relais"}
    services.create_connection(organisation.pk, "North", "smpp", settings, NOW_MS, internal_name="bare_crm")
    level, words = found(login="bare", secret=key)["Mid warns"]
    assert (level, "no password" in words) == ("warning", True)
