"""Traces of connections: begun, stopped, read, and forgotten within a day."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q

from chappe.features import clock
from chappe.features.accounts.models import User
from chappe.features.audit.record import CHANGE, CREATE, Subject, note
from chappe.features.connections.services import find_connection
from chappe.features.jobs import services as jobs
from chappe.features.jobs.models import Job
from chappe.features.page import LARGEST_ID, Page, newest_first
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.features.traces.models import TraceEntry, TraceSession
from chappe.providers.smpp_settings import SPEC as SMPP
from chappe.rules.trace import number_key

if TYPE_CHECKING:
    from django.db.models import QuerySet

FORGET = "traces.forget"
MINUTES = (5, 15, 30, 60)
"""How long a trace may run."""
MOST_PDUS = 5_000
MOST_EXCHANGES = 1_000
"""An exchange is many times as long as a PDU."""
MOST_RUNNING = 3
"""Of one connection at a time."""
KEPT_MS = 24 * 3_600_000
"""From its start on: whoever is erased everywhere is gone from every trace a day later at the latest."""
LONGEST_NUMBER = 64
MINUTE_MS = 60_000
NEAR = 2_000
"""How many entries before and after one are looked through for its answer, or for what it answers."""


@dataclass(frozen=True)
class Wanted:
    """What to trace: for how many minutes, and whose number alone; "" for everybody's."""

    minutes: int
    number: str = ""


def start_trace(
    organisation_id: int, connection_id: int, wanted: Wanted, user: User | None, now_ms: int
) -> TraceSession:
    """A trace that begins within a second. Raises NotFound, InvalidInput; Conflict where the connection is switched off, or is
    traced often enough already."""
    connection = find_connection(organisation_id, connection_id)
    if wanted.minutes not in MINUTES:
        raise InvalidInput.at("minutes", f"must be one of {', '.join(map(str, MINUTES))}")
    number = _checked_number(wanted.number)
    if not connection.is_enabled:
        raise Conflict("The connection is switched off: there is nothing to trace.")
    with transaction.atomic():
        if _sessions(organisation_id, connection_id).filter(until_ms__gt=now_ms).count() >= MOST_RUNNING:
            raise Conflict(f"{MOST_RUNNING} traces of this connection are running. Stop one of them first.")
        session = TraceSession.objects.create(
            organisation_id=organisation_id,
            connection=connection,
            started_by=user,
            number=number,
            most_entries=MOST_PDUS if connection.provider == SMPP.key else MOST_EXCHANGES,
            started_ms=now_ms,
            until_ms=now_ms + wanted.minutes * MINUTE_MS,
        )
        jobs.enqueue(organisation_id, FORGET, session.pk, now_ms)
        subject = Subject(organisation_id, "trace", session.pk, connection.name)
        note(subject, CREATE, after={"minutes": wanted.minutes, "one_number": bool(number)})
    return session


def stop_trace(organisation_id: int, connection_id: int, session_id: int, now_ms: int) -> TraceSession:
    """It keeps what it has. Raises NotFound."""
    with transaction.atomic():
        session = find_trace(organisation_id, connection_id, session_id)
        if _sessions(organisation_id, connection_id).filter(pk=session_id, until_ms__gt=now_ms).update(until_ms=now_ms):
            session.until_ms = now_ms
            note(_subject(session), CHANGE, before={"is_running": True}, after={"is_running": False})
    return session


def note_download(session: TraceSession, form: str) -> None:
    """Whoever takes a trace along is written down."""
    note(_subject(session), "download", after={"form": form})


def find_trace(organisation_id: int, connection_id: int, session_id: int) -> TraceSession:
    """Raises NotFound."""
    found = _sessions(organisation_id, connection_id).filter(pk=min(session_id, LARGEST_ID))
    session = found.select_related("connection", "started_by").first()
    if session is None:
        raise NotFound("trace", session_id)
    return session


def traces_page(organisation_id: int, connection_id: int, cursor: str, limit: int) -> Page[TraceSession]:
    """Those of a connection, the latest first. Raises NotFound, InvalidInput."""
    find_connection(organisation_id, connection_id)
    return newest_first(_sessions(organisation_id, connection_id).select_related("started_by"), cursor, limit)


def entries_page(session: TraceSession, number: str, cursor: str, limit: int) -> Page[TraceEntry]:
    """What was kept, the latest first; of one number alone where one is given. Raises InvalidInput."""
    rows = TraceEntry.objects.filter(session_id=session.pk)
    key = _checked_number(number)
    return newest_first(rows.filter(Q(sender=key) | Q(recipient=key)) if key else rows, cursor, limit)


def every_entry(session: TraceSession) -> "QuerySet[TraceEntry]":
    """All of them, as they came; there are at most as many as a session may have."""
    return TraceEntry.objects.filter(session_id=session.pk).order_by("pk")


def find_entry(session: TraceSession, entry_id: int) -> TraceEntry:
    """Raises NotFound."""
    found = TraceEntry.objects.filter(session_id=session.pk, pk=min(entry_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("entry", entry_id)
    return found


def counterpart(entry: TraceEntry) -> int | None:
    """The entry that answers a PDU, or that it answers; None where it was not kept."""
    if entry.kind != "pdu":
        return None
    other = "in" if entry.direction == "out" else "out"
    near = TraceEntry.objects.filter(
        session_id=entry.session_id,
        pk__range=(entry.pk - NEAR, entry.pk + NEAR),
        link=entry.link,
        direction=other,
        sender=entry.sender,
        recipient=entry.recipient,
    )
    wanted = _answering(bytes(entry.content))
    found = [
        pk for pk, content in near.values_list("pk", "content") if bytes(content)[4:8] + bytes(content)[12:16] == wanted
    ]
    return min(found, key=lambda pk: abs(pk - entry.pk), default=None)


def fingerprint(organisation_id: int, session_id: int) -> tuple[int, int, bool]:
    """What differs when the page of a trace would. Raises NotFound."""
    row = TraceSession.objects.filter(organisation_id=organisation_id, pk=session_id).first()
    if row is None:
        raise NotFound("trace", session_id)
    return row.entries, row.left_out, row.until_ms > clock.now_ms()


def forget_person(organisation_id: int, addresses: Iterable[str]) -> None:
    """Delete what any trace of the organisation holds from or to these; and the traces that were of them alone."""
    keys = [key for address in addresses if (key := number_key(address))]
    sessions = TraceSession.objects.filter(organisation_id=organisation_id)
    sessions.filter(number__in=keys).delete()
    ids = list(sessions.values_list("pk", flat=True))
    TraceEntry.objects.filter(Q(sender__in=keys) | Q(recipient__in=keys), session_id__in=ids).delete()


def _answering(content: bytes) -> bytes:
    """The command_id and sequence_number that the counterpart of a PDU has: a response's have the highest bit set."""
    return bytes((content[4] ^ 0x80,)) + content[5:8] + content[12:16]


def _checked_number(number: str) -> str:
    if len(number) > LONGEST_NUMBER:
        raise InvalidInput.at("number", f"must have at most {LONGEST_NUMBER} characters")
    return number_key(number)


def _sessions(organisation_id: int, connection_id: int) -> "QuerySet[TraceSession]":
    return TraceSession.objects.filter(organisation_id=organisation_id, connection_id=min(connection_id, LARGEST_ID))


def _subject(session: TraceSession) -> Subject:
    return Subject(session.organisation_id, "trace", session.pk, session.connection.name)


def _forget_job(job: Job, lease: jobs.Lease) -> None:
    session = TraceSession.objects.filter(pk=job.subject_id).first()
    if session is None:
        return
    left_ms = session.started_ms + KEPT_MS - clock.now_ms()
    if left_ms > 0:
        raise jobs.Postponed(left_ms)
    session.delete()


def _nothing_to_tell(job: Job, error: str) -> None:
    """Nobody waits for this job; its row says why it failed."""


jobs.KINDS[FORGET] = jobs.Kind(_forget_job, _nothing_to_tell)
