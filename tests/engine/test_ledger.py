"""Pages of the ledger: everything that is added leaves once, however much and whenever."""

import asyncio
from collections.abc import Callable

from tests.engine.house import in_loop, until

from chappe.engine.ledger import FLUSH_AT, OUTSTANDING, Ledger
from chappe.engine.store.client import StoreClient
from chappe.engine.store.frame import Record, Request, Settled


class Committing(StoreClient):
    """A store that commits when it is told to."""

    def __init__(self) -> None:
        super().__init__(lambda answer: None, lambda: None)
        self.records: list[Record] = []

    def send(self, request: Request) -> None:
        assert isinstance(request, Record)
        # What is added to a page after it was sent would not be among what was sent.
        self.records.append(Record(request.number, segments=list(request.segments), settled=list(request.settled)))


def segment(number: int) -> tuple[int, int, str, int, int]:
    return (number, 1, str(number), 0, 0)


@in_loop
async def test_what_is_added_to_a_page_in_hand_is_never_left_behind() -> None:
    """A worker holds the page while it adds thousands of answers, and touches the ledger in between."""
    client = Committing()
    ledger = Ledger(client)
    ledger.touch()
    page = ledger.page
    for number in range(3 * FLUSH_AT):
        page.segments.append(segment(number))
        if number % 100 == 0:
            ledger.touch()
    ledger.touch()
    await until(lambda: client.records, "the record")
    assert [row[0] for record in client.records for row in record.segments] == list(range(3 * FLUSH_AT))


@in_loop
async def test_callbacks_follow_the_commit_of_what_they_were_given_with() -> None:
    client = Committing()
    ledger = Ledger(client)
    called: list[int] = []

    def call(number: int) -> Callable[[], None]:
        return lambda: called.append(number)

    for number in range(5):
        ledger.page.settled.append(Settled(number, 40, "", 0))
        ledger.touch(call(number))
        await asyncio.sleep(0.02)
    assert len(client.records) == OUTSTANDING
    assert called == []
    ledger.committed(client.records[0].number)
    assert called == [row.message_id for row in client.records[0].settled]
    await until(lambda: len(client.records) > OUTSTANDING, "the next record")
    ledger.committed(client.records[-1].number)
    assert called == list(range(5))
    assert ledger.is_empty
