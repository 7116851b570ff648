"""What another Chappe asks and says of its account here, as its operator."""

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from django.test import Client
from tests.linked import BASE, set_address
from tests.row import NOW_MS, connection, event, message, segment
from tests.web.caller import Answer, Caller
from tests.web.relay_operator import Marketing, marketing
from tests.web.test_api import PROBLEM, of_operators

import chappe
from chappe.engine.store.relay_catalogue import relayed
from chappe.engine.vault import relay_place
from chappe.features.accounts import operator, services
from chappe.features.accounts.models import Operator, Organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.clock import now_ms
from chappe.features.connections.models import Connection, ConnectionVersion
from chappe.features.consent.models import ConsentEvent, Quarantine
from chappe.features.messages.models import DeliveryCount, IdBlock, Outbox
from chappe.features.relay import services as relay_services
from chappe.features.relay.models import RelayAccount, RelayDelivery, Relayed, RelayLink, RelayPage
from chappe.features.sealed import process_vault
from chappe.messaging import DeliveryState, Told
from chappe.messaging.relay import Pages
from chappe.providers.relay import read_pages
from chappe.providers.standard_webhook import new_secret

AT = "/v1/relay/accounts/crm"
PHONE = "+33612345678"


class Peer:
    """Another Chappe, signed in as its operator."""

    def __init__(self, who: Marketing) -> None:
        self.who = who
        self._client = Client(raise_request_exception=False, headers={"authorization": who.by_key})

    def get(self, rest: str = "", **query: str | int) -> Answer:
        return Answer(self._client.get(AT + rest, query))

    def put(self, rest: str, content: object) -> Answer:
        return self.send("PUT", rest, content)

    def post(self, rest: str, content: object = None) -> Answer:
        return self.send("POST", rest, content or {})

    def send(self, method: str, rest: str, content: object) -> Answer:
        return Answer(self._client.generic(method, AT + rest, json.dumps(content), content_type="application/json"))

    def pages(self, **query: int) -> tuple[Pages, int]:
        answer = self._client.get(f"{AT}/pages", query)
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/gzip")
        return read_pages(answer.content), int(answer["chappe-last-page"])


@pytest.fixture
def account(organisation: Organisation) -> Connection:
    return connection(
        organisation.pk,
        "Of the CRM",
        internal_name="sms_crm",
        settings={"host": "smsc.example.org", "account": "relais"},
    )


@pytest.fixture
def peer(organisation: Organisation, account: Connection) -> Peer:
    return Peer(marketing(organisation))


# -- who may ---------------------------------------------------------------------------------------------------------


def test_nobody_but_the_operator_of_the_account_is_answered(organisation: Organisation, account: Connection) -> None:
    marketing(organisation)
    plain = services.create_api_key(organisation, "shop", services.SCOPES, NOW_MS).secret
    weak = marketing(organisation, "weak", ["send", "read", "manage"])
    other = marketing(organisation, "other")
    stranger = marketing(services.create_organisation("Another", NOW_MS), "stranger")
    before = list(AuditEvent.objects.values_list("pk", flat=True))
    assert len(of_operators()) == 10
    for place, (method, path) in enumerate(of_operators()):
        host = f"192.0.2.{place}"  # of each address only so many may come without proof
        where = re.sub(r"\{.*?\}", "1", path.replace("{name}", "crm").replace("{action}", "pause"))
        body = json.dumps(BODIES.get(where.removeprefix(AT), {}))

        def asked(
            authorization: str, args: tuple[str, ...] = (method.upper(), f"{where}?deliveries=1", body, host)
        ) -> int:
            client = Client(headers={"authorization": authorization} if authorization else {})
            *what, address = args
            answer = client.generic(*what, content_type="application/json", REMOTE_ADDR=address)
            assert answer["Content-Type"] == PROBLEM
            return int(answer.status_code)

        assert {asked(""), asked("Bearer"), asked(f"Bearer {plain}"), asked("Basic Y2hwOg==")} == {401}, path
        assert {asked(weak.by_key), asked(weak.by_password)} == {403}, path
        assert {asked(other.by_key), asked(stranger.by_key_alone)} == {404}, path
    assert list(AuditEvent.objects.values_list("pk", flat=True)) == before
    assert not RelayAccount.objects.exists()
    assert not RelayDelivery.objects.exists()


BODIES: dict[str, object] = {
    "": {"push_url": ""},
    "/messages/known": {"ids": [1]},
    "/quarantine": {"now_ms": 1, "entries": []},
    "/replies": {"rows": []},
}


def test_a_wrong_name_is_answered_with_the_right_one(organisation: Organisation) -> None:
    connection(organisation.pk, internal_name="SMS_crm")
    answer = Peer(marketing(organisation)).get()
    assert answer.status == 404
    assert "sms_crm" in answer.json["detail"]
    assert "SMS_crm" in answer.json["detail"]


# -- the account -----------------------------------------------------------------------------------------------------


def test_the_account_says_who_and_what_it_is(peer: Peer, account: Connection) -> None:
    began_ms = now_ms()
    answer = peer.get()
    assert answer.status == 200, answer.text
    assert began_ms <= answer.json.pop("now_ms") <= now_ms()
    assert answer.json == {
        "account": "sms_crm",
        "operator": "sms",
        "is_enabled": True,
        "rights": ["administration", "replies"],
        "version": chappe.__version__,
        "connection": "Of the CRM",
        "warnings": [],
        "first_page": 1,
        "last_page": 0,
        "link_base": "",
    }
    Connection.objects.update(is_enabled=False)
    assert peer.get().json["is_enabled"] is False


def test_who_signs_in_is_told_what_short_links_begin_with(
    peer: Peer, account: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert peer.put("", {"push_url": ""}).json["link_base"] == ""
    set_address(monkeypatch)
    assert peer.put("", {"push_url": ""}).json["link_base"] == peer.get().json["link_base"] == BASE
    # Who hands over itself does not make them, and tells what it was told.
    Connection.objects.update(provider="relay")
    assert peer.get().json["link_base"] is None
    RelayLink.objects.create(connection_id=account.pk, mid_link_base="https://a.io/l/")
    assert peer.get().json["link_base"] == "https://a.io/l/"


def test_the_other_side_says_where_to_be_told_and_that_is_sealed_and_audited(peer: Peer, account: Connection) -> None:
    secret = new_secret()
    given = {"push_url": "https://crm.example.org/hooks/token-4711?key=hidden-17", "secret": secret}
    answer = peer.put("", given)
    assert answer.status == 200, answer.text
    row = RelayAccount.objects.get()
    assert (row.pk, row.organisation_id, row.operator, row.version) == (account.pk, account.organisation_id, "sms", 1)
    held = process_vault().decrypt(bytes(row.secrets), relay_place(row.organisation_id, row.pk))
    assert held == {"current": secret}
    assert peer.put("", given).status == 200
    assert RelayAccount.objects.get().version == 1
    assert peer.put("", {**given, "secret": new_secret()}).status == 200
    assert RelayAccount.objects.get().version == 2
    assert peer.put("", {"push_url": ""}).status == 200
    row = RelayAccount.objects.get()
    assert (row.version, row.push_url, bytes(row.secrets)) == (3, "", b"")
    events = AuditEvent.objects.filter(subject_kind="relay").order_by("pk")
    assert [(one.action, one.actor_kind, one.actor_name) for one in events] == [
        ("create", "operator", "sms"),
        ("change", "operator", "sms"),
        ("change", "operator", "sms"),
    ]
    told = "\n".join(str(one) for one in events.values_list())
    assert "crm.example.org" in told
    assert [one for one in (secret, "hidden-17") if one in told] == []


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"push_url": "http://crm.example.org/in", "secret": "whsec_" + "A" * 32}, {"push_url"}),
        ({"push_url": "https://user:pw@crm.example.org/in", "secret": "whsec_" + "A" * 32}, {"push_url"}),
        ({"push_url": "crm.example.org", "secret": "whsec_x"}, {"push_url", "secret"}),
        ({"push_url": "https://crm.example.org/in"}, {"secret"}),
        ({"push_url": "https://[::1", "secret": "whsec_" + "A" * 32}, {"push_url"}),
        ({"push_url": "https://crm.example.org/" + "a" * 2000, "secret": "whsec_" + "A" * 32}, {"push_url"}),
    ],
)
def test_an_address_that_cannot_be_called_safely_is_refused(peer: Peer, given: Any, fields: set[str]) -> None:
    answer = peer.put("", given)
    assert answer.status == 422
    assert set(answer.fields) == fields
    assert not RelayAccount.objects.exists()


def test_on_one_machine_no_encryption_is_needed(peer: Peer) -> None:
    assert peer.put("", {"push_url": "http://127.0.0.1:8000/hooks/x", "secret": new_secret()}).status == 200


def test_when_the_other_side_was_heard_last_is_kept(peer: Peer) -> None:
    peer.put("", {"push_url": ""})
    RelayAccount.objects.update(heard_ms=NOW_MS)
    began_ms = now_ms()
    assert peer.pages()[1] == 0
    assert RelayAccount.objects.get().heard_ms >= began_ms


# -- pages -----------------------------------------------------------------------------------------------------------


def write_pages(account: Connection, numbers: Sequence[int], size: int = 1) -> None:
    told = [msgspec.json.encode(Told(sent=[(number, NOW_MS + number)])) for number in numbers]
    rows = [
        RelayPage(pk=relayed(account.pk, number), at_ms=NOW_MS + number * 1000, size=size, told=data)
        for number, data in zip(numbers, told, strict=True)
    ]
    RelayPage.objects.bulk_create(rows)
    IdBlock.objects.update_or_create(name=f"relay_page {account.pk}", defaults={"next_id": max(numbers) + 1})


def numbers_in(pages: Pages) -> list[int]:
    return [told.sent[0][0] for told in pages.told]


def test_pages_come_in_their_order_after_the_last_that_is_there(peer: Peer, account: Connection) -> None:
    other = connection(account.organisation_id, "Another", internal_name="other_crm")
    write_pages(account, range(1, 8))
    write_pages(other, range(1, 20))
    pages, newest = peer.pages(after=3)
    assert (pages.first, pages.last, pages.number, newest) == (4, 7, 0, 7)
    assert numbers_in(pages) == [4, 5, 6, 7]
    assert abs(pages.now_ms - now_ms()) < 60_000
    nothing, newest = peer.pages(after=7)
    assert (nothing.first, nothing.last, nothing.told, newest) == (8, 7, (), 7)
    assert numbers_in(peer.pages()[0]) == list(range(1, 8))


def test_pages_of_a_day_are_found_by_their_time(peer: Peer, account: Connection) -> None:
    write_pages(account, range(1, 41))
    assert numbers_in(peer.pages(since_ms=NOW_MS + 30_500)[0]) == list(range(31, 41))
    assert numbers_in(peer.pages(since_ms=NOW_MS + 30_000)[0]) == list(range(30, 41))
    assert numbers_in(peer.pages(since_ms=NOW_MS + 10_000, after=35)[0]) == list(range(36, 41))
    nothing, newest = peer.pages(since_ms=NOW_MS + 99_000)
    assert (nothing.first, nothing.last, nothing.told, newest) == (41, 40, (), 40)


def test_pages_that_were_dropped_are_passed_over(peer: Peer, account: Connection) -> None:
    write_pages(account, range(5, 9))
    pages, _ = peer.pages()
    assert (pages.first, pages.last) == (5, 8)
    assert (peer.get().json["first_page"], peer.get().json["last_page"]) == (5, 8)
    assert numbers_in(peer.pages(since_ms=1)[0]) == [5, 6, 7, 8]
    RelayPage.objects.all().delete()
    pages, newest = peer.pages()
    assert (pages.first, pages.last, pages.told, newest) == (9, 8, (), 8)
    assert (peer.get().json["first_page"], peer.get().json["last_page"]) == (9, 8)


def test_one_answer_tells_no_more_than_one_can_take(peer: Peer, account: Connection) -> None:
    write_pages(account, range(1, 6), size=4_000)
    assert [numbers_in(peer.pages(after=after)[0]) for after in (0, 2, 4)] == [[1, 2], [3, 4], [5]]
    RelayPage.objects.update(size=20_000)
    assert numbers_in(peer.pages()[0]) == [1]
    RelayPage.objects.update(size=1)
    write_pages(account, range(6, 602))
    assert numbers_in(peer.pages()[0]) == list(range(1, 501))


# -- messages --------------------------------------------------------------------------------------------------------


def test_figures_are_of_the_accounts_own_deliveries(peer: Peer, account: Connection) -> None:
    for number, state, messages in (
        (17, DeliveryState.SENT, 5),
        (17, DeliveryState.WAITING, 2),
        (18, DeliveryState.READ, 0),
    ):
        DeliveryCount.objects.create(delivery_id=relayed(account.pk, number), state=state, messages=messages)
    DeliveryCount.objects.create(delivery_id=17, state=DeliveryState.SENT, messages=99)
    answer = peer.get("/figures", deliveries="17,18,19")
    assert answer.json["deliveries"] == {"17": {"waiting": 2, "sent": 5}, "18": {}, "19": {}}
    for wrong in ("", "x", "1,", ",".join(map(str, range(101)))):
        assert peer.get("/figures", deliveries=wrong).status == 422
    assert peer.get("/figures", deliveries=str(10**30)).json["deliveries"] == {}


def test_a_message_is_told_by_the_other_sides_number_without_what_it_says(peer: Peer, account: Connection) -> None:
    message(
        account.organisation_id, 5, connection_id=account.pk, state=DeliveryState.FAILED, reason=f"{PHONE} unknown",
        recipient=PHONE, body="very secret", done_ms=NOW_MS + 900,
    )  # fmt: skip
    segment(5, connection_id=account.pk, provider_message_id="abc", state=DeliveryState.FAILED, done_ms=NOW_MS + 900)
    event(5, "deferred", f"the provider refuses {PHONE} for now")
    Relayed.objects.create(pk=relayed(account.pk, 815), message_id=5)
    answer = peer.get("/messages/815")
    assert answer.status == 200
    assert (answer.json["id"], answer.json["state"], answer.json["recipient"]) == (5, "failed", "+33••••••678")
    assert [one["kind"] for one in answer.json["events"]] == [
        "accepted",
        "segment_sent",
        "deferred",
        "receipt",
        "failed",
    ]
    assert answer.json["events"][0]["at_ms"] == NOW_MS
    assert "very secret" not in answer.text
    assert PHONE[1:] not in answer.text
    assert {peer.get(f"/messages/{number}").status for number in (5, 816, 10**30)} == {404}
    Relayed.objects.create(pk=relayed(account.pk + 1, 7), message_id=5)
    assert peer.get("/messages/7").status == 404


def test_the_other_side_asks_which_messages_were_taken(peer: Peer, account: Connection) -> None:
    rows = [Relayed(pk=relayed(account.pk, number), message_id=number) for number in (3, 9, 12)]
    Relayed.objects.bulk_create([*rows, Relayed(pk=relayed(account.pk + 1, 4), message_id=4)])
    assert peer.post("/messages/known", {"ids": [12, 4, 3, 5, -1, 0, 10**30]}).json == {"known": [3, 12]}
    assert peer.post("/messages/known", {"ids": list(range(1, 10_001))}).json == {"known": [3, 9, 12]}
    assert peer.post("/messages/known", {"ids": list(range(10_001))}).status == 422


# -- deliveries ------------------------------------------------------------------------------------------------------


def test_a_delivery_is_paused_resumed_and_cancelled_with_what_waits_of_it(peer: Peer, account: Connection) -> None:
    own = relayed(account.pk, 17)
    RelayDelivery.objects.create(pk=own, organisation_id=account.organisation_id, created_ms=1, changed_ms=1)
    for number, delivery in ((1, own), (2, 17)):
        Outbox.objects.create(pk=number, connection_id=account.pk, delivery_id=delivery, first_id=1, last_id=9)

    def is_held() -> list[bool]:
        return list(Outbox.objects.order_by("pk").values_list("is_held", flat=True))

    assert peer.post("/deliveries/17/pause").json == {"status": "paused"}
    assert is_held() == [True, False]
    paused_ms = RelayDelivery.objects.get().changed_ms
    assert abs(paused_ms - now_ms()) < 60_000
    assert peer.post("/deliveries/17/pause").json == {"status": "paused"}
    assert RelayDelivery.objects.get().changed_ms == paused_ms
    assert peer.post("/deliveries/17/resume").json == {"status": "sending"}
    assert is_held() == [False, False]
    peer.post("/deliveries/17/pause")
    assert peer.post("/deliveries/17/cancel").json == {"status": "cancelled"}
    assert is_held() == [False, False]
    assert peer.post("/deliveries/17/resume").json == {"status": "cancelled"}
    actions = list(AuditEvent.objects.filter(subject_kind="relay").order_by("pk").values_list("action", "actor_name"))
    assert actions == [("pause", "sms"), ("resume", "sms"), ("pause", "sms"), ("cancel", "sms")]


def test_what_people_paused_here_is_resumed_by_them_and_not_by_the_operator(peer: Peer, account: Connection) -> None:
    def here(action: str) -> str:
        return relay_services.delivery_is(account, 17, action, now_ms()).status

    assert here("pause") == "paused"
    assert peer.post("/deliveries/17/resume").json == {"status": "paused"}
    assert peer.post("/deliveries/17/pause").json == {"status": "paused"}
    assert here("resume") == "sending"
    peer.post("/deliveries/17/pause")
    assert peer.post("/deliveries/17/resume").json == {"status": "sending"}
    peer.post("/deliveries/17/pause")
    here("pause")
    assert peer.post("/deliveries/17/resume").json == {"status": "paused"}
    assert peer.post("/deliveries/17/cancel").json == {"status": "cancelled"}


def test_a_delivery_of_which_nothing_came_yet_is_known_as_it_is_told(peer: Peer, account: Connection) -> None:
    assert peer.post("/deliveries/4/cancel").json == {"status": "cancelled"}
    assert peer.post("/deliveries/5/resume").json == {"status": "sending"}
    rows = {row.pk: (row.status, row.organisation_id) for row in RelayDelivery.objects.all()}
    own = account.organisation_id
    assert rows == {relayed(account.pk, 4): ("cancelled", own), relayed(account.pk, 5): ("sending", own)}
    assert {peer.post(f"/deliveries/{number}/pause").status for number in (1 << 40, 10**30)} == {404}
    assert peer.post("/deliveries/4/delete").status == 422


# -- quarantine ------------------------------------------------------------------------------------------------------


def entry(address: str = PHONE, status: str = "quarantine", changed_ms: int = 0, **values: Any) -> dict[str, Any]:
    return {"address": address, "short_code": "", "status": status, "reason": "", "changed_ms": changed_ms, **values}


def tell(peer: Peer, *entries: dict[str, Any], ahead_ms: int = 0) -> int:
    answer = peer.post("/quarantine", {"now_ms": now_ms() + ahead_ms, "entries": list(entries)})
    assert answer.status == 200, answer.text
    return int(answer.json["changed"])


def test_what_the_other_side_stops_is_stopped_here_and_engines_hear_of_it(peer: Peer, account: Connection) -> None:
    long_ago = now_ms() - 3_600_000
    began_ms = now_ms()
    found = tell(
        peer, entry(changed_ms=long_ago, reason="no such number"), entry("+33612345679", "denylisted", long_ago)
    )
    assert found == 2
    rows = {row.address: row for row in Quarantine.objects.all()}
    assert {address: row.status for address, row in rows.items()} == {PHONE: "quarantine", "+33612345679": "denylisted"}
    assert {row.organisation_id for row in rows.values()} == {account.organisation_id}
    assert rows[PHONE].reason == "no such number"
    assert min(row.changed_ms for row in rows.values()) >= began_ms - 10_000
    (line,) = ConsentEvent.objects.all()
    assert (line.address, line.source, line.is_given, line.connection_id) == (
        "+33612345679",
        "relay",
        False,
        account.pk,
    )
    (told,) = AuditEvent.objects.filter(action="quarantine")
    assert (told.actor_name, told.after) == ("sms", {"people": 2})
    assert PHONE[1:] not in str(list(AuditEvent.objects.values_list()))


def test_what_says_the_same_changes_nothing_so_that_nothing_goes_to_and_fro(peer: Peer) -> None:
    assert tell(peer, entry(changed_ms=now_ms())) == 1
    (before,) = Quarantine.objects.values_list()
    assert tell(peer, entry(changed_ms=now_ms() + 5_000), entry("+33612345679", "valid", now_ms())) == 0
    assert list(Quarantine.objects.values_list()) == [before]
    assert AuditEvent.objects.filter(action="quarantine").count() == 1


def test_the_later_change_holds_by_one_clock(peer: Peer, account: Connection) -> None:
    now = now_ms()
    given = {"organisation_id": account.organisation_id, "address": PHONE}
    message(account.organisation_id, connection_id=account.pk, recipient=PHONE)
    row = Quarantine.objects.create(status="quarantine", error_count=5, changed_ms=now - 60_000, **given)
    # Their clock is five minutes ahead: by ours, they released it two minutes before our change.
    assert tell(peer, entry(status="valid", changed_ms=now + 300_000 - 180_000), ahead_ms=300_000) == 0
    assert tell(peer, entry(status="valid", changed_ms=now + 300_000 - 20_000), ahead_ms=300_000) == 1
    row.refresh_from_db()
    assert (row.status, row.error_count) == ("valid", 0)
    assert now - 30_000 < row.changed_ms <= now_ms()
    assert tell(peer, entry(status="quarantine", changed_ms=now - 90_000)) == 0


def test_a_release_of_who_had_said_no_is_in_the_ledger(peer: Peer, account: Connection) -> None:
    given = {"organisation_id": account.organisation_id, "address": PHONE, "status": "denylisted"}
    message(account.organisation_id, connection_id=account.pk, recipient=PHONE)
    Quarantine.objects.create(changed_ms=now_ms() - 60_000, **given)
    assert tell(peer, entry(status="valid", changed_ms=now_ms(), reason="wrote START")) == 1
    assert list(ConsentEvent.objects.values_list("is_given", "source", "evidence")) == [(True, "relay", "wrote START")]


def test_an_operator_releases_nobody_whom_it_has_nothing_to_do_with(peer: Peer, account: Connection) -> None:
    other = connection(account.organisation_id, "Another", internal_name="other_crm")
    said, told, strange = "+33612345671", "+33612345672", "+33612345673"
    for number, by in ((PHONE, account), (strange, other)):
        message(account.organisation_id, by.pk, connection_id=by.pk, recipient=number)
    for number in (PHONE, strange, said):
        row = {"address": number, "status": "denylisted", "changed_ms": now_ms() - 60_000}
        Quarantine.objects.create(organisation_id=account.organisation_id, **row)
    wish = {"channel": "sms", "is_given": False, "source": "keyword", "connection_id": account.pk}
    ConsentEvent.objects.create(organisation_id=account.organisation_id, address=said, at_ms=1, **wish)
    assert tell(peer, entry(told, "denylisted", now_ms() - 60_000)) == 1
    numbers = (PHONE, said, told, strange)
    assert tell(peer, *(entry(number, "valid", now_ms()) for number in numbers)) == 3
    states = dict(Quarantine.objects.values_list("address", "status"))
    assert states == {PHONE: "valid", said: "valid", told: "valid", strange: "denylisted"}


def test_what_is_no_number_is_passed_over_and_too_much_is_refused(peer: Peer) -> None:
    assert tell(peer, entry("nobody"), entry(changed_ms=now_ms()), entry(changed_ms=now_ms())) == 1
    many = [entry(f"+3361234{number:04}", changed_ms=now_ms()) for number in range(1_001)]
    assert peer.post("/quarantine", {"now_ms": now_ms(), "entries": many}).status == 422
    assert tell(peer, *many[:1_000]) == 1_000


def heard(peer: Peer, after_ms: int = 0, limit: int = 1_000) -> dict[str, Any]:
    answer = peer.get("/quarantine", after_ms=after_ms, limit=limit)
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def test_an_account_hears_of_numbers_that_it_wrote_to_and_of_who_spoke_to_it(
    peer: Peer, account: Connection, organisation: Organisation
) -> None:
    numbers = [f"+3361234567{digit}" for digit in range(5)]
    for place, number in enumerate(numbers):
        Quarantine.objects.create(
            organisation_id=organisation.pk,
            address=number,
            status="quarantine",
            reason="hard",
            changed_ms=NOW_MS - place,
        )
    message(organisation.pk, 1, connection_id=account.pk, recipient=numbers[0])
    message(organisation.pk, 2, connection_id=account.pk + 1, recipient=numbers[1])
    for number, by in ((numbers[2], account.pk), (numbers[3], account.pk + 1)):
        ConsentEvent.objects.create(
            organisation_id=organisation.pk,
            channel="sms",
            address=number,
            is_given=False,
            source="keyword",
            connection_id=by,
        )
    stranger = services.create_organisation("Another", NOW_MS)
    Quarantine.objects.create(organisation_id=stranger.pk, address=numbers[0], status="denylisted", changed_ms=NOW_MS)
    found = heard(peer)
    assert found["entries"] == [
        entry(numbers[2], changed_ms=NOW_MS - 2, reason="hard"),
        entry(numbers[0], changed_ms=NOW_MS, reason="hard"),
    ]
    assert (found["is_more"], found["until_ms"]) == (False, NOW_MS)
    assert heard(peer, NOW_MS - 2)["entries"] == found["entries"][1:]
    assert heard(peer, NOW_MS)["entries"] == []


def test_changes_are_heard_a_stretch_at_a_time_and_those_of_an_instant_together(
    peer: Peer, account: Connection, organisation: Organisation
) -> None:
    numbers = [f"+336123456{place:02}" for place in range(12)]
    for place, number in enumerate(numbers):
        message(organisation.pk, place + 1, connection_id=account.pk, recipient=number)
        Quarantine.objects.create(
            organisation_id=organisation.pk, address=number, status="quarantine", changed_ms=NOW_MS + place // 4
        )
    found, answer = list[list[str]](), {"until_ms": 0, "is_more": True}
    while answer["is_more"]:
        answer = heard(peer, answer["until_ms"], limit=3)
        found.append([one["address"] for one in answer["entries"]])
    assert found == [numbers[:4], numbers[4:8], numbers[8:]]


# -- automatic replies -----------------------------------------------------------------------------------------------

REPLY = {"keyword": "STOP", "short_code": "", "reply": "Bye", "action": "send_to_quarantine"}


def test_automatic_replies_are_written_as_a_change_of_the_connection(peer: Peer, account: Connection) -> None:
    answer = peer.put("/replies", {"rows": [REPLY]})
    assert answer.status == 200, answer.text
    account.refresh_from_db()
    assert [row["keyword"] for row in account.settings["automatic_replies"]] == ["STOP"]
    assert answer.json["version"] == account.version == 2
    assert ConnectionVersion.objects.filter(connection=account, number=2).exists()
    (told,) = AuditEvent.objects.filter(subject_kind="connection", action="change")
    assert (told.action, told.actor_name) == ("change", "sms")
    assert peer.put("/replies", {"rows": [{**REPLY, "action": "nothing of ours"}]}).status == 422
    assert peer.put("/replies", {"rows": []}).json["rows"] == []


def test_who_lacks_the_right_writes_no_replies(peer: Peer, account: Connection) -> None:
    row = Operator.objects.get()
    operator.change_operator(row.organisation_id, row.pk, operator.Change(scopes=["administration"]), NOW_MS)
    answer = peer.put("/replies", {"rows": [REPLY]})
    assert answer.status == 403
    assert "does not have the right replies" in answer.json["detail"]


def test_a_connection_that_answers_nobody_refuses_them_in_words(peer: Peer, account: Connection) -> None:
    Connection.objects.update(provider="twilio")
    answer = peer.put("/replies", {"rows": [REPLY]})
    assert answer.status == 422
    assert answer.fields == {"rows": "cannot be kept: automatic replies are for connections by SMPP"}


# -- the trail -------------------------------------------------------------------------------------------------------

ASKS = {("post", f"{AT.replace('crm', '{name}')}/messages/known")}


def test_every_address_that_changes_something_leaves_an_event(peer: Peer, account: Connection) -> None:
    steps: dict[tuple[str, str], tuple[str, object]] = {
        ("put", ""): ("", {"push_url": "https://crm.example.org/in", "secret": new_secret()}),
        ("put", "/replies"): ("/replies", {"rows": [REPLY]}),
        ("post", "/quarantine"): ("/quarantine", {"now_ms": now_ms(), "entries": [entry(changed_ms=now_ms())]}),
        ("post", "/deliveries/{number}/{action}"): ("/deliveries/1/pause", {}),
    }
    for (method, _), (rest, content) in steps.items():
        before = AuditEvent.objects.count()
        assert peer.send(method.upper(), rest, content).status == 200
        (event,) = AuditEvent.objects.order_by("pk")[before:]
        actor = (event.actor_kind, event.actor_id, event.actor_name, event.address)
        assert actor == ("operator", peer.who.row.pk, "sms", "127.0.0.1")
        assert (event.organisation_id, event.subject_id) == (account.organisation_id, account.pk)
    walked = {(method, AT.replace("crm", "{name}") + template) for method, template in steps}
    assert walked == {one for one in of_operators() if one[0] != "get"} - ASKS


def test_a_plain_program_is_told_how_to_sign_in(caller: Caller, account: Connection) -> None:
    answer = caller.get(AT)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="chappe", charset="UTF-8"')
