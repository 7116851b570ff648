"""Whatever the API changes is in the audit trail, with who, what and whom; and no secret that was given is."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import httpx
from django.db import connection
from django.db.models.signals import post_save
from tests.row import NOW_MS
from tests.web.caller import Answer, Caller
from tests.web.desk import Desk

from chappe.features.accounts import operator
from chappe.features.accounts.models import ApiKey, Organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.callbacks.models import CallbackEvent
from chappe.features.clock import now_ms
from chappe.features.connections.models import ErrorQualification
from chappe.features.jobs import services as jobs
from chappe.features.relay.models import RelayLink
from chappe.web.api.api import api
from chappe.web.asgi import django_application
from chappe.web.intake import description
from chappe.web.intake.lookup import KEY_MS

CHANGES_NOTHING = {("POST", "/v1/hooks/{hook_id}/test")}
"""Says what would be read from a call that somebody pastes."""

PASSWORD, TOKEN, CELL, PROOF = "pa55word-71", "2" * 32, "l0cked-cell-9", "pr00f-of-hook"
QUERY = "token=c4llback-4711"
NUMBER, MAIL, CITY = "+33612345678", "jane@example.org", "Brest-sur-Mer"
CUSTOM = {"url": "https://sms.example.org/send"}
HEADERS = [
    {"label": "Content-Type", "value": "application/json"},
    {"label": "Charset", "value": "UTF-8"},
    {"label": "X-Key", "value": CELL, "locked": True},
]
PAYLOAD = '{"from": "{{ProfileNumber}}", "text": "{{InboundMessage}}"}'


def changing() -> set[tuple[str, str]]:
    """Every method and address of the description by which a key may change something, those of the intake aside: what a
    message becomes is told by its timeline."""
    paths = api.get_openapi_schema()["paths"].items()
    taken = {("POST", path) for path in description.operations()}
    methods = {(method.upper(), path) for path, methods in paths for method in methods}
    return {one for one in methods if one[0] != "GET" and "/relay/" not in one[1]} - taken - CHANGES_NOTHING


class Walk:
    """Calls addresses one after another, and looks each time at what the trail says."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.key = ApiKey.objects.get()
        self.walked: set[tuple[str, str]] = set()

    def step(
        self, method: str, template: str, event: str, content: object = None, *, csv: bytes | None = None, **ids: int
    ) -> Any:
        """Do it; `event` is the action and the kind of subject that the trail must tell of."""
        last = max(AuditEvent.objects.values_list("pk", flat=True), default=0)
        body = b"" if content is None else json.dumps(content).encode()
        media_type = "application/json" if csv is None else "text/csv"
        answer: Answer = self.caller.raw(method, template.format(**ids), csv or body, media_type)
        assert 200 <= answer.status < 300, (method, template, answer.status, answer.text)
        events = list(AuditEvent.objects.filter(pk__gt=last))
        assert event in {f"{one.action} {one.subject_kind}" for one in events}, (template, [vars(e) for e in events])
        for one in events:
            actor = (one.actor_kind, one.actor_id, one.actor_name, one.address)
            assert actor == ("key", self.key.pk, "test", "127.0.0.1")
            assert one.organisation_id == self.caller.organisation.pk
            assert one.subject_id or one.action == "try"
        self.walked.add((method, template))
        return answer.json

    def connections(self) -> int:
        at, one = "/v1/connections", "/v1/connections/{connection_id}"
        smpp = {"host": "127.0.0.1", "account": "relais", "password": PASSWORD}
        made = self.step("POST", at, "create connection", {"name": "North", "provider": "smpp", "settings": smpp})
        ids = {"connection_id": made["id"]}
        self.step("PATCH", one, "change connection", {"settings": {"password": PASSWORD + "-b", "window": 30}}, **ids)
        self.step("POST", f"{one}/verify", "verify connection", **ids)
        self.step("POST", f"{at}/try", "try connection", {"provider": "smpp", "settings": smpp})
        twilio = {"account_sid": "AC" + "1" * 32, "auth_token": TOKEN, "sender": "+15005550006"}
        old = self.step("POST", at, "create connection", {"name": "T", "provider": "twilio", "settings": twilio})
        again = {"settings": {"auth_token": TOKEN[::-1] + "x", "sender": "+15005550007"}}
        self.step("POST", f"{one}/replace", "replace connection", again, connection_id=old["id"])
        custom = CUSTOM | {"headers": HEADERS}
        own = self.step("POST", at, "create connection", {"name": "Own", "provider": "custom", "settings": custom})
        self.step("DELETE", one, "delete connection", connection_id=own["id"])
        mid = {"internal_name": "crm", "base_url": "https://mid.invalid", "operator": "sms", "password": PASSWORD}
        to_mid = self.step("POST", at, "create connection", {"name": "Mid", "provider": "relay", "settings": mid})
        RelayLink.objects.create(connection_id=to_mid["id"])
        self.step("POST", f"{one}/mid/mend", "mend connection", connection_id=to_mid["id"])
        return int(made["id"])

    def hooks(self) -> None:
        at, one = "/v1/hooks", "/v1/hooks/{hook_id}"
        own = self.step(
            "POST", "/v1/connections", "create connection", {"name": "Own", "provider": "custom", "settings": CUSTOM}
        )
        proof = {"kind": "header", "header": "X-Key", "secret": PROOF}
        hook = {"connection_id": own["id"], "name": "Texts", "kind": "inbound", "payload": PAYLOAD, "proof": proof}
        ids = {"hook_id": self.step("POST", at, "create hook", hook)["id"]}
        changed = {"name": "Replies", "proof": {**proof, "secret": f"{PROOF}-b"}}
        self.step("PATCH", one, "change hook", changed, **ids)
        self.step("POST", f"{one}/rotate", "rotate hook", {"grace_s": 60}, **ids)
        self.step("DELETE", one, "delete hook", **ids)

    def callbacks(self) -> list[str]:
        at, one = "/v1/callbacks", "/v1/callbacks/{callback_id}"
        made = self.step("POST", at, "create callback", {"url": f"https://example.org/in?{QUERY}"})
        ids = {"callback_id": made["id"]}
        self.step("PATCH", one, "change callback", {"events": ["message.sent"]}, **ids)
        rotated = self.step("POST", f"{one}/rotate-secret", "rotate callback", {"overlap_s": 60}, **ids)
        self.step("POST", f"{one}/test", "test callback", **ids)
        CallbackEvent.objects.create(endpoint_id=made["id"], type="message.sent", dead_ms=NOW_MS, at_ms=NOW_MS)
        self.step("POST", f"{one}/dead-letters/replay", "replay callback", **ids)
        self.step("DELETE", one, "delete callback", **ids)
        return [made["secret"], rotated["secret"]]

    def people(self) -> int:
        at, one = "/v1/lists", "/v1/lists/{list_id}"
        listed = {"list_id": self.step("POST", at, "create list", {"name": "Customers"})["id"]}
        self.step("PATCH", one, "change list", {"name": "Subscribers"}, **listed)
        jane = {"phone": NUMBER, "email": MAIL, "external_id": "J-1", "attributes": {"city": CITY}}
        person = self.step("POST", "/v1/contacts", "create contact", jane)["id"]
        changed = {"phone": NUMBER[:-1] + "9", "attributes": {"city": CITY + "2"}}
        self.step("PATCH", "/v1/contacts/{contact_id}", "change contact", changed, contact_id=person)
        self.step("POST", f"{one}/members", "add_people list", {"contact_ids": [person]}, **listed)
        self.step("POST", f"{one}/members/remove", "remove_people list", {"contact_ids": [person]}, **listed)
        self.step("POST", "/v1/contacts/{contact_id}/erase", "erase contact", contact_id=person)
        other = self.step("POST", "/v1/contacts", "create contact", {"phone": NUMBER})["id"]
        self.step("DELETE", "/v1/contacts/{contact_id}", "delete contact", contact_id=other)
        rows = f"phone,city\n{NUMBER},{CITY}\n+33612345679,{CITY}\n".encode()
        self.step("POST", f"{one}/imports", "import list", csv=rows, **listed)
        jobs.run_until_empty()
        spare = self.step("POST", at, "create list", {"name": "Spare"})["id"]
        self.step("DELETE", one, "delete list", list_id=spare)
        return int(listed["list_id"])

    def wishes(self) -> None:
        entry = self.step(
            "POST", "/v1/quarantine", "create quarantine", {"address": NUMBER, "reason": f"call {NUMBER}"}
        )
        self.step("POST", "/v1/quarantine/{quarantine_id}/release", "release quarantine", {}, quarantine_id=entry["id"])
        wish = {"address": MAIL, "channel": "email", "is_given": False, "evidence": f"{MAIL} wrote"}
        self.step("POST", "/v1/consent", "withdraw consent", wish)
        error = ErrorQualification.objects.create(organisation_id=self.caller.organisation.pk, text="SR x", kind="soft")
        path = "/v1/error-qualifications/{qualification_id}"
        self.step("PATCH", path, "qualify error", {"kind": "hard"}, qualification_id=error.pk)

    def deliveries(self, connection_id: int, list_id: int) -> None:
        at, one = "/v1/deliveries", "/v1/deliveries/{delivery_id}"
        draft = {"label": "June", "list_id": list_id, "connection_id": connection_id, "body": "Hello"}
        ids = {"delivery_id": self.step("POST", at, "create delivery", draft)["id"]}
        self.step("PATCH", one, "change delivery", {"body": "Hello there"}, **ids)
        self.step("POST", f"{one}/analyse", "analyse delivery", **ids)
        jobs.run_until_empty()
        self.step("POST", f"{one}/revise", "revise delivery", **ids)
        self.step("POST", f"{one}/analyse", "analyse delivery", **ids)
        jobs.run_until_empty()
        for action in ("send", "pause", "resume", "cancel"):
            self.step("POST", f"{one}/{action}", f"{action} delivery", **ids)
        other = self.step("POST", at, "create delivery", draft)["id"]
        self.step("DELETE", one, "delete delivery", delivery_id=other)
        before = AuditEvent.objects.count()
        jobs.run_until_empty()
        assert AuditEvent.objects.count() == before, "what a job does of what was asked for is not told again"

    def templates(self) -> None:
        at, one = "/v1/delivery-templates", "/v1/delivery-templates/{template_id}"
        ids = {"template_id": self.step("POST", at, "create template", {"label": "Shop"})["id"]}
        self.step("PATCH", one, "change template", {"sender": "36111"}, **ids)
        self.step("DELETE", one, "delete template", **ids)


def test_every_address_that_changes_something_leaves_an_event_and_no_secret(caller: Caller) -> None:
    def is_in_a_transaction(**_: object) -> None:
        assert connection.in_atomic_block

    post_save.connect(is_in_a_transaction, sender=AuditEvent)
    try:
        walk = Walk(caller)
        list_id, connection_id = walk.people(), walk.connections()
        walk.hooks()
        walk.wishes()
        walk.deliveries(connection_id, list_id)
        walk.templates()
        secrets = walk.callbacks()
    finally:
        post_save.disconnect(is_in_a_transaction, sender=AuditEvent)
    assert walk.walked == changing()
    told = "\n".join(str(row) for row in AuditEvent.objects.values_list())
    given = [PASSWORD, TOKEN, TOKEN[::-1], CELL, PROOF, QUERY, *secrets, caller.secret]
    personal = [NUMBER[:-1], MAIL, CITY, "J-1", "chh_"]
    assert [one for one in given + personal if one in told] == []


def test_what_was_before_and_what_is_after_are_told_setting_by_setting(caller: Caller) -> None:
    smpp = {"host": "smsc.example.org", "account": "relais", "password": PASSWORD, "window": 20}
    made = caller.post("/v1/connections", {"name": "North", "provider": "smpp", "settings": smpp}).json
    created = AuditEvent.objects.get(action="create", subject_kind="connection")
    assert (created.subject_id, created.subject_name, created.before) == (made["id"], "North", {})
    assert created.after == {
        "name": "North",
        "provider": "smpp",
        "settings.host": "smsc.example.org",
        "settings.account": "relais",
        "settings.window": 20,
        "settings.password": {"hidden": "set"},
    }
    caller.patch(f"/v1/connections/{made['id']}", {"settings": {"window": 40, "password": "another"}, "name": "South"})
    changed = AuditEvent.objects.get(action="change", subject_kind="connection")
    assert changed.before == {"name": "North", "settings.window": 20}
    assert changed.after == {"name": "South", "settings.window": 40, "settings.password": {"hidden": "changed"}}


def test_what_is_refused_or_changes_nothing_leaves_no_event(caller: Caller) -> None:
    made = caller.post("/v1/lists", {"name": "Customers"}).json
    before = AuditEvent.objects.count()
    assert caller.post("/v1/lists", {"name": "Customers"}).status == 409
    assert caller.patch(f"/v1/lists/{made['id']}", {"name": "Customers"}).status == 200
    assert caller.post("/v1/connections", {"name": "North", "provider": "smpp", "settings": {"port": 0}}).status == 422
    assert AuditEvent.objects.count() == before


def test_a_replacement_tells_of_both_connections_and_of_what_moved(caller: Caller) -> None:
    custom = {"name": "Own", "provider": "custom", "settings": CUSTOM}
    old = caller.post("/v1/connections", custom).json["id"]
    hook = {"connection_id": old, "name": "Texts", "kind": "inbound", "payload": PAYLOAD}
    moved = caller.post("/v1/hooks", hook)
    assert moved.status == 201, moved.text
    last = AuditEvent.objects.latest("pk").pk
    made = caller.post(f"/v1/connections/{old}/replace", {"settings": {}}).json["id"]
    events = {(row.subject_kind, row.subject_id): row for row in AuditEvent.objects.filter(pk__gt=last)}
    assert {key: row.action for key, row in events.items()} == {
        ("connection", old): "replace",
        ("connection", made): "create",
        ("hook", moved.json["id"]): "replace",
    }
    assert events["connection", old].after == {
        "name": f"Own (replaced {old})",
        "is_enabled": False,
        "replaced_by": made,
    }
    assert events["hook", moved.json["id"]].before == {"connection_id": old}


def test_an_operator_acts_by_its_login_whichever_key_it_uses(organisation: Organisation) -> None:
    machine = operator.create_operator(organisation.pk, "crm", "The CRM", ["manage"], NOW_MS)
    for name in ("old", "new"):
        secret = operator.add_key(organisation.pk, machine.pk, name, NOW_MS).secret
        assert Caller(organisation, secret).post("/v1/lists", {"name": name}).status == 201
    told = AuditEvent.objects.filter(subject_kind="list").values_list("actor_kind", "actor_id", "actor_name")
    assert set(told) == {("operator", machine.pk, "crm")}


def test_an_operator_that_is_switched_off_is_refused_at_once(organisation: Organisation, desk: Desk) -> None:
    machine = operator.create_operator(organisation.pk, "crm", "The CRM", ["send", "read"], NOW_MS)
    desk.key = operator.add_key(organisation.pk, machine.pk, "one", NOW_MS).secret
    caller = Caller(organisation, desk.key)
    assert (desk.send().status, caller.get("/v1/quarantine").status) == (422, 200)  # there is no connection to send by
    operator.change_operator(organisation.pk, machine.pk, operator.Change(is_enabled=False), now_ms())
    assert caller.get("/v1/quarantine").status == 401
    deadline = now_ms() + KEY_MS
    answers = [desk.send().status]
    while now_ms() <= deadline and answers[-1] == 422:
        answers.append(desk.send().status)
    assert desk.send().status == 401
    operator.change_operator(organisation.pk, machine.pk, operator.Change(is_enabled=True), now_ms())
    assert (desk.send().status, caller.get("/v1/quarantine").status) == (422, 200)


def test_callers_at_the_same_time_are_told_apart(organisation: Organisation, call_as: Callable[..., Caller]) -> None:
    callers = [call_as() for _ in range(6)]

    async def ask(caller: Caller, number: int) -> int:
        transport = httpx.ASGITransport(django_application)  # type: ignore[arg-type]  # stubs differ on Mapping
        headers = {"authorization": f"Bearer {caller.secret}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            return (await client.post("/v1/lists", json={"name": f"List {number}"})).status_code

    async def together() -> list[int]:
        return await asyncio.gather(*(ask(one, number) for number, one in enumerate(callers)))

    assert set(asyncio.run(together())) == {201}
    keys = list(ApiKey.objects.order_by("pk").values_list("pk", flat=True))
    told = AuditEvent.objects.filter(subject_kind="list").values_list("subject_name", "actor_id")
    assert dict(told) == {f"List {number}": key for number, key in enumerate(keys)}


def test_an_address_of_the_description_is_never_missing_from_the_walk() -> None:
    templates = {path for _, path in changing()}
    assert all(re.fullmatch(r"/v1/[a-z/{}_-]+", path) for path in templates)
    assert len(templates) > 20
