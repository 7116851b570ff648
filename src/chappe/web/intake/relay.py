"""Messages that another Chappe hands over: which account they are for, what can be wrong with them, and how they are stored.

Each of its numbers is taken once for an account. Nobody is excluded here: who is not to be written to is left out when the
message is leased, and that is told to the other side as everything is that happens to it.
"""

import difflib
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from chappe.engine.store.relay_catalogue import (
    INSERT_RELAY_DELIVERIES,
    INSERT_RELAYED,
    RELAYED_AMONG,
    RELAYED_IN_RANGE,
    account_of,
    relayed,
)
from chappe.engine.store.statement import Row
from chappe.engine.store.store import OutboxBatch, Store
from chappe.messaging import DeliveryState, FieldError
from chappe.web.intake.check import check_message
from chappe.web.intake.lookup import Target
from chappe.web.intake.request import NOTHING_SENT, LineError, MessageIn, by_kind
from chappe.web.intake.submission import CATEGORIES, PRIORITY, Accepted, Checked, Submission, message_row
from chappe.web.wire import BadRequest

DENSE = 4
"""Numbers are read as one range where it has not more than this many for each."""
ANOTHER = (
    "Nothing was taken: numbers of these messages stand for others that were handed over before. So it is where the "
    "sender's database was put back to what it was before."
)


def account_target(targets: Sequence[Target], operator: str, account: str) -> Target:
    """The connection that an operator sends through for its account. Raises BadRequest, whose words say its name."""
    name = f"{operator}_{account}"
    found = next((target for target in targets if target.internal_name == name), None)
    if found is not None:
        return found
    words = f"There is no connection that is switched on and complete with the internal name {name}."
    # What does not look as if it were meant for this operator is no business of it
    own = [
        one.internal_name for one in targets if one.internal_name.lower().replace("-", "_").startswith(f"{operator}_")
    ]
    close = difflib.get_close_matches(name, own, n=1, cutoff=0.3)
    raise BadRequest(404, words + (f" There is {close[0]}." if close else ""))


def check_relayed(messages: Sequence[MessageIn], target: Target, now_ms: int) -> list[Checked]:
    """The messages, all of them or none. Raises BadRequest naming every wrong line, and fields."""
    by_id, checked, errors, seen = {target.id: target}, list[Checked](), list[LineError](), set[int]()
    for line, message in enumerate(messages, 1):
        message.connection_id = target.id
        problem, found = _problem(message, seen), check_message(message, by_id, now_ms)
        if problem is not None:
            errors.append((line, problem))
        if isinstance(found, Checked):
            checked.append(found)
        else:
            errors += [(line, one) for one in found]
    if errors:
        raise BadRequest(422, NOTHING_SENT, by_kind(errors))
    return checked


def _problem(message: MessageIn, seen: set[int]) -> FieldError | None:
    number = message.relay_id
    if number is None:
        return FieldError("relay_id", "is needed where an account is named")
    if number in seen:
        return FieldError("relay_id", "is that of a line before")
    seen.add(number)
    return None


def take(store: Store, submissions: Sequence[Submission], now_ms: int) -> None:
    """Insert what is new of them, and answer all of it, in the caller's transaction; or note why one is not stored.

    All of it at once: whoever else counts messages takes deliveries in the order of their numbers, too.
    """
    numbers = {number for one in submissions for number, _ in _numbered(one)}
    if not numbers:
        return
    # First, for as many as may be new: whoever else brings some of them at this moment waits here until we are done.
    ids = store.take_ids("message", len(numbers))
    known = _known(store, numbers)
    new: dict[int, Taken] = {}
    for submission in submissions:
        numbered = _numbered(submission)
        digests = [digest_of(checked) for _, checked in numbered]
        if _is_another(numbered, digests, known, new):
            submission.error = BadRequest(409, ANOTHER)
            continue
        for (number, checked), digest in zip(numbered, digests, strict=True):
            if number not in known and number not in new:
                new[number] = Taken(submission, checked, digest)
    _insert(store, new, ids, now_ms)
    for submission in submissions:
        if submission.error is None:
            submission.accepted += [_answer(number, checked, known, new) for number, checked in _numbered(submission)]


def digest_of(checked: Checked) -> int:
    """By which another message of the same number is told from this one: 63 bits and a sign, never 0."""
    text = f"{checked.recipient}\0{checked.message.text}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), signed=True) or 1


@dataclass(slots=True)
class Taken:
    """A message that was not here before."""

    submission: Submission
    checked: Checked
    digest: int
    id: int = 0


Known = Mapping[int, tuple[int, int]]
"""Number as it is kept → our number of the message, digest."""


def _numbered(submission: Submission) -> list[tuple[int, Checked]]:
    """Its messages with their numbers as they are kept."""
    account = submission.messages[0].target.id
    return [(relayed(account, checked.message.relay_id or 0), checked) for checked in submission.messages]


def _is_another(
    numbered: Sequence[tuple[int, Checked]], digests: Sequence[int], known: Known, new: Mapping[int, Taken]
) -> bool:
    """Whether a number stands for another message here. So it is where the other side's database was put back to what it was
    before, and gives its numbers again: what is new must not pass for what was sent."""
    for (number, _), digest in zip(numbered, digests, strict=True):
        before = new[number].digest if number in new else known.get(number, (0, 0))[1]
        if before not in (0, digest):
            return True
    return False


def _answer(number: int, checked: Checked, known: Known, new: Mapping[int, Taken]) -> Accepted:
    message_id = new[number].id if number in new else known[number][0]
    return Accepted(message_id, DeliveryState.WAITING, "", checked.segments, checked.encoding)


def _insert(store: Store, new: Mapping[int, Taken], ids: Iterable[int], now_ms: int) -> None:
    if not new:
        return
    batches: dict[tuple[int, int, int], list[Row]] = {}
    owners: dict[int, int] = {}
    for message_id, one in zip(ids, new.values(), strict=False):
        submission, checked, one.id = one.submission, one.checked, message_id
        category = CATEGORIES[checked.message.category]
        delivery_id = relayed(checked.target.id, checked.message.relay_delivery)
        row = message_row(message_id, submission, checked, category, DeliveryState.WAITING, "", now_ms, delivery_id)
        batches.setdefault((delivery_id, PRIORITY[category], checked.due_ms), []).append(row)
        owners[delivery_id] = submission.organisation_id
    store.database.run(INSERT_RELAYED, sorted((number, one.id, one.digest) for number, one in new.items()))
    deliveries = [(one, owner, "sending", "", now_ms, now_ms) for one, owner in sorted(owners.items())]
    store.database.run(INSERT_RELAY_DELIVERIES, deliveries)
    statuses = store.statuses(owners)
    store.enqueue(
        OutboxBatch(account_of(delivery_id), delivery_id, priority, due_ms, rows, statuses.get(delivery_id) == "paused")
        for (delivery_id, priority, due_ms), rows in batches.items()
    )


def _known(store: Store, numbers: Collection[int]) -> Known:
    """Those that were taken before."""
    first, last = min(numbers), max(numbers)
    if last - first < DENSE * len(numbers):
        rows = store.database.query(RELAYED_IN_RANGE, (first, last))
    else:  # an old one among new ones: all that came between them is not read
        rows = store.database.query(RELAYED_AMONG, (sorted(numbers),))
    return {row[0]: (row[1], row[2]) for row in rows if row[0] in numbers}
