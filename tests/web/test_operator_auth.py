"""Operators at the API: how they sign in where they may, and that everything else stays closed to them."""

import re
from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from ninja.errors import AuthorizationError
from tests.row import NOW_MS
from tests.web.caller import Answer
from tests.web.relay_operator import PASSWORD, Marketing, basic, marketing
from tests.web.test_api import described

from chappe.features.accounts import operator, services
from chappe.features.accounts.models import Operator, Organisation
from chappe.features.accounts.operator import Change
from chappe.web.api import problem
from chappe.web.api.auth import OperatorAuth
from chappe.web.failures import MOST_FAILURES


@pytest.fixture
def sms(organisation: Organisation) -> Marketing:
    return marketing(organisation)


class Door:
    """An address of the API that operators may call."""

    def __init__(self) -> None:
        self._auth = OperatorAuth()

    def let_in(self, authorization: str = "", address: str = "192.0.2.7") -> Operator | HttpResponse:
        headers = {"authorization": authorization} if authorization else {}
        request = RequestFactory(headers=headers).get("/v1/relay/accounts/crm", REMOTE_ADDR=address)
        try:
            return self._auth(request)
        except (problem.NotSignedIn, problem.TooOften, AuthorizationError) as error:
            return problem._answer(request, error)

    def status(self, authorization: str = "", address: str = "192.0.2.7") -> int:
        found = self.let_in(authorization, address)
        return 200 if isinstance(found, Operator) else found.status_code


def test_an_operator_signs_in_by_password_by_key_and_by_key_alone(sms: Marketing) -> None:
    door = Door()
    for authorization in (sms.by_password, sms.by_key, sms.by_key_alone, sms.by_password.replace("Basic", "basic")):
        assert door.let_in(authorization) == sms.row


def test_who_proves_nothing_is_told_how_to_sign_in(sms: Marketing) -> None:
    door = Door()
    for authorization in (
        "",
        "Basic",
        "Basic !",
        basic("sms", "wrong"),
        basic("crm", PASSWORD),
        "Bearer chp_x",
        "Digest x",
    ):
        answer = door.let_in(authorization)
        assert isinstance(answer, HttpResponse)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Basic realm="chappe", charset="UTF-8"')
        assert answer["Content-Type"] == problem.CONTENT_TYPE


def test_a_plain_key_and_an_operator_without_the_right_are_refused(organisation: Organisation, sms: Marketing) -> None:
    door = Door()
    plain = services.create_api_key(organisation, "shop", services.SCOPES, NOW_MS)
    assert door.status(f"Bearer {plain.secret}") == 401
    crm = marketing(organisation, "crm", ["send", "read", "manage"])
    for authorization in (crm.by_password, crm.by_key, crm.by_key_alone):
        answer = door.let_in(authorization)
        assert isinstance(answer, HttpResponse)
        assert answer.status_code == 403
        assert b"does not have the right administration" in answer.content


def test_too_many_wrong_passwords_of_an_address_are_no_longer_looked_at(sms: Marketing) -> None:
    door = Door()
    assert door.status(sms.by_password) == 200
    assert [door.status(basic("sms", f"guess {number}")) for number in range(MOST_FAILURES)] == [401] * MOST_FAILURES
    answer = door.let_in(basic("sms", "one more"))
    assert isinstance(answer, HttpResponse)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) >= 1
    # What proved right a moment ago, and keys, go on; elsewhere nothing happened
    assert {door.status(one) for one in (sms.by_password, sms.by_key, sms.by_key_alone)} == {200}
    assert door.status(basic("sms", "wrong"), address="192.0.2.8") == 401


def test_signing_in_uses_up_nothing(sms: Marketing) -> None:
    door = Door()
    assert {door.status(sms.by_key) for _ in range(2 * MOST_FAILURES)} == {200}
    assert door.status(basic("sms", "wrong")) == 401


def test_keys_rotate_without_a_stop(organisation: Organisation, sms: Marketing) -> None:
    door = Door()
    second = operator.add_key(organisation.pk, sms.row.pk, "second", NOW_MS)
    assert (door.status(sms.by_key), door.status(basic("sms", second.secret))) == (200, 200)
    services.revoke_api_key(organisation.pk, sms.row.keys.get(name="first").pk, NOW_MS)
    assert (door.status(sms.by_key), door.status(basic("sms", second.secret))) == (401, 200)
    operator.change_operator(organisation.pk, sms.row.pk, Change(is_enabled=False), NOW_MS)
    assert (door.status(sms.by_password), door.status(basic("sms", second.secret))) == (401, 401)


@pytest.mark.parametrize(("method", "path"), [one for one in described() if "/relay/" not in one[1]])
def test_another_chappe_reaches_nothing_of_the_organisation(
    sqlite_url: str, bound: Callable[[str], None], method: str, path: str
) -> None:
    bound(sqlite_url)
    sms = marketing(services.create_organisation("Relais", NOW_MS))
    where = re.sub(r"\{.*?\}", "1", path)

    def asked(authorization: str) -> Answer:
        return Answer(Client(headers={"authorization": authorization}).generic(method.upper(), where, b"{}"))

    assert asked(sms.by_key_alone).status == 403
    assert {asked(sms.by_password).status, asked(sms.by_key).status} == {401}
