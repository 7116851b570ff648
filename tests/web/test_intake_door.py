"""Keys that are none: how often they are looked up, and how they are answered. Good keys always pass."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from tests.row import NOW_MS
from tests.web.caller import Caller
from tests.web.desk import Desk

from chappe.engine.store import catalogue
from chappe.engine.store.statement import Query, Row
from chappe.engine.store.store import Store, open_store
from chappe.features.accounts import services as accounts
from chappe.features.accounts.models import ApiKey
from chappe.features.connections.models import Connection
from chappe.messaging import StoreBusy
from chappe.web import failures as failing
from chappe.web.failures import FAILURE_MS, MOST_FAILURES, Failures, address_of
from chappe.web.intake import door, lookup

GOOD: dict[str, Any] = {"to": "+33612345678", "text": "Bonjour"}


class Watched:
    """A desk whose questions to the database are counted, and fail when they should."""

    def __init__(self, url: str, key: str) -> None:
        self.asked: Counter[Query] = Counter()
        self.keys = 0
        self.is_away = False
        self._url = url
        self.desk = Desk(url, key, self._open)

    def _open(self) -> Store:
        store = open_store(self._url)
        query = store.database.query

        def watched(asked: Query, values: Sequence[Any] = ()) -> list[Row]:
            if asked is catalogue.API_KEYS:
                self.asked[asked] += 1
                self.keys += len(values[0])
                if self.is_away:
                    raise StoreBusy("away")
            return query(asked, values)

        store.database.query = watched  # type: ignore[method-assign]
        return store

    @property
    def questions(self) -> int:
        return self.asked[catalogue.API_KEYS]

    def ask(self, key: str) -> Any:
        return self.desk.ask(GOOD, authorization=f"Bearer {key}")

    def status(self, key: str) -> int:
        return int(self.desk.run(self.ask(key)).status)

    def statuses(self, *keys: str) -> list[int]:
        return [reply.status for reply in self.desk.together(*(self.ask(key) for key in keys))]


@pytest.fixture
def watched(database: str, caller: Caller, north: Connection) -> Iterator[Watched]:
    made = Watched(database, caller.secret)
    yield made
    made.desk.close()


def test_a_key_that_is_none_is_looked_up_once(watched: Watched) -> None:
    assert [watched.status("chp_x") for _ in range(MOST_FAILURES + 5)] == [401] * MOST_FAILURES + [429] * 5
    assert watched.questions == 1


def test_many_different_keys_that_are_none_are_looked_up_together(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing, "FAILURE_MS", 3_600_000)  # a slow machine would forgive some meanwhile
    statuses = watched.statuses(*(f"chp_{number}" for number in range(500)))
    assert Counter(statuses) == {401: MOST_FAILURES, 429: 500 - MOST_FAILURES}
    assert watched.questions <= MOST_FAILURES + 2
    assert watched.keys == 500
    started = time.monotonic()
    assert set(watched.statuses(*(f"chp_{number}" for number in range(500)))) == {429}
    for number in range(10):
        assert watched.status(f"chp_more_{number}") == 429
    assert watched.questions <= MOST_FAILURES + 2 + 1 + (time.monotonic() - started) / door.TURN_S


def test_good_keys_pass_whatever_came_from_theiraddress_of(
    watched: Watched, call_as: Callable[..., Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing, "FAILURE_MS", 3_600_000)
    bad = [f"chp_{number}" for number in range(50)]
    assert watched.status(watched.desk.key) == 202
    assert set(watched.statuses(*bad)) == {401, 429}
    fresh = [call_as().secret for _ in range(5)]
    assert watched.statuses(*bad, watched.desk.key, *fresh)[50:] == [202] * 6
    assert watched.status(call_as().secret) == 202
    assert watched.status("chp_x") == 429


def test_good_keys_that_come_for_the_first_time_use_up_nothing(
    watched: Watched, call_as: Callable[..., Caller]
) -> None:
    fresh = [call_as().secret for _ in range(2 * MOST_FAILURES)]
    assert watched.statuses(*fresh) == [202] * len(fresh)
    assert [watched.status(f"chp_{number}") for number in range(MOST_FAILURES)] == [401] * MOST_FAILURES


def test_a_revoked_key_is_refused_within_a_second_from_an_address_with_failures_too(
    watched: Watched, north: Connection
) -> None:
    assert watched.status(watched.desk.key) == 202
    assert 429 in watched.statuses(*(f"chp_{number}" for number in range(50)))
    accounts.revoke_api_key(north.organisation_id, ApiKey.objects.get().pk, NOW_MS)
    started = time.monotonic()
    while (status := watched.status(watched.desk.key)) == 202 and time.monotonic() - started < 3:
        pass
    assert (status, time.monotonic() - started < 1.2) == (401, True)


def test_a_key_that_could_not_be_looked_up_is_not_taken_for_none(watched: Watched) -> None:
    watched.is_away = True
    assert watched.statuses(*(f"chp_{number}" for number in range(50))) == [503] * 50
    assert watched.status(watched.desk.key) == 503
    watched.is_away = False
    assert watched.status(watched.desk.key) == 202
    assert [watched.status(f"chp_{number}") for number in range(MOST_FAILURES)] == [401] * MOST_FAILURES


def test_no_more_keys_that_are_none_are_remembered_than_fit(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "MOST_NOBODIES", 10)
    watched.statuses(*(f"chp_{number}" for number in range(50)))
    remembered = watched.desk.run(watched.desk.committer.lookup())._nobodies
    assert len(remembered) == 10


def test_a_request_without_any_key_is_never_too_much(watched: Watched) -> None:
    replies = watched.desk.together(*(watched.desk.ask(GOOD, authorization="Bearer ") for _ in range(50)))
    assert {reply.status for reply in replies} == {401}
    assert watched.questions == 0


# -- counting --------------------------------------------------------------------------------------------------------


def test_failures_are_forgiven_one_by_one() -> None:
    now = [0]
    failures = Failures(lambda: now[0])
    assert [failures.add("a") for _ in range(MOST_FAILURES)] == [0] * MOST_FAILURES
    assert (failures.add("a"), failures.add("a"), failures.add("b")) == (FAILURE_MS, FAILURE_MS, 0)
    now[0] += FAILURE_MS - 1
    assert failures.add("a") == 1
    now[0] += 1
    assert (failures.add("a"), failures.add("a")) == (0, FAILURE_MS)
    now[0] += 100 * FAILURE_MS
    assert [failures.add("a") for _ in range(MOST_FAILURES + 1)] == [0] * MOST_FAILURES + [FAILURE_MS]


def test_what_is_taken_back_leaves_nothing() -> None:
    failures = Failures(lambda: 7)
    failures.add("a")
    failures.add("a")
    failures.take_back("a")
    assert len(failures) == 1
    failures.take_back("a")
    failures.take_back("a")
    assert len(failures) == 0


def test_no_more_addresses_are_remembered_than_fit_and_those_that_go_on_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failing, "MOST_ADDRESSES", 3)
    failures = Failures(lambda: 7)
    for _ in range(MOST_FAILURES):
        failures.add("loud")
    for number in range(100):
        failures.add(f"{number}")
        assert failures.add("loud") > 0
        assert len(failures) <= 3


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("testclient", "testclient"),
    ],
)
def test_whose_a_request_is(host: str, address: str) -> None:
    assert address_of((host, 1)) == address
    assert address_of(None) == ""
