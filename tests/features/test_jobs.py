"""Long work outside requests: done once, again after a failure, and not for ever."""

import threading
from collections.abc import Iterator

import pytest

from chappe.features.clock import now_ms
from chappe.features.jobs import services
from chappe.features.jobs.models import Job
from chappe.features.jobs.services import Kind, Lease
from chappe.messaging import ConfigError, FieldError, LeaseLost


class Work:
    """A kind of job that does what it is told, and remembers what happened."""

    def __init__(self) -> None:
        self.runs = 0
        self.given_up: list[str] = []
        self.raises: list[Exception | None] = []

    def do(self, job: Job, lease: Lease) -> None:
        self.runs += 1
        lease.beat()
        if self.raises and (error := self.raises.pop(0)) is not None:
            raise error

    def give_up(self, job: Job, error: str) -> None:
        self.given_up.append(error)


@pytest.fixture
def work(database: str) -> Iterator[Work]:
    work = Work()
    services.KINDS["test"] = Kind(work.do, work.give_up, refused=(ConfigError,))
    yield work
    del services.KINDS["test"]


def enqueue() -> Job:
    return services.enqueue(1, "test", 5, now_ms(), {"secret": "x"})


def make_due() -> None:
    Job.objects.update(due_ms=0)


def test_a_job_is_done_once_and_its_arguments_are_forgotten(work: Work) -> None:
    enqueue()
    assert services.run_until_empty() == 1
    job = Job.objects.get()
    assert (job.status, job.arguments, work.runs) == ("finished", {}, 1)
    assert job.finished_ms > 0


def test_jobs_are_done_in_the_order_they_came(work: Work) -> None:
    first, second = enqueue(), enqueue()
    taken = services.take(now_ms())
    assert taken is not None and taken.pk == first.pk
    following = services.take(now_ms())
    assert following is not None and following.pk == second.pk
    assert services.take(now_ms()) is None


def test_a_job_that_is_not_due_waits(work: Work) -> None:
    enqueue()
    Job.objects.update(due_ms=now_ms() + 60_000)
    assert services.run_until_empty() == 0


def test_a_failure_is_tried_again_later_and_its_text_never_quotes_data(work: Work) -> None:
    work.raises = [ValueError("+33612345678"), None]
    enqueue()
    services.run_until_empty()
    job = Job.objects.get()
    assert (job.status, job.tries, job.error) == ("waiting", 1, "an error of our own: ValueError")
    assert job.due_ms > now_ms()
    make_due()
    services.run_until_empty()
    assert (Job.objects.get().status, work.runs, work.given_up) == ("finished", 2, [])


def test_a_job_that_keeps_failing_is_given_up(work: Work) -> None:
    work.raises = [ValueError()] * 20
    enqueue()
    for _ in range(20):
        services.run_until_empty()
        make_due()
    assert work.runs == services.MOST_TRIES
    assert (Job.objects.get().status, work.given_up) == ("failed", ["an error of our own: ValueError"])


def test_what_can_never_work_is_not_tried_again(work: Work) -> None:
    work.raises = [ConfigError([FieldError("body", "is empty")])]
    enqueue()
    services.run_until_empty()
    assert (Job.objects.get().status, work.runs, work.given_up) == ("failed", 1, ["body: is empty"])


def test_a_job_of_a_process_that_died_is_taken_over_when_its_lease_has_run_out(work: Work) -> None:
    enqueue()
    assert services.take(now_ms()) is not None
    assert services.run_until_empty() == 0
    Job.objects.update(lease_until_ms=1)
    assert services.run_until_empty() == 1
    job = Job.objects.get()
    assert (job.status, job.tries) == ("finished", 1)


def test_a_job_that_kills_its_process_each_time_is_given_up(work: Work) -> None:
    enqueue()
    for _ in range(services.MOST_TRIES + 3):
        services.take(now_ms())
        Job.objects.update(lease_until_ms=1)
    assert Job.objects.get().status == "failed"
    assert len(work.given_up) == 1


def test_who_lost_the_lease_changes_nothing(work: Work) -> None:
    enqueue()
    late = services.take(now_ms())
    assert late is not None
    Job.objects.update(lease_until_ms=1)
    assert services.take(now_ms()) is not None
    lease = Lease(late, threading.Event())
    lease._next_beat_ms = 0
    with pytest.raises(LeaseLost):
        lease.beat()


def test_a_beat_keeps_the_lease(work: Work) -> None:
    enqueue()
    job = services.take(now_ms())
    assert job is not None
    Job.objects.update(lease_until_ms=1)
    lease = Lease(job, threading.Event())
    lease._next_beat_ms = 0
    lease.beat()
    assert services.take(now_ms()) is None


def test_a_process_that_ends_gives_its_job_back_untouched(work: Work) -> None:
    enqueue()
    stop = threading.Event()
    stop.set()
    services.run_next(stop)
    job = Job.objects.get()
    assert (job.status, job.tries, job.arguments) == ("waiting", 0, {"secret": "x"})
    services.run_until_empty()
    assert Job.objects.get().status == "finished"


def test_a_job_of_an_unknown_kind_fails(work: Work) -> None:
    services.enqueue(1, "nothing", 1, now_ms())
    services.run_until_empty()
    assert Job.objects.get().status == "failed"


def test_the_loop_does_what_comes_and_ends_when_told(work: Work) -> None:
    stop = threading.Event()
    services.KINDS["stop"] = Kind(lambda job, lease: stop.set(), lambda job, error: None)
    enqueue()
    services.enqueue(1, "stop", 1, now_ms() + 1)
    services.run_jobs(stop, poll_s=0.001)
    del services.KINDS["stop"]
    assert set(Job.objects.values_list("status", flat=True)) == {"finished"}
