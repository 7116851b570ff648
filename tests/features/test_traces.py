"""What is traced of a person goes when the person is erased."""

from chappe.features.accounts.models import Organisation
from chappe.features.connections.services import create_connection
from chappe.features.contacts import services as contacts
from chappe.features.contacts.services import Details
from chappe.features.jobs import services as jobs
from chappe.features.traces import services
from chappe.features.traces.models import TraceEntry, TraceSession
from chappe.rules.trace import number_key

NOW_MS = 1_767_225_600_000
SMPP = {"host": "smsc.example.org", "account": "relais", "password": "secret"}
MARIE, PAUL = "+33612345678", "+33687654321"


def organisation(name: str) -> tuple[Organisation, int]:
    made = Organisation.objects.create(name=name)
    return made, create_connection(made.pk, "North", "smpp", SMPP, NOW_MS).pk


def kept(session: TraceSession, sender: str, recipient: str) -> TraceEntry:
    keys = {"sender": number_key(sender), "recipient": number_key(recipient)}
    return TraceEntry.objects.create(session=session, direction="out", kind="pdu", content=b"\0" * 16, **keys)


def test_erasing_a_person_reaches_what_was_traced_of_them_alone(database: str) -> None:
    ours, connection = organisation("Relais")
    theirs, their_connection = organisation("Another")
    now_ms = services.clock.now_ms()
    everybody = services.start_trace(ours.pk, connection, services.Wanted(5), None, now_ms)
    marie = services.start_trace(ours.pk, connection, services.Wanted(5, MARIE), None, now_ms)
    other = services.start_trace(theirs.pk, their_connection, services.Wanted(5), None, now_ms)
    kept(everybody, "CHAPPE", MARIE)
    kept(everybody, MARIE, "36180")
    kept(marie, "CHAPPE", MARIE)
    stays = {kept(everybody, "CHAPPE", PAUL).pk, kept(everybody, "", "").pk, kept(other, "CHAPPE", MARIE).pk}
    contact = contacts.create_contact(ours.pk, Details(phone=MARIE), (), NOW_MS)
    contacts.erase_contact(ours.pk, contact.pk, NOW_MS)
    jobs.run_until_empty()
    assert set(TraceEntry.objects.values_list("pk", flat=True)) == stays
    assert set(TraceSession.objects.values_list("pk", flat=True)) == {everybody.pk, other.pk}
