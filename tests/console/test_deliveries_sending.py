"""Deliveries at the console: analysed, confirmed, sent, watched, and reported."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.console.browser import Browser
from tests.console.delivery_stage import at_work, typed
from tests.e2e.installation import until
from tests.engine.house import House
from tests.features.stage import Stage, counts, number
from tests.row import NOW_MS, click, link

from chappe.features.accounts.models import Organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.clock import now_ms
from chappe.features.connections.services import create_connection
from chappe.features.contacts import services as contacts
from chappe.features.contacts.services import Details
from chappe.features.deliveries import proof, services
from chappe.features.deliveries.models import Delivery, Proof, ProofNumber
from chappe.features.deliveries.progress import fingerprint, proof_fingerprint
from chappe.features.jobs.models import Job
from chappe.features.jobs.services import run_until_empty
from chappe.features.messages.models import DeliveryCount, Message, Outbox, Traffic
from chappe.features.refusal import NotFound
from chappe.features.settings.services import Change, change_settings
from chappe.features.tracking.services import clicks_of
from chappe.messaging import DeliveryState, TrafficKind

WAITING, EXCLUDED = DeliveryState.WAITING, DeliveryState.EXCLUDED


@pytest.fixture
def stage(database: str) -> Stage:
    return Stage()


@pytest.fixture
def organisation(stage: Stage) -> Organisation:
    return Organisation.objects.get(pk=stage.organisation)


@pytest.fixture
def marketer(browse_as: Callable[..., Browser]) -> Browser:
    return browse_as("marketer")


def rows_of(browser: Browser, path: str) -> list[list[str]]:
    """A file of a page, as a spreadsheet reads it."""
    answer = browser.client.get(path)
    assert "attachment" in answer["Content-Disposition"]
    text = b"".join(answer.streaming_content).decode()
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def state(delivery: Delivery, place: int, to: DeliveryState, **values: Any) -> None:
    """Where a message of the delivery is, counts with it, as an engine would have it."""
    pk = Message.objects.filter(delivery_id=delivery.pk).order_by("pk").values_list("pk", flat=True)[place]
    old = Message.objects.get(pk=pk).state
    Message.objects.filter(pk=pk).update(state=to, **values)
    for one, change in ((old, -1), (to, 1)):
        row, _ = DeliveryCount.objects.get_or_create(delivery_id=delivery.pk, state=one)
        row.messages += change
        row.save()


# -- analysis ----------------------------------------------------------------------------------------------------------


def test_an_analysis_is_a_job_whose_end_the_page_shows(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1), name="Ada")
    stage.person(number(2), name="Grace")
    stage.person()
    stage.block(number(2))
    draft = stage.draft("Hello {{ name }}")
    before = fingerprint(stage.organisation, draft.pk)
    running = marketer.post(f"/deliveries/{draft.pk}/analyse/")
    assert "The messages are being prepared" in running.text
    assert fingerprint(stage.organisation, draft.pk) != before
    run_until_empty()
    shown = marketer.get(f"/deliveries/{draft.pk}/")
    assert "Ready to send" in shown.text
    assert "Hello Ada" in shown.text
    assert "In quarantine: messages did not arrive before 1" in shown.text
    assert "The number cannot be read 1" in shown.text
    assert "your own contract with the provider" in shown.text


def test_an_analysis_that_cannot_be_done_says_why(stage: Stage, marketer: Browser) -> None:
    draft = stage.draft("Hello {{ name }}")
    stage.person(number(1), town="Paris")
    marketer.post(f"/deliveries/{draft.pk}/analyse/")
    run_until_empty()
    shown = marketer.get(f"/deliveries/{draft.pk}/")
    assert "The analysis could not be done" in shown.text
    assert f"/deliveries/{draft.pk}/edit/" in shown.links()


def test_what_is_ready_can_be_revised(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1))
    ready = stage.analysed()
    shown = marketer.post(f"/deliveries/{ready.pk}/revise/")
    assert shown.url == f"/deliveries/{ready.pk}/edit/"
    assert Delivery.objects.get().status == "draft"


def test_quiet_hours_are_told_before_and_while_sending(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1))
    always = [{"start": 0, "end": 0, "days": [1, 2, 3, 4, 5, 6, 7]}]
    change_settings(stage.organisation, Change(quiet_periods=always), now_ms())
    ready = stage.analysed()
    assert "It is quiet hours: marketing waits until" in marketer.get(f"/deliveries/{ready.pk}/confirm/").text
    marketer.post(f"/deliveries/{ready.pk}/confirm/")
    assert "It is quiet hours" in marketer.get(f"/deliveries/{ready.pk}/").text


# -- confirmation ------------------------------------------------------------------------------------------------------


def test_a_sentence_says_what_will_happen_before_anything_does(stage: Stage, marketer: Browser) -> None:
    for index in range(3):
        stage.person(number(index + 1))
    stage.person()
    stage.connection.settings["max_mt_per_s"] = 1
    stage.connection.save()
    ready = stage.analysed("a" * 161)
    shown = marketer.get(f"/deliveries/{ready.pk}/confirm/")
    said = "3 messages go to the list “Customers” by the connection “North”, in 6 segments"
    assert f"{said}; at about 1 a second it takes some 6 seconds." in shown.text
    assert "1 person of the list is left out." in shown.text
    assert "No engine serves it" in shown.text  # nothing would leave, and that is told
    assert Delivery.objects.get().status == "ready"
    sent = marketer.post(f"/deliveries/{ready.pk}/confirm/")
    assert sent.url == f"/deliveries/{ready.pk}/"
    assert "Sending" in sent.text
    assert not Outbox.objects.filter(is_held=True).exists()


def test_a_confirmation_that_comes_twice_sends_once(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1))
    ready = stage.analysed()
    marketer.post(f"/deliveries/{ready.pk}/confirm/")
    again = marketer.post(f"/deliveries/{ready.pk}/confirm/")
    assert "it can be sent while it is ready" in again.text
    assert Message.objects.count() == 1


# -- on its way --------------------------------------------------------------------------------------------------------


@pytest.fixture
def sending(stage: Stage) -> Delivery:
    """Three messages of which one has left."""
    for index in range(3):
        stage.person(number(index + 1))
    ready = stage.analysed()
    services.send(stage.organisation, ready.pk, now_ms() - 10_000)
    state(ready, 0, DeliveryState.SENT, sent_ms=now_ms())
    return Delivery.objects.get()


def test_the_page_shows_figures_speed_and_end(stage: Stage, sending: Delivery, marketer: Browser) -> None:
    link(stage.connection.pk, "bound", changed_ms=now_ms(), window=10, in_flight=0)
    now = now_ms()
    head = {"connection_id": stage.connection.pk, "bucket_ms": now - now % 300_000, "width_ms": 300_000}
    Traffic.objects.create(
        organisation_id=stage.organisation, delivery_id=sending.pk, kind=TrafficKind.SENT, messages=5000, **head
    )
    shown = marketer.get(f"/deliveries/{sending.pk}/")
    assert "Have left 33.3% 1 of 3" in shown.text
    assert re.search(r"Sent per second [1-9]", shown.text)
    assert "Nothing holds it back" in shown.text
    assert "All have left in — " not in shown.text


def test_why_nothing_leaves_is_told_in_words(sending: Delivery, marketer: Browser) -> None:
    assert "No engine serves it" in marketer.get(f"/deliveries/{sending.pk}/").text


def test_a_delivery_is_paused_and_resumed(sending: Delivery, marketer: Browser) -> None:
    paused = marketer.post(f"/deliveries/{sending.pk}/pause/")
    assert "It is paused: nothing more leaves until somebody resumes it." in paused.text
    assert Outbox.objects.filter(is_held=True).exists()
    resumed = marketer.post(f"/deliveries/{sending.pk}/resume/")
    assert "It is paused" not in resumed.text
    assert not Outbox.objects.filter(is_held=True).exists()


def test_a_delivery_is_cancelled_by_its_name_alone(sending: Delivery, marketer: Browser) -> None:
    path = f"/deliveries/{sending.pk}/cancel/"
    refused = marketer.post(path, {"confirmation": "july"})
    assert "Type “June”" in refused.error_of("confirmation")
    assert Delivery.objects.get().status == "sending"
    shown = marketer.post(path, {"confirmation": "June"})
    assert Delivery.objects.get().status == "cancelled"
    assert "What has left cannot be called back." in shown.text


def test_a_draft_is_deleted_by_its_name_alone(stage: Stage, marketer: Browser) -> None:
    draft = stage.draft()
    marketer.post(f"/deliveries/{draft.pk}/delete/", {"confirmation": "no"})
    assert Delivery.objects.get().status == "draft"
    shown = marketer.post(f"/deliveries/{draft.pk}/delete/", {"confirmation": "June"})
    assert "“June” is deleted." in shown.text
    run_until_empty()
    assert not Delivery.objects.exists()


def test_the_topic_differs_when_the_page_would(stage: Stage, sending: Delivery) -> None:
    one, all_of_them = fingerprint(stage.organisation, sending.pk), fingerprint(stage.organisation, 0)
    state(sending, 1, DeliveryState.DELIVERED)
    assert fingerprint(stage.organisation, sending.pk) != one
    assert fingerprint(stage.organisation, 0) != all_of_them
    with pytest.raises(NotFound):
        fingerprint(stage.organisation + 1, sending.pk)


# -- report ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def finished(stage: Stage, sending: Delivery) -> Delivery:
    """One message of each: delivered, failed, still without a receipt; and somebody left out."""
    state(sending, 1, DeliveryState.DELIVERED, sent_ms=NOW_MS, done_ms=NOW_MS + 1000)
    state(sending, 2, DeliveryState.FAILED, reason="UNDELIV 001", done_ms=NOW_MS + 1000)
    stage.reset(sending, status="finished", finished_ms=now_ms())
    return Delivery.objects.get()


def test_the_report_says_what_became_of_everybody(finished: Delivery, marketer: Browser) -> None:
    shown = marketer.get(f"/deliveries/{finished.pk}/report/")
    assert "All has left. 1 message still has no receipt." in shown.text
    assert "Delivered 33.3% 1" in shown.text
    assert "The provider could not deliver it (UNDELIV 001) 1" in shown.text
    assert "Nobody: everybody on the list gets it." in shown.text
    assert marketer.get(f"/deliveries/{finished.pk}/").text == shown.text


def test_the_report_draws_when_messages_left(stage: Stage, finished: Delivery, marketer: Browser) -> None:
    now = now_ms()
    head = {"connection_id": stage.connection.pk, "bucket_ms": now - now % 300_000, "width_ms": 300_000}
    for kind in (TrafficKind.SENT, TrafficKind.DELIVERED):
        Traffic.objects.create(
            organisation_id=stage.organisation, delivery_id=finished.pk, kind=kind, messages=2, **head
        )
    shown = marketer.get(f"/deliveries/{finished.pk}/report/")
    assert len(shown.find("figure", class_="chart")) == 2
    assert '<rect class="info"' in shown.html


def test_a_delivery_that_has_not_started_has_no_report(stage: Stage, marketer: Browser) -> None:
    draft = stage.draft()
    assert marketer.get(f"/deliveries/{draft.pk}/report/").url == f"/deliveries/{draft.pk}/"


def test_the_figures_are_taken_along_as_a_file(finished: Delivery, marketer: Browser) -> None:
    rows = rows_of(marketer, f"/deliveries/{finished.pk}/report/figures.csv")
    assert rows[0] == ["Figure", "Of", "Number"]
    assert ["State", "Delivered", "1"] in rows
    assert ["Failed", "The provider could not deliver it (UNDELIV 001)", "1"] in rows


def test_the_messages_are_taken_along_without_texts_or_formulas(
    finished: Delivery, marketer: Browser, browse_as: Callable[..., Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "READ_AT_ONCE", 2)
    rows = rows_of(marketer, f"/deliveries/{finished.pk}/messages.csv")
    assert [row[1] for row in rows[1:]] == [f"'{number(index + 1)}" for index in range(3)]
    assert [row[2] for row in rows[1:]] == ["Sent", "Delivered", "Failed"]
    assert not any("Hello" in cell for row in rows for cell in row)
    hidden = rows_of(browse_as("auditor"), f"/deliveries/{finished.pk}/messages.csv")
    assert not any(number(1) in cell for row in hidden for cell in row)


def test_the_messages_are_paged_by_key_and_found_by_state(
    finished: Delivery, marketer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chappe.features.deliveries.views.SHOWN", 2)
    path = f"/deliveries/{finished.pk}/messages/"
    first = marketer.get(path)
    assert number(1) in first.text
    assert number(3) not in first.text
    (following,) = [one.get("href", "") for one in first.find("a", rel="next")]
    assert number(3) in marketer.get(path + following).text
    failed = marketer.get(path, state="failed")
    assert number(3) in failed.text
    assert number(1) not in failed.text


def test_those_of_a_state_are_looked_for_so_many_at_a_time(
    finished: Delivery, marketer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "LOOKED_AT", 2)
    path = f"/deliveries/{finished.pk}/messages/"
    shown = marketer.get(path, state="failed")
    assert "None among those looked at so far" in shown.text
    (following,) = [one.get("href", "") for one in shown.find("a", rel="next")]
    assert number(3) in marketer.get(path + following).text


# -- proofs ------------------------------------------------------------------------------------------------------------


def test_a_proof_is_the_text_of_somebody_to_test_numbers(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1), name="Ada")
    stage.person(number(2), name="Grace")
    draft = stage.draft("Hello {{ name }}", sender="36111")
    before = proof_fingerprint(stage.organisation, draft.pk)
    shown = marketer.post(
        f"/deliveries/{draft.pk}/proof/", {"numbers": "+33 6 99 00 00 01\n+33699000002, +33699000001", "place": "1"}
    )
    assert "The proof is on its way." in shown.text
    assert proof_fingerprint(stage.organisation, draft.pk) != before
    sent = Message.objects.order_by("pk")
    assert [(one.recipient, one.body, one.sender) for one in sent] == [
        ("+33699000001", "Hello Grace", "36111"),
        ("+33699000002", "Hello Grace", "36111"),
    ]
    assert {(one.delivery_id, one.contact_id, one.client_reference) for one in sent} == {(0, 0, f"proof {draft.pk}")}
    assert counts(draft) == {}
    assert Outbox.objects.get().priority == proof.PRIORITY
    assert AuditEvent.objects.filter(action="proof", subject_id=draft.pk).count() == 1
    assert "+33699000002" in shown.text


def test_a_proof_heeds_quarantine(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1), name="Ada")
    stage.block("+33699000001")
    draft = stage.draft("Hello {{ name }}")
    shown = marketer.post(f"/deliveries/{draft.pk}/proof/", {"numbers": "+33699000001\n+33699000002", "place": "0"})
    assert "In quarantine: messages did not arrive before" in shown.text
    assert list(Message.objects.order_by("pk").values_list("state", flat=True)) == [EXCLUDED, WAITING]


def test_a_number_that_cannot_be_read_is_said_beside_the_field(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1))
    draft = stage.draft()
    path = f"/deliveries/{draft.pk}/proof/"
    refused = marketer.post(path, {"numbers": "+33699000001\nnobody", "place": "0"})
    assert "nobody" in refused.error_of("numbers")
    assert refused.value_of("numbers") == "+33699000001\nnobody"
    many = "\n".join(number(index) for index in range(101))
    assert "at most 100" in marketer.post(path, {"numbers": many, "place": "0"}).error_of("numbers")
    assert marketer.post(path, {"numbers": "", "place": "0"}).error_of("numbers")
    assert not Message.objects.exists()


def test_a_number_without_a_country_is_of_the_organisation_s(stage: Stage, marketer: Browser) -> None:
    stage.person(number(1))
    change_settings(stage.organisation, Change(region="FR"), now_ms())
    marketer.post(f"/deliveries/{stage.draft().pk}/proof/", {"numbers": "06 99 00 00 01", "place": "0"})
    assert Message.objects.get().recipient == "+33699000001"


def test_test_numbers_are_kept_for_everybody_and_forgotten(
    stage: Stage, marketer: Browser, stranger: Browser, browse_as: Callable[..., Browser]
) -> None:
    stage.person(number(1))
    draft = stage.draft()
    path = f"/deliveries/{draft.pk}/proof/"
    marketer.post(f"{path}numbers/", {"address": "+33699000001", "name": "Marie"})
    kept = ProofNumber.objects.get()
    assert "Marie" in browse_as("administrator").get(path).text
    marketer.post(path, {"kept": "+33699000001", "numbers": "", "place": "0"})
    assert Message.objects.get().recipient == "+33699000001"
    assert stranger.post(f"{path}numbers/{kept.pk}/forget/").status == 404
    assert "already" in marketer.post(f"{path}numbers/", {"address": "+33 699000001", "name": ""}).text
    marketer.post(f"{path}numbers/{kept.pk}/forget/")
    assert not ProofNumber.objects.exists()
    assert "+33699000001" not in str(list(AuditEvent.objects.values_list("before", "after", "subject_name")))


def test_an_email_proof_never_reaches_the_person_it_shows(stage: Stage, marketer: Browser) -> None:
    settings = {"url": "https://esp.example.org/send", "identifier_type": "external_id"}
    esp = create_connection(stage.organisation, "Mail", "esp", settings, NOW_MS)
    details = Details(email="jane@example.org", external_id="C7", attributes={"name": "Jane"})
    contacts.create_contact(stage.organisation, details, [stage.people.pk], NOW_MS)
    body = '{"to": "{{ user_identifier }}", "address": "{{ email }}", "name": "{{ name }}"}'
    draft = stage.draft(body, connection_id=esp.pk)
    marketer.post(f"/deliveries/{draft.pk}/proof/", {"numbers": "tester@example.org", "place": "0"})
    sent = Message.objects.get()
    assert (sent.recipient, sent.channel) == ("tester@example.org", "email")
    assert "Jane" in sent.body
    assert "C7" not in sent.body
    assert "jane@example.org" not in sent.body


def test_a_person_who_is_erased_is_in_no_proof_and_among_no_test_numbers(stage: Stage, marketer: Browser) -> None:
    someone = stage.person(number(1), name="Ada")
    draft = stage.draft("Hello {{ name }}")
    path = f"/deliveries/{draft.pk}/proof/"
    marketer.post(f"{path}numbers/", {"address": number(1), "name": "Ada herself"})
    marketer.post(path, {"numbers": "+33699000001", "place": "0"})
    contacts.erase_contact(stage.organisation, someone.pk, now_ms())
    run_until_empty()
    assert not ProofNumber.objects.exists()
    message = Message.objects.get()
    assert message.body == "Hello Ada"  # on its way
    click(message.pk)
    Message.objects.update(state=DeliveryState.FAILED)
    Job.objects.update(due_ms=0)
    run_until_empty()
    assert Message.objects.get().body == ""
    assert [(one.url, one.clicks) for one in clicks_of(message.pk)] == [("", 1)]


def test_nobody_on_the_list_no_proof(stage: Stage, marketer: Browser) -> None:
    shown = marketer.get(f"/deliveries/{stage.draft().pk}/proof/")
    assert "Nobody on the list has a number or address that could be read." in shown.text


def test_what_is_on_its_way_needs_no_proof_any_more(sending: Delivery, marketer: Browser) -> None:
    path = f"/deliveries/{sending.pk}/proof/"
    assert "Proofs are sent before the delivery is." in marketer.get(path).text
    refused = marketer.post(path, {"numbers": number(9), "place": "0"})
    assert "Proofs are sent before the delivery is." in refused.text
    assert not Proof.objects.exists()


# -- the whole of it, with an engine and a provider ------------------------------------------------------------------


def test_a_marketer_writes_proves_sends_and_reads_the_report(
    database: str, stage: Stage, browse_as: Callable[..., Browser], organisation: Organisation
) -> None:
    stage.connection.delete()
    house = House(database)
    people = contacts.create_list(organisation.pk, "Regulars", now_ms())
    for index in range(20):
        details = Details(phone=number(index + 1), attributes={"name": f"Person {index}"})
        contacts.create_contact(organisation.pk, details, [people.pk], now_ms())
    marketer = browse_as("marketer")
    with at_work(house, identity=r"no\. (\d+)"):
        form = typed(
            people.pk, house.connection_id, label="Sales", body="Hello {{ name }}, no. {{ phone }}", do="proof"
        )
        proving = marketer.post("/deliveries/new/", form)
        delivery = Delivery.objects.get()
        assert proving.url == f"/deliveries/{delivery.pk}/proof/"
        marketer.post(proving.url, {"numbers": "+33699000001", "place": "3"})
        until(lambda: "Delivered" in marketer.get(proving.url).text, 20, "the receipt of the proof")
        marketer.post(f"/deliveries/{delivery.pk}/analyse/")
        run_until_empty()
        assert "20 messages go to the list “Regulars”" in marketer.get(f"/deliveries/{delivery.pk}/confirm/").text
        marketer.post(f"/deliveries/{delivery.pk}/confirm/")
        end = "All is known of it: every message has come to its end."
        until(lambda: end in marketer.get(f"/deliveries/{delivery.pk}/").text, 30, "the end of every message")
        shown = marketer.get(f"/deliveries/{delivery.pk}/report/")
        assert "Delivered 100% 20" in shown.text  # the proof is not among them
    house.stock.close()
