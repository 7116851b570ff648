"""How long records are kept, and their deletion: a job for each organisation, once a day, at night on its own clock.

A feature registers what it keeps in `KINDS`, as it starts. It deletes in small transactions, by an index or by ranges of
ids, and says where it came to: there may be tens of millions of messages, and engines write to the same database.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils.functional import Promise

from chappe.features import clock
from chappe.features.jobs import services as jobs
from chappe.features.jobs.models import Job
from chappe.features.settings.models import OrganisationSettings, RetentionRun
from chappe.messaging import FieldError

RETAIN = "retention"
DAY_MS = 86_400_000
LONGEST_DAYS = 3650
AT = time(3)
"""When the daily job begins, on the organisation's clock."""

Beat = Callable[[], None]


@dataclass(frozen=True)
class Progress:
    """`position`: the id up to which nothing is left to look at; what stands for it is the walk's own affair."""

    position: int
    deleted: int


Walk = Callable[[int, int, int, Beat], Progress]
"""Delete, or blank, what an organisation has of before a moment: (organisation id, moment, position reached before, beat).
`beat` is called at least once in half a minute, and ends the work where it must end."""


@dataclass(frozen=True)
class Kind:
    """One kind of record whose age an administrator bounds. `walks` are done one after the other; each has a name.

    `least_days`: fewer cannot be asked for, where something of ours still needs the records. `place`: those with a lower
    one are shown and done first.
    """

    key: str
    label: "str | Promise"
    help: "str | Promise"
    walks: Mapping[str, Walk]
    least_days: int = 1
    place: int = 100


KINDS: dict[str, Kind] = {}
"""Filled by the features as they start."""
_WITH: dict[str, dict[str, Walk]] = {}


def register(kind: Kind) -> None:
    KINDS[kind.key] = kind


def register_with(key: str, name: str, walk: Walk) -> None:
    """What a feature keeps along with another's records goes when those go."""
    _WITH.setdefault(key, {})[name] = walk


def walks_of(kind: Kind) -> dict[str, Walk]:
    return {**kind.walks, **_WITH.get(kind.key, {})}


def kinds() -> list[Kind]:
    """In their order."""
    return sorted(KINDS.values(), key=lambda kind: (kind.place, kind.key))


@dataclass(frozen=True)
class Kept:
    """One kind as it stands in an organisation; `ran_ms` 0: nothing was deleted yet."""

    kind: Kind
    days: int
    ran_ms: int
    deleted: int


def kept(row: OrganisationSettings) -> list[Kept]:
    """Every kind, with how many days it is kept (0: for ever) and what the last run deleted."""
    runs = {run.kind: run for run in RetentionRun.objects.filter(organisation_id=row.organisation_id)}
    found = []
    for kind in kinds():
        own = [runs[name] for name in walks_of(kind) if name in runs]
        ran_ms = max((run.ran_ms for run in own), default=0)
        found.append(Kept(kind, int(row.retention.get(kind.key, 0)), ran_ms, sum(run.deleted for run in own)))
    return found


def problems(given: Mapping[str, int]) -> Iterator[FieldError]:
    """What is wrong with days by kind."""
    for key, days in given.items():
        kind = KINDS.get(key)
        if kind is None:
            yield FieldError(f"retention.{key}", "is not kept here")
        elif days and not kind.least_days <= days <= LONGEST_DAYS:
            yield FieldError(
                f"retention.{key}", f"must be from {kind.least_days} to {LONGEST_DAYS} days, or 0: for ever"
            )


def plan(row: OrganisationSettings, now_ms: int) -> None:
    """Have the daily job, where there is something for it to delete; it plans itself anew from then on."""
    waiting = Job.objects.filter(kind=RETAIN, subject_id=row.organisation_id, status__in=["waiting", "running"])
    if row.retention and not waiting.exists():
        job = jobs.enqueue(row.organisation_id, RETAIN, row.organisation_id, now_ms)
        Job.objects.filter(pk=job.pk).update(due_ms=next_ms(row.time_zone, now_ms))


def next_ms(zone: str, now_ms: int) -> int:
    """When the job is to run next: the next night."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(zone))
    day = now.date() + timedelta(days=int(now.time() >= AT))
    return int(datetime.combine(day, AT, now.tzinfo).timestamp() * 1000)


def run(organisation_id: int, now_ms: int, beat: Beat) -> int:
    """Delete everything that is past its days; how many records that were."""
    row = OrganisationSettings.objects.filter(organisation_id=organisation_id).first()
    deleted = 0
    for kind in kinds():
        days = int(row.retention.get(kind.key, 0)) if row is not None else 0
        for name, walk in walks_of(kind).items() if days else ():
            beat()
            deleted += _walked(organisation_id, name, walk, now_ms - days * DAY_MS, now_ms, beat)
    return deleted


def _walked(organisation_id: int, name: str, walk: Walk, before_ms: int, now_ms: int, beat: Beat) -> int:
    before, _ = RetentionRun.objects.get_or_create(organisation_id=organisation_id, kind=name)
    found = walk(organisation_id, before_ms, before.position, beat)
    RetentionRun.objects.filter(pk=before.pk).update(position=found.position, ran_ms=now_ms, deleted=found.deleted)
    return found.deleted


# -- the job ---------------------------------------------------------------------------------------------------------


def _work(job: Job, lease: jobs.Lease) -> None:
    now_ms = clock.now_ms()
    run(job.organisation_id, now_ms, lease.beat)
    # It is never finished: an organisation that keeps everything from now on may change its mind again.
    raise jobs.Postponed(_wait_ms(job.organisation_id))


def _wait_ms(organisation_id: int) -> int:
    now_ms = clock.now_ms()
    row = OrganisationSettings.objects.filter(organisation_id=organisation_id).first()
    return next_ms(row.time_zone if row else "UTC", now_ms) - now_ms


def _try_tomorrow(job: Job, error: str) -> None:
    """What went wrong is kept with the job that is given up; a new one is there for the next night."""
    wait_ms = _wait_ms(job.organisation_id)
    again = jobs.enqueue(job.organisation_id, RETAIN, job.subject_id, clock.now_ms())
    Job.objects.filter(pk=again.pk).update(due_ms=clock.now_ms() + wait_ms)


jobs.KINDS[RETAIN] = jobs.Kind(_work, _try_tomorrow)
