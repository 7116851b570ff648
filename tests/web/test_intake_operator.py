"""Operators at the intake: another Chappe signs in by login and password or key, without holding up anybody."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.row import NOW_MS
from tests.web.caller import Caller
from tests.web.desk import Desk
from tests.web.relay_operator import PASSWORD, Marketing, basic, marketing

from chappe.features.accounts import operator, services
from chappe.features.accounts.models import Organisation
from chappe.features.accounts.operator import Change
from chappe.features.accounts.password import Checked, checked
from chappe.features.connections.models import Connection
from chappe.web import failures as failing
from chappe.web.failures import MOST_FAILURES
from chappe.web.intake import lookup
from chappe.web.intake.relay import account_target
from chappe.web.wire import BadRequest

GOOD: dict[str, Any] = {"to": "+33612345678", "text": "Bonjour"}


@pytest.fixture
def sms(organisation: Organisation) -> Marketing:
    """One that may also send as the organisation does, so that it can be seen to be let in."""
    return marketing(organisation, scopes=["administration", "send"])


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of a key or of an operator is read anew each time."""
    monkeypatch.setattr(lookup, "KEY_MS", 0)
    monkeypatch.setattr(lookup, "CONNECTIONS_MS", 0)


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The passwords that were hashed to be checked."""
    made: list[str] = []
    is_right = Checked.is_right

    def watched(self: Checked, login: str, stored: str, password: str) -> bool:
        made.append(password)
        return is_right(self, login, stored, password)

    monkeypatch.setattr(Checked, "is_right", watched)
    yield made


def test_an_operator_signs_in_by_password_by_key_and_by_key_alone(
    desk: Desk, north: Connection, sms: Marketing
) -> None:
    for authorization in (sms.by_password, sms.by_key, sms.by_key_alone):
        assert desk.post(GOOD, authorization=authorization).status == 202


def test_what_the_desk_knows_of_who_calls(desk: Desk, caller: Caller, sms: Marketing) -> None:
    def known(authorization: str) -> tuple[str, bool, bool]:
        found = desk.run(desk.intake._door.admitted(authorization, None))
        return found.operator, found.is_relay, found.may_send

    assert known(sms.by_password) == known(sms.by_key) == known(sms.by_key_alone) == ("sms", True, True)
    assert known(f"Bearer {caller.secret}") == ("", False, True)
    crm = marketing(caller.organisation, "crm", ["send"])
    assert known(crm.by_key_alone) == ("crm", False, True)
    bare = marketing(caller.organisation, "bare")
    assert known(bare.by_password) == known(bare.by_key_alone) == ("bare", True, False)


def test_another_chappe_does_not_send_as_the_organisation_does(
    desk: Desk, north: Connection, organisation: Organisation
) -> None:
    bare = marketing(organisation)
    for authorization in (bare.by_password, bare.by_key, bare.by_key_alone):
        assert desk.post(GOOD, authorization=authorization).status == 403
        assert desk.batch([GOOD], authorization=authorization).status == 403


def test_who_proves_nothing_is_refused(
    desk: Desk, north: Connection, sms: Marketing, organisation: Organisation
) -> None:
    key = services.create_api_key(organisation, "shop", ["send"], NOW_MS).secret
    wrong = [
        basic("sms", "wrong"),
        basic("crm", PASSWORD),
        basic("crm", sms.key),
        basic("sms", key),
        "Basic x",
        "Basic",
    ]
    assert [desk.post(GOOD, authorization=one).status for one in wrong] == [401] * len(wrong)
    crm = marketing(organisation, "crm", ["send"])
    assert desk.post(GOOD, authorization=crm.by_key).status == 403
    assert desk.post(GOOD, authorization=crm.by_password).status == 401


def test_a_password_is_hashed_once_and_again_when_it_is_another(
    desk: Desk, north: Connection, sms: Marketing, hashes: list[str]
) -> None:
    for _ in range(3):
        assert desk.post(GOOD, authorization=sms.by_password).status == 202
    assert len(hashes) == 1
    change = Change(password="two roads and a bridge")
    operator.change_operator(sms.row.organisation_id, sms.row.pk, change, NOW_MS)
    assert desk.post(GOOD, authorization=sms.by_password).status == 401
    assert desk.post(GOOD, authorization=basic("sms", "two roads and a bridge")).status == 202
    operator.change_operator(sms.row.organisation_id, sms.row.pk, Change(is_enabled=False), NOW_MS)
    assert desk.post(GOOD, authorization=basic("sms", "two roads and a bridge")).status == 401


def test_many_requests_at_once_hash_one_password_once(
    desk: Desk, north: Connection, sms: Marketing, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    remember = Checked._remember
    monkeypatch.setattr(Checked, "_remember", lambda self, mark: (seen.append("hashed"), remember(self, mark))[1])
    replies = desk.together(*(desk.ask(GOOD, authorization=sms.by_password) for _ in range(10)))
    assert {reply.status for reply in replies} == {202}
    assert seen == ["hashed"]


def test_too_many_wrong_passwords_of_an_address_are_no_longer_looked_at(
    desk: Desk, north: Connection, sms: Marketing, hashes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing, "FAILURE_MS", 3_600_000)
    assert desk.post(GOOD, authorization=sms.by_password).status == 202
    wrong = [
        desk.post(GOOD, authorization=basic("sms", f"guess {number}")).status for number in range(MOST_FAILURES + 5)
    ]
    assert wrong == [401] * MOST_FAILURES + [429] * 5
    assert len(hashes) == 1 + MOST_FAILURES
    assert {desk.post(GOOD, authorization=one).status for one in (sms.by_password, sms.by_key)} == {202}


def test_keys_rotate_without_a_stop(desk: Desk, north: Connection, sms: Marketing) -> None:
    organisation_id = sms.row.organisation_id
    second = operator.add_key(organisation_id, sms.row.pk, "second", NOW_MS)
    assert desk.post(GOOD, authorization=sms.by_key).status == 202
    assert desk.post(GOOD, authorization=basic("sms", second.secret)).status == 202
    services.revoke_api_key(organisation_id, sms.row.keys.get(name="first").pk, NOW_MS)
    assert desk.post(GOOD, authorization=sms.by_key).status == 401
    assert desk.post(GOOD, authorization=basic("sms", second.secret)).status == 202


def test_an_operator_made_a_moment_ago_signs_in(
    desk: Desk, north: Connection, organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "CONNECTIONS_MS", 3_600_000)
    assert desk.send().status == 202
    late = marketing(organisation, "late", ["administration", "send"])
    assert desk.post(GOOD, authorization=late.by_password).status == 202


def test_what_is_kept_in_memory_is_no_password(desk: Desk, north: Connection, sms: Marketing) -> None:
    assert desk.post(GOOD, authorization=sms.by_password).status == 202
    assert checked.is_remembered("sms", sms.row.password, PASSWORD)
    assert PASSWORD not in str(vars(checked))
    assert PASSWORD not in str(vars(desk.run(desk.committer.lookup())))


def test_the_operators_of_others_are_no_strangers_door(
    desk: Desk, north: Connection, call_as: Callable[..., Caller]
) -> None:
    other = services.create_organisation("Another", NOW_MS)
    theirs = marketing(other, "theirs", ["administration", "send"])
    answer = desk.post(GOOD | {"connection_id": north.pk}, authorization=theirs.by_password)
    assert answer.status == 422
    assert "connection_id" in answer.fields


def test_of_accounts_that_are_not_there_only_what_looks_like_its_own_is_named(desk: Desk, north: Connection) -> None:
    for name, is_named in (("smt_crm", False), ("SMS-crm", True)):
        north.internal_name, north.version = name, north.version + 1
        north.save()
        desk.run(desk.committer.lookup())
        with pytest.raises(BadRequest, match="sms_crm") as caught:
            account_target(desk.committer.targets(north.organisation_id), "sms", "crm")
        assert caught.value.status == 404
        assert (name in caught.value.detail) is is_named
