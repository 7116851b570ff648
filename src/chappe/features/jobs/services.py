"""Long work outside requests: whoever holds a job's lease does it, and only what the lease's holder says counts."""

import secrets
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from django.db import close_old_connections, connection
from django.db.models import F, Q

from chappe.features.audit.actor import SYSTEM, acting_as
from chappe.features.clock import now_ms
from chappe.features.jobs.models import Job
from chappe.messaging import ChappeError, LeaseLost

LEASE_MS = 60_000
BEAT_MS = 5_000
MOST_TRIES = 5
RETRY_MS = 5_000
"""The wait before the second try; each further one waits twice as long."""

log = structlog.get_logger(__name__)


class Interrupted(ChappeError):
    """The process ends: the job is given back as it is, and this run does not count as a try."""


class Postponed(ChappeError):
    """The job has more to do later; this run does not count as a try."""

    def __init__(self, after_ms: int) -> None:
        self.after_ms = after_ms
        super().__init__(f"goes on in {after_ms} ms")


class Lease:
    """The right to do one job. Call `beat` at least once in half a minute: it keeps the lease, or ends the work."""

    def __init__(self, job: Job, stop: threading.Event) -> None:
        self.job = job
        self._stop = stop
        self._next_beat_ms = now_ms() + BEAT_MS

    def beat(self) -> None:
        """Raises Interrupted when the process is to end, LeaseLost when somebody else does the job by now."""
        if self._stop.is_set():
            raise Interrupted("the process ends")
        now = now_ms()
        if now >= self._next_beat_ms:
            self._next_beat_ms = now + BEAT_MS
            if not _held(self.job).update(lease_until_ms=now + LEASE_MS):
                raise LeaseLost(f"job {self.job.pk} was taken over")


Work = Callable[[Job, Lease], None]
GiveUp = Callable[[Job, str], None]


class Kind:
    """What to do for one kind of job, and what to tell its subject when it cannot be done.

    `work` may be run again after any interruption, and must then go on or start anew. An error of `refused` (wrong
    whenever it is tried) ends the job at once.
    """

    def __init__(self, work: Work, give_up: GiveUp, refused: tuple[type[Exception], ...] = ()) -> None:
        self.work = work
        self.give_up = give_up
        self.refused = refused


KINDS: dict[str, Kind] = {}
"""Filled by the features as they start."""


def enqueue(
    organisation_id: int, kind: str, subject_id: int, now_ms: int, arguments: Mapping[str, Any] | None = None
) -> Job:
    """Have it done by whichever process runs jobs; inside the caller's transaction, if there is one."""
    return Job.objects.create(
        organisation_id=organisation_id,
        kind=kind,
        subject_id=subject_id,
        arguments=dict(arguments or {}),
        due_ms=now_ms,
        created_ms=now_ms,
    )


def run_jobs(stop: threading.Event, poll_s: float = 0.5) -> None:
    """Do jobs as they come until `stop` is set."""
    while not stop.is_set():
        close_old_connections()
        try:
            is_busy = run_next(stop)
        except Exception as error:  # noqa: BLE001 - the outer edge of a worker: a database that is away comes back
            log.error("jobs cannot be read", error=type(error).__name__)
            connection.close()
            is_busy = False
        if not is_busy:
            stop.wait(poll_s)


def run_until_empty(stop: threading.Event | None = None) -> int:
    """Do what is due now; how many runs that took. For the command line and for tests."""
    runs = 0
    while run_next(stop or threading.Event()):
        runs += 1
    return runs


def run_next(stop: threading.Event) -> bool:
    """Do one job, if there is one that is due."""
    job = take(now_ms())
    if job is None:
        return False
    kind = KINDS.get(job.kind)
    if kind is None:
        _settle(job, status="failed", error=f"there is no work named {job.kind}")
        return True
    try:
        with acting_as(SYSTEM):
            kind.work(job, Lease(job, stop))
    except Interrupted:
        _give_back(job, 0)
    except Postponed as error:
        _give_back(job, error.after_ms)
    except LeaseLost:
        log.warning("job taken over by another process", job=job.pk, kind=job.kind)
    except Exception as error:  # noqa: BLE001 - the outer edge of a worker: whatever it was, it is kept with the job
        _failed(job, kind, error)
    else:
        _settle(job, status="finished", error="")
    return True


def take(now_ms: int) -> Job | None:
    """The job that has been due the longest and that nobody holds, now ours; None when there is none."""
    free = Job.objects.filter(
        Q(status="waiting") | Q(status="running", lease_until_ms__lte=now_ms),
        status__in=["waiting", "running"],
        due_ms__lte=now_ms,
    )
    for job in free.order_by("due_ms", "pk")[:10]:
        token = secrets.randbits(62) | 1
        # A lease that ran out is a run that died: it counts as a try.
        died = job.status == "running"
        same = Job.objects.filter(pk=job.pk, status=job.status, lease_token=job.lease_token)
        if same.update(
            status="running", lease_token=token, lease_until_ms=now_ms + LEASE_MS, tries=F("tries") + int(died)
        ):
            job.refresh_from_db()
            if job.tries < MOST_TRIES:
                return job
            _give_up(job, KINDS.get(job.kind), job.error or "the process that did it died each time")
    return None


def _held(job: Job) -> Any:
    return Job.objects.filter(pk=job.pk, status="running", lease_token=job.lease_token)


def _give_back(job: Job, after_ms: int) -> None:
    _held(job).update(status="waiting", due_ms=now_ms() + after_ms if after_ms else job.due_ms, lease_until_ms=0)


def _failed(job: Job, kind: Kind, error: Exception) -> None:
    words = _words(error)
    log.error("job failed", job=job.pk, kind=job.kind, tries=job.tries + 1, where=_where(error))
    connection.close()  # whatever state the failure left it in
    if isinstance(error, kind.refused) or job.tries + 1 >= MOST_TRIES:
        _give_up(job, kind, words)
        return
    due_ms = now_ms() + (RETRY_MS << job.tries)
    _held(job).update(status="waiting", tries=F("tries") + 1, error=words, due_ms=due_ms, lease_until_ms=0)


def _give_up(job: Job, kind: Kind | None, words: str) -> None:
    if kind is not None:
        kind.give_up(job, words)
    _settle(job, status="failed", error=words)


def _settle(job: Job, status: str, error: str) -> None:
    _held(job).update(status=status, error=error, finished_ms=now_ms(), lease_until_ms=0, arguments={})


def _words(error: Exception) -> str:
    """Our own errors say what an operator may read; of others only the kind is shown, for their text may quote data."""
    return str(error) if isinstance(error, ChappeError) else f"an error of our own: {type(error).__name__}"


def _where(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {last.name}:{last.lineno}"
