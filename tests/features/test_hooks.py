"""Hooks as people make them: only those that can be read are kept, and what is secret stays so."""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from tests.row import NOW_MS

from chappe.engine.vault import Vault
from chappe.features.accounts import services as accounts
from chappe.features.accounts.models import Organisation
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection
from chappe.features.hooks import services
from chappe.features.hooks.models import Hook, HookCount
from chappe.features.hooks.services import MASK, Change
from chappe.features.messages.models import Exchange
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.features.sealed import process_vault
from chappe.messaging import InboundMessage, Receipt

INBOUND = '{"from": "{{ProfileNumber}}", "text": "{{InboundMessage}}"}'
FEEDBACK = '{"ref": "{{message_id}}", "status": "{{feedbackStatus}}"}'
BASIC = {"kind": "basic", "user": "them", "secret": "s3cret"}


@pytest.fixture
def own(organisation: Organisation) -> Connection:
    return Connection.objects.create(organisation=organisation, name="Own", provider="custom")


@pytest.fixture
def twilio(organisation: Organisation) -> Connection:
    given = {"account_sid": "AC" + "1" * 32, "auth_token": "t" * 32, "sender": "+15017122661"}
    return connections.create_connection(organisation.pk, "Twilio", "twilio", given, NOW_MS)


def make(connection: Connection, kind: str = "inbound", **values: Any) -> Hook:
    payload = {"payload": INBOUND if kind == "inbound" else FEEDBACK} if connection.provider == "custom" else {}
    change = Change(**{"name": "Hook", **payload, **values})
    return services.create_hook(connection.organisation_id, connection.pk, kind, change, NOW_MS)


def change(hook: Hook, **values: Any) -> Hook:
    return services.change_hook(hook.organisation_id, hook.pk, Change(**values), NOW_MS + 1)


def fields(error: pytest.ExceptionInfo[InvalidInput]) -> dict[str, str]:
    return {one.field: one.message for one in error.value.errors}


def rules(*given: Mapping[str, Any], near: str = "") -> dict[str, Any]:
    return {"rules": list(given), "near_miss_reply": near}


# -- made, changed, deleted --------------------------------------------------------------------------------------------


def test_a_hook_has_a_token_that_nobody_guesses(own: Connection) -> None:
    tokens = {make(own, name=f"{number}").token for number in range(20)}
    assert len(tokens) == 20
    for token in tokens:
        assert token == base64.urlsafe_b64encode(base64.urlsafe_b64decode(token)).decode()
        assert len(token.removeprefix("chh_")) * 6 >= 128


def test_what_is_made_can_be_found_in_its_organisation_alone(own: Connection) -> None:
    hook = make(own)
    assert services.find_hook(own.organisation_id, hook.pk) == hook
    other = accounts.create_organisation("Another", NOW_MS)
    for ask in (
        lambda: services.find_hook(other.pk, hook.pk),
        lambda: services.change_hook(other.pk, hook.pk, Change(name="x"), NOW_MS),
        lambda: services.delete_hook(other.pk, hook.pk),
        lambda: services.rotate_token(other.pk, hook.pk, NOW_MS),
        lambda: services.find_hook(own.organisation_id, 1 << 70),
    ):
        with pytest.raises(NotFound):
            ask()
    with pytest.raises(InvalidInput) as caught:
        services.create_hook(other.pk, own.pk, "inbound", Change(name="x", payload=INBOUND), NOW_MS)
    assert list(fields(caught)) == ["connection_id"]


def test_a_change_grows_the_version_and_the_same_again_does_not(own: Connection) -> None:
    hook = make(own)
    hook = change(hook, name="Other", is_enabled=False, version=1)
    assert (hook.name, hook.is_enabled, hook.version, hook.changed_ms) == ("Other", False, 2, NOW_MS + 1)
    assert change(hook, name="Other").version == 2
    with pytest.raises(Conflict, match="version 2"):
        change(hook, name="Third", version=1)


def test_two_hooks_of_an_organisation_have_two_names(own: Connection) -> None:
    make(own)
    with pytest.raises(Conflict, match="named Hook"):
        make(own)
    second = make(own, name="Second")
    with pytest.raises(Conflict):
        change(second, name="Hook")


def test_a_hook_goes_with_its_connection_and_alone(own: Connection) -> None:
    first, second = make(own), make(own, name="Second")
    HookCount.objects.create(
        organisation_id=own.organisation_id, connection_id=own.pk, hook_id=first.pk, outcome="accepted", calls=1
    )
    services.delete_hook(own.organisation_id, first.pk)
    assert not HookCount.objects.exists()
    connections.delete_connection(own.organisation_id, own.pk)
    assert not Hook.objects.filter(pk=second.pk).exists()


def test_rotation_gives_another_token_and_remembers_the_one_of_before(own: Connection) -> None:
    hook = make(own)
    rotated = services.rotate_token(own.organisation_id, hook.pk, NOW_MS, grace_s=60)
    assert rotated.token != hook.token
    assert (rotated.previous_token, rotated.previous_until_ms) == (hook.token, NOW_MS + 60_000)
    assert rotated.version == 2
    at_once = services.rotate_token(own.organisation_id, hook.pk, NOW_MS, grace_s=0)
    assert (at_once.previous_token, at_once.previous_until_ms) == ("", 0)
    with pytest.raises(InvalidInput):
        services.rotate_token(own.organisation_id, hook.pk, NOW_MS, grace_s=-1)


# -- what is wrong is named --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values", "field"),
    [
        ("both", {}, "kind"),
        ("inbound", {"name": " "}, "name"),
        ("inbound", {"payload": ""}, "payload"),
        ("inbound", {"payload": '{"text": "{{InboundMessage}}"}'}, "payload"),
        ("inbound", {"payload": '{"text": "{{Nothing}}"}'}, "payload"),
        ("feedback", {"payload": "{"}, "payload"),
        ("inbound", {"sender_number": "x" * 60}, "sender_number"),
        ("inbound", {"statuses": {"ok": "delivered"}}, "statuses"),
        ("feedback", {"statuses": {"ok": "perfect"}}, "statuses.ok"),
        ("feedback", {"statuses": {"ok": "sent", "OK ": "sent"}}, "statuses.OK "),
        ("feedback", {"statuses": {" ": "sent"}}, "statuses. "),
        ("feedback", {"statuses": {f"{n}": "sent" for n in range(101)}}, "statuses"),
        ("feedback", {"keywords": rules({"category": "help", "keywords": ["INFO"]})}, "keywords"),
        ("inbound", {"keywords": rules({"category": "none"})}, "keywords.rules[0].category"),
        ("inbound", {"keywords": rules({"category": "help"}, {"category": "help"})}, "keywords.rules[1].category"),
        ("inbound", {"keywords": rules({"category": "default", "keywords": ["X"]})}, "keywords.rules[0].keywords"),
        ("inbound", {"keywords": rules({"category": "help", "keywords": ["!"]})}, "keywords.rules[0].keywords[0]"),
        ("inbound", {"keywords": rules({"category": "help", "keywords": ["x" * 41]})}, "keywords.rules[0].keywords[0]"),
        ("inbound", {"keywords": rules({"category": "help", "keywords": ["a", "Á"]})}, "keywords.rules[0].keywords[1]"),
        ("inbound", {"keywords": rules({"category": "help", "reply": "x" * 1001})}, "keywords.rules[0].reply"),
        ("inbound", {"keywords": rules(near="x" * 1001)}, "keywords.near_miss_reply"),
        ("inbound", {"proof": {"kind": "magic"}}, "proof.kind"),
        ("inbound", {"proof": {"kind": "basic", "user": "u"}}, "proof.secret"),
        ("inbound", {"proof": {"kind": "basic", "secret": "s"}}, "proof.user"),
        ("inbound", {"proof": {**BASIC, "user": "a:b"}}, "proof.user"),
        ("inbound", {"proof": {"kind": "header", "secret": "s", "header": "X Y"}}, "proof.header"),
        ("inbound", {"proof": {"kind": "hmac", "secret": "s", "header": "X", "hash": "md4"}}, "proof.hash"),
        ("inbound", {"proof": {**BASIC, "timestamp_header": "X-Time"}}, "proof.timestamp_header"),
        ("inbound", {"proof": {**BASIC, "colour": "red"}}, "proof.colour"),
        ("inbound", {"proof": {**BASIC, "secret": MASK}}, "proof.secret"),
    ],
)
def test_what_cannot_be_used_is_named(kind: str, values: dict[str, Any], field: str, own: Connection) -> None:
    with pytest.raises(InvalidInput) as caught:
        make(own, kind, **values)
    assert field in fields(caught)
    assert not Hook.objects.exists()


def test_all_that_is_wrong_is_named_at_once(own: Connection) -> None:
    hook = make(own)
    with pytest.raises(InvalidInput) as caught:
        change(hook, name="", payload="{", proof={"kind": "basic"})
    assert set(fields(caught)) == {"name", "payload", "proof.secret", "proof.user"}
    hook.refresh_from_db()
    assert (hook.name, hook.payload, hook.version) == ("Hook", INBOUND, 1)


def test_a_provider_that_reads_its_own_calls_needs_no_payload_and_brings_its_own_proof(twilio: Connection) -> None:
    hook = make(twilio)
    assert hook.payload == ""
    with pytest.raises(InvalidInput) as caught:
        change(hook, proof=BASIC)
    assert list(fields(caught)) == ["proof.kind"]
    with pytest.raises(InvalidInput) as caught:
        services.try_call(hook, "{}")
    assert list(fields(caught)) == ["payload"]


def test_numbers_of_senders_are_kept_as_we_write_them(own: Connection) -> None:
    assert make(own, sender_number="0033612345678").sender_number == "+33612345678"
    assert make(own, name="Short", sender_number="36180").sender_number == "36180"


# -- keywords ----------------------------------------------------------------------------------------------------------


def test_without_keywords_the_standard_ones_hold_and_own_ones_replace_them(own: Connection) -> None:
    hook = make(own)
    assert "STOP" in services.shown_keywords(hook).rules[0].keywords
    hook = change(hook, keywords=rules({"category": "opt_out", "keywords": ["HALT"], "reply": "Bye"}))
    assert [rule.keywords for rule in services.shown_keywords(hook).rules] == [("HALT",)]


# -- the proof's secret ------------------------------------------------------------------------------------------------


def test_a_secret_is_written_and_never_shown(own: Connection) -> None:
    hook = make(own, proof=BASIC)
    assert services.shown_proof(hook)["secret"] == MASK
    assert b"s3cret" not in bytes(hook.secrets)
    assert "s3cret" not in str(vars(hook))


def test_a_masked_or_absent_secret_stays_as_it_is(own: Connection) -> None:
    hook = make(own, proof=BASIC)
    before = opened(hook)
    for proof in ({**BASIC, "secret": MASK, "user": "us"}, {"kind": "header", "header": "X-Key"}):
        hook = change(hook, proof=proof)
        assert opened(hook) == before == {"secret": "s3cret"}
    assert opened(change(hook, proof={**BASIC, "secret": "other"})) == {"secret": "other"}
    assert bytes(change(hook, proof={"kind": "none"}).secrets) == b""


def opened(hook: Hook) -> dict[str, str]:
    return process_vault().decrypt(bytes(hook.secrets), f"organisation/{hook.organisation_id}/hook/{hook.pk}")


def test_a_secret_that_cannot_be_opened_does_not_stand_in_the_way_of_other_changes(own: Connection) -> None:
    hook = make(own, proof=BASIC)
    sealed = b"\x01" + bytes(200)
    Hook.objects.update(secrets=sealed)
    assert bytes(change(hook, name="Other").secrets) == sealed
    with pytest.raises(InvalidInput, match="needed again"):
        change(hook, proof={**BASIC, "user": "us", "secret": MASK})
    assert opened(change(hook, proof={**BASIC, "secret": "new"})) == {"secret": "new"}


def test_secrets_are_brought_under_the_first_key(own: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = make(own, proof=BASIC)
    old = process_vault()
    ring = Vault([b"n" * 32])
    ring._ring |= old._ring
    monkeypatch.setattr(services, "process_vault", lambda: ring)
    assert services.rotate_secrets() == 1
    assert services.rotate_secrets() == 0
    hook.refresh_from_db()
    place = f"organisation/{hook.organisation_id}/hook/{hook.pk}"
    assert Vault([b"n" * 32]).decrypt(bytes(hook.secrets), place) == {"secret": "s3cret"}


# -- tried, counted, shown ---------------------------------------------------------------------------------------------


def test_a_call_can_be_tried_without_keeping_anything(own: Connection) -> None:
    hook = make(own)
    found = services.try_call(hook, '{"from": "33612345678", "text": "STOP"}')
    assert found.problem == ""
    assert ("InboundMessage", "text", ("STOP",)) in found.values
    assert [event.body for event in found.events if isinstance(event, InboundMessage)] == ["STOP"]
    assert services.try_call(hook, "not JSON").problem != ""
    other = services.try_call(
        hook, '{"a": "33612345678", "b": "x"}', Change(payload='{"a":"{{ProfileNumber}}","b":"{{InboundMessage}}"}')
    )
    assert len(other.events) == 1
    with pytest.raises(InvalidInput):
        services.try_call(hook, "x" * (services.LONGEST_CALL + 1))
    hook.refresh_from_db()
    assert hook.payload == INBOUND


def test_words_for_statuses_can_be_tried(own: Connection) -> None:
    hook = make(own, "feedback", statuses={"OK": "delivered"})
    (event,) = services.try_call(hook, '{"ref": "m1", "status": "ok"}').events
    assert isinstance(event, Receipt)
    assert event.kind == "success"
    (event,) = services.try_call(hook, '{"ref": "m1", "status": "ok"}', Change(statuses={"OK": "failed"})).events
    assert msgspec.to_builtins(event)["kind"] == "error"


def test_counts_and_last_calls_are_those_of_the_hook_and_its_connection(own: Connection, twilio: Connection) -> None:
    hook, other = make(own), make(twilio, name="Other")
    place = {"organisation_id": own.organisation_id, "last_ms": NOW_MS}
    for one, outcome, calls in ((hook, "accepted", 5), (hook, "no proof", 2), (other, "accepted", 1)):
        HookCount.objects.create(connection_id=one.connection_id, hook_id=one.pk, outcome=outcome, calls=calls, **place)
    HookCount.objects.create(connection_id=twilio.pk, hook_id=0, outcome="accepted", calls=9, **place)
    found = services.counts_of([hook, other])
    assert [(row.outcome, row.calls) for row in found[hook.pk]] == [("accepted", 5), ("no proof", 2)]
    at_addresses = services.address_counts_of(own.organisation_id)
    assert {key: [row.calls for row in rows] for key, rows in at_addresses.items()} == {twilio.pk: [9]}
    for number in range(30):
        Exchange.objects.create(connection_id=own.pk, direction="in", at_ms=number, method="POST", url="/")
        Exchange.objects.create(connection_id=own.pk, direction="out", at_ms=number, method="POST", url="/")
    assert [row.at_ms for row in services.last_calls(hook)] == list(range(29, 9, -1))


# -- reports and their messages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("id_field", "missing"), [("id", "message_id"), ("", "client_reference")])
def test_reports_must_bring_the_id_that_messages_are_known_by(
    organisation: Organisation, id_field: str, missing: str
) -> None:
    values = {"url": "https://api.example.org/messages", "message_id_field": id_field}
    connection = connections.create_connection(organisation.pk, "Custom", "custom", values, NOW_MS)
    other = "client_reference" if missing == "message_id" else "message_id"
    with pytest.raises(InvalidInput) as refusal:
        make(connection, "feedback", payload=f'{{"ref": "{{{{{other}}}}}", "status": "{{{{feedbackStatus}}}}"}}')
    assert missing in fields(refusal)["payload"]
    assert "message_id_field" in fields(refusal)["payload"]
    assert not Hook.objects.exists()
    make(connection, "feedback", payload=f'{{"ref": "{{{{{missing}}}}}", "status": "{{{{feedbackStatus}}}}"}}')
