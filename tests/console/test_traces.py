"""Tracing a connection from the console: begun, watched, read, taken along, and masked for who may not see everything."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.console.browser import Browser, Page

from chappe.engine.traced_exchange import kept_exchange
from chappe.features.accounts.models import Organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.clock import now_ms
from chappe.features.connections.models import Connection
from chappe.features.connections.services import create_connection
from chappe.features.traces import services
from chappe.features.traces.models import TraceEntry, TraceSession
from chappe.messaging import Accepted, OutboundMessage
from chappe.providers.http import HttpRequest, HttpResponse
from chappe.rules.trace import number_key
from chappe.smpp import CommandId, Pdu, Tag, Tlv, encode
from chappe.smpp.capture import capture

Browse = Callable[..., Browser]
MARIE, TEXT = "33612345678", "Bonjour Marie, votre code est 4711"
RECEIPT = b"id:77 sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:DELIVRD err:000 text:Bonjour Marie"
SMPP = {"host": "smsc.example.org", "account": "relais", "password": "secret"}
TWILIO = {"account_sid": "AC" + "1" * 32, "auth_token": "s3cret-token", "sender": "+33600000000"}


@pytest.fixture
def north(organisation: Organisation) -> Connection:
    return create_connection(organisation.pk, "North", "smpp", SMPP, now_ms())


@pytest.fixture
def session(organisation: Organisation, north: Connection) -> TraceSession:
    """A running trace that holds a message to Marie with its answer, its receipt, and a sign of life."""
    session = services.start_trace(organisation.pk, north.pk, services.Wanted(5), None, now_ms())
    values = {
        "source_addr": b"CHAPPE",
        "source_addr_ton": 5,
        "destination_addr": MARIE.encode(),
        "registered_delivery": 1,
    }
    submit = Pdu(CommandId.SUBMIT_SM, 0, 7, {**values, "short_message": TEXT.encode()})
    keep(session, "out", submit)
    keep(session, "in", Pdu(CommandId.SUBMIT_SM_RESP, 0, 7, {"message_id": b"77"}))
    receipt = {"source_addr": MARIE.encode(), "destination_addr": b"CHAPPE", "esm_class": 4, "short_message": RECEIPT}
    keep(session, "in", Pdu(CommandId.DELIVER_SM, 0, 9, receipt, (Tlv(Tag.MESSAGE_STATE, b"\2"),)))
    keep(session, "out", Pdu(CommandId.ENQUIRE_LINK, 0, 8), number="")
    return session


def keep(session: TraceSession, direction: str, pdu: Pdu, number: str = MARIE) -> TraceEntry:
    TraceSession.objects.filter(pk=session.pk).update(entries=TraceEntry.objects.count() + 1)
    return TraceEntry.objects.create(
        session=session,
        at_ms=now_ms(),
        direction=direction,
        kind="pdu",
        role="transceiver",
        link=1,
        recipient=number_key(number),
        content=encode(pdu),
    )


def home(session: TraceSession, rest: str = "") -> str:
    return f"/connections/{session.connection_id}/traces/{session.pk}/{rest}"


def entry_of(session: TraceSession, place: int) -> str:
    return home(session, f"{TraceEntry.objects.order_by('pk')[place].pk}/")


def content(page: Page) -> bytes:
    return bytes(page.response.content)


# -- begin and end ---------------------------------------------------------------------------------------------------


def test_a_trace_is_begun_from_the_connection_and_stopped(admin: Browser, north: Connection) -> None:
    shown = admin.get(f"/connections/{north.pk}/traces/")
    assert "No trace yet" in shown.text
    begun = admin.post(f"/connections/{north.pk}/traces/", {"minutes": "15", "number": "06 12 34 56 78"})
    assert "Listening" in begun.text
    session = TraceSession.objects.get()
    assert session.number == number_key(MARIE)
    assert session.until_ms - session.started_ms == 15 * services.MINUTE_MS
    stopped = admin.post(home(session, "stop"))
    assert "Nothing was said" in stopped.text
    assert "Ended" in stopped.text
    assert "ended" in admin.get(f"/connections/{north.pk}/traces/").text
    actions = list(AuditEvent.objects.filter(subject_kind="trace").order_by("pk").values_list("action", flat=True))
    assert actions == ["create", "change"]
    assert MARIE[-8:] not in json.dumps(list(AuditEvent.objects.values("before", "after")))


def test_what_is_wrong_is_said_beside_the_field_and_what_was_typed_stays(admin: Browser, north: Connection) -> None:
    shown = admin.post(f"/connections/{north.pk}/traces/", {"minutes": "600", "number": "06 12 34 56 78"})
    assert shown.error_of("minutes")
    assert shown.value_of("number") == "06 12 34 56 78"
    assert not TraceSession.objects.exists()


def test_a_connection_that_is_off_or_traced_enough_is_not_traced(admin: Browser, north: Connection) -> None:
    for _ in range(services.MOST_RUNNING):
        admin.post(f"/connections/{north.pk}/traces/", {"minutes": "5"})
    assert "Stop one of them first" in admin.post(f"/connections/{north.pk}/traces/", {"minutes": "5"}).text
    Connection.objects.update(is_enabled=False)
    assert "switched off" in admin.post(f"/connections/{north.pk}/traces/", {"minutes": "5"}).text
    assert TraceSession.objects.count() == services.MOST_RUNNING


# -- read ------------------------------------------------------------------------------------------------------------


def test_the_trace_says_in_words_what_was_said(admin: Browser, session: TraceSession) -> None:
    shown = admin.get(home(session))
    for words in (
        "Message to a phone",
        "submit_sm",
        "no error",
        "id 77",
        "Receipt",
        "stat:DELIVRD",
        "Are you still there?",
    ):
        assert words in shown.text
    assert MARIE in shown.text


def test_one_number_s_entries_are_found_however_it_is_written(admin: Browser, session: TraceSession) -> None:
    shown = admin.get(home(session), number="06 12 34 56 78")
    assert "Message to a phone" in shown.text
    assert "Are you still there?" not in shown.text
    assert "Nothing with this number" in admin.get(home(session), number="0699999999").text


def test_long_traces_come_page_by_page(admin: Browser, session: TraceSession) -> None:
    for number in range(60):
        keep(session, "out", Pdu(CommandId.ENQUIRE_LINK, 0, 100 + number))
    first = admin.get(home(session))
    assert "Message to a phone" not in first.text
    (following,) = [link for link in first.links() if "cursor=" in link]
    assert "Message to a phone" in admin.get(home(session) + following).text


def test_a_pdu_is_shown_field_by_field_with_its_text_its_octets_and_its_answer(
    admin: Browser, session: TraceSession
) -> None:
    shown = admin.get(entry_of(session, 0))
    for words in (TEXT, MARIE, "name with letters", "a receipt wanted, whatever becomes of it", "destination_addr"):
        assert words in shown.text
    assert "42 6f 6e 6a 6f 75 72" in shown.text
    answer = admin.get(entry_of(session, 1))
    assert "The provider's id" in answer.text
    assert entry_of(session, 1) in shown.links()
    assert entry_of(session, 0) in answer.links()
    assert "delivered" in admin.get(entry_of(session, 2)).text


def test_a_pdu_that_cannot_be_read_is_shown_as_far_as_it_can(admin: Browser, session: TraceSession) -> None:
    broken = encode(Pdu(CommandId.SUBMIT_SM, 0, 7, {"destination_addr": MARIE.encode()}))[:30]
    entry = keep(session, "out", Pdu(CommandId.ENQUIRE_LINK))
    TraceEntry.objects.filter(pk=entry.pk).update(content=(30).to_bytes(4, "big") + broken[4:])
    assert "cannot be read" in admin.get(home(session)).text
    assert "cannot be read" in admin.get(home(session, f"{entry.pk}/")).text


def test_every_pdu_of_the_standard_has_a_page_in_both_languages(
    admin: Browser, browse_as: Browse, session: TraceSession
) -> None:
    marie = browse_as(language="fr")
    for command in CommandId:
        path = home(session, f"{keep(session, 'in', Pdu(command, 0, 1)).pk}/")
        assert "does not know" not in admin.get(path).text
        assert "sequence" not in marie.get(path).text


# -- what may be seen ------------------------------------------------------------------------------------------------


def test_who_may_not_see_texts_sees_none_on_no_page_and_in_no_file(browse_as: Browse, session: TraceSession) -> None:
    operator = browse_as("operator")
    everything = b""
    for place in range(4):
        everything += content(operator.get(entry_of(session, place)))
    everything += content(operator.get(home(session)))
    files = [content(operator.get(home(session, f"download.{form}"))) for form in ("pcap", "json")]
    everything += b"".join(files)
    assert MARIE.encode() in everything
    for hidden in (b"Bonjour", b"4711", TEXT.encode().hex()[:20].encode(), b"42 6f 6e"):
        assert hidden not in everything
    assert b"stat:DELIVRD" in everything
    assert "Texts are masked" in operator.get(home(session)).text


def test_who_may_not_see_numbers_sees_their_end_alone(
    browse_as: Browse, session: TraceSession, organisation: Organisation
) -> None:
    operator = browse_as("operator")
    assert operator.user is not None
    operator.user.withheld = ["see_numbers"]
    operator.user.save()
    everything = content(operator.get(home(session))) + content(operator.get(entry_of(session, 0)))
    everything += content(operator.get(home(session, "download.pcap"))) + content(
        operator.get(home(session, "download.json"))
    )
    assert MARIE.encode() not in everything
    assert MARIE[-8:].encode() not in everything
    assert b"00000000078" in everything
    assert "•••78" in operator.get(home(session)).text


@pytest.mark.parametrize("role", ["marketer", "auditor"])
def test_a_role_without_the_right_opens_nothing(browse_as: Browse, session: TraceSession, role: str) -> None:
    someone = browse_as(role)
    for path in (f"/connections/{session.connection_id}/traces/", home(session), entry_of(session, 0)):
        assert someone.get(path).status == 403
    assert someone.get(home(session, "download.pcap")).status == 403
    assert someone.post(home(session, "stop")).status == 403
    assert someone.post(f"/connections/{session.connection_id}/traces/", {"minutes": "5"}).status == 403
    assert TraceSession.objects.get().until_ms > now_ms()


def test_a_stranger_finds_nothing(stranger: Browser, session: TraceSession) -> None:
    for path in (f"/connections/{session.connection_id}/traces/", home(session), entry_of(session, 0)):
        assert stranger.get(path).status == 404
    assert stranger.get(home(session, "download.json")).status == 404
    assert stranger.post(home(session, "stop")).status == 404
    assert stranger.get(f"/live/trace/{session.pk}").status == 404


def test_an_entry_of_another_trace_is_not_found(admin: Browser, north: Connection, session: TraceSession) -> None:
    other = services.start_trace(north.organisation_id, north.pk, services.Wanted(5), None, now_ms())
    number = TraceEntry.objects.order_by("pk")[0].pk
    assert admin.get(home(other, f"{number}/")).status == 404


# -- files -----------------------------------------------------------------------------------------------------------


def test_the_capture_file_holds_what_was_said_for_who_may_see_it(admin: Browser, session: TraceSession) -> None:
    answer = admin.get(home(session, "download.pcap"))
    assert answer.response.headers["Content-Type"] == "application/vnd.tcpdump.pcap"
    assert content(answer).startswith(next(iter(capture([]))))
    for entry in TraceEntry.objects.all():
        assert bytes(entry.content) in content(answer)
    assert AuditEvent.objects.filter(subject_kind="trace", action="download").count() == 1


def test_the_json_file_names_every_field(admin: Browser, session: TraceSession) -> None:
    document = json.loads(content(admin.get(home(session, "download.json"))))
    assert document["connection"] == "North"
    commands = [entry["command"] for entry in document["entries"]]
    assert commands == ["submit_sm", "submit_sm_resp", "deliver_sm", "enquire_link"]
    assert document["entries"][0]["fields"]["destination_addr"] == MARIE
    assert document["entries"][0]["fields"]["short_message"] == TEXT
    assert document["entries"][2]["parameters"] == [{"tag": 0x0427, "name": "message_state", "value": "02"}]


def test_there_is_no_other_file(admin: Browser, session: TraceSession) -> None:
    assert admin.get(home(session, "download.exe")).status == 404


# -- exchanges -------------------------------------------------------------------------------------------------------


def exchanged(organisation: Organisation, **values: Any) -> TraceSession:
    """A trace of a connection by HTTP with one call in it."""
    connection = create_connection(organisation.pk, "Cloud", "twilio", TWILIO, now_ms())
    session = services.start_trace(organisation.pk, connection.pk, services.Wanted(5), None, now_ms())
    body = values.get("body", f"To=%2B{MARIE}&Body=Bonjour+Marie").encode()
    request = HttpRequest(
        "POST", "https://api.example.org/Messages.json", (("Content-Type", values.get("kind", "text/plain")),), body
    )
    response = HttpResponse(201, json.dumps({"sid": "SM1", "to": f"+{MARIE}", "body": "Bonjour Marie"}).encode(), {})
    message = OutboundMessage(1, f"+{MARIE}", "CHAPPE", "Bonjour Marie", 0, 0, 0, 0, 0, organisation.pk)
    held = kept_exchange(request, response, Accepted(("SM1",)), 0.12, message, ("s3cret-token",))
    key = number_key(MARIE)
    TraceEntry.objects.create(
        session=session, at_ms=now_ms(), direction="out", kind="exchange", role="http", recipient=key, content=held
    )
    return session


def test_an_exchange_is_read_by_people(admin: Browser, organisation: Organisation) -> None:
    session = exchanged(organisation)
    assert "201" in admin.get(home(session)).text
    shown = admin.get(entry_of(session, 0)).text
    for words in ("POST", "api.example.org", "Bonjour+Marie", f"+{MARIE}", "accepted SM1", "120 ms"):
        assert words in shown
    file = content(admin.get(home(session, "download.pcap")))
    assert b"POST /Messages.json HTTP/1.1\r\nHost: api.example.org\r\n" in file
    assert b"HTTP/1.1 201 Created\r\n" in file


def test_bodies_of_forms_and_json_are_taken_apart(admin: Browser, organisation: Organisation) -> None:
    session = exchanged(organisation, kind="application/x-www-form-urlencoded")
    shown = admin.get(entry_of(session, 0))
    names = ["".join(one.itertext()) for one in shown.find("dt", class_="mono")]
    values = ["".join(one.itertext()) for one in shown.all("dd")]
    assert {"To", "Body", "sid", "to", "body"} <= set(names)
    assert "Bonjour Marie" in values


def test_of_an_exchange_nobody_sees_more_than_they_may(browse_as: Browse, organisation: Organisation) -> None:
    session = exchanged(organisation)
    operator = browse_as("operator")
    assert operator.user is not None
    for withheld, hidden in (([], [b"Bonjour"]), (["see_numbers"], [b"Bonjour", MARIE.encode(), MARIE[-8:].encode()])):
        operator.user.withheld = withheld
        operator.user.save()
        everything = content(operator.get(home(session))) + content(operator.get(entry_of(session, 0)))
        everything += content(operator.get(home(session, "download.pcap")))
        everything += content(operator.get(home(session, "download.json")))
        assert b"Messages.json" in everything
        assert [one for one in hidden if one in everything] == []


def test_a_body_that_writes_the_text_in_a_way_of_its_own_is_hidden_whole(
    browse_as: Browse, organisation: Organisation
) -> None:
    session = exchanged(organisation, body="<xor>Obawbhe Znevr</xor>")
    shown = browse_as("operator").get(entry_of(session, 0)).text
    assert "Znevr" not in shown


# -- afterwards ------------------------------------------------------------------------------------------------------


def test_a_day_later_nothing_is_left(session: TraceSession) -> None:
    from chappe.features.jobs.models import Job
    from chappe.features.jobs.services import run_until_empty

    run_until_empty()
    assert TraceSession.objects.exists()
    TraceSession.objects.update(started_ms=session.started_ms - services.KEPT_MS)
    assert Job.objects.get(kind=services.FORGET).due_ms > now_ms()
    Job.objects.update(due_ms=0)
    run_until_empty()
    assert not TraceSession.objects.exists()
    assert not TraceEntry.objects.exists()
    assert Job.objects.get(kind=services.FORGET).status == "finished"


def test_the_page_is_told_when_something_new_is_there(session: TraceSession, organisation: Organisation) -> None:
    before = services.fingerprint(organisation.pk, session.pk)
    assert services.fingerprint(organisation.pk, session.pk) == before
    TraceSession.objects.update(left_out=3)
    assert services.fingerprint(organisation.pk, session.pk) != before
