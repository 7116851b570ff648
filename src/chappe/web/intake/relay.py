"""Messages that another Chappe hands over: which account they are for, what can be wrong with them, and how they are stored.

Each of its numbers is taken once for an account. Nobody is excluded here: who is not to be written to is left out when the
message is leased, and that is told to the other side as everything is that happens to it.
"""

import difflib
import hashlib
from collections import defaultdict
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence

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
from chappe.web.intake.check import STRETCH, check_message
from chappe.web.intake.lookup import Target
from chappe.web.intake.request import NOTHING_SENT, LineError, MessageIn, by_kind
from chappe.web.intake.submission import CATEGORIES, PRIORITY, Answer, Checked, Line, Submission, message_row
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


def check_relayed(messages: Sequence[MessageIn], target: Target, now_ms: int) -> Generator[None, None, list[Line]]:
    """The messages, all of them or none, in stretches. Raises BadRequest naming every wrong line, and fields."""
    by_id, lines, errors, seen = {target.id: target}, list[Line](), list[LineError](), set[int]()
    for number, message in enumerate(messages, 1):
        if number % STRETCH == 0:
            yield
        message.connection_id = target.id
        problem, found = _problem(message, seen), check_message(message, by_id, now_ms)
        if problem is not None:
            errors.append((number, problem))
        if isinstance(found, Checked):
            lines.append(line_of(found, now_ms))
        else:
            errors += [(number, one) for one in found]
    if errors:
        raise BadRequest(422, NOTHING_SENT, by_kind(errors))
    return lines


def line_of(checked: Checked, now_ms: int) -> Line:
    """Everything of its rows but the message's id: what is done here is done while nobody waits for the database."""
    message, target = checked.message, checked.target
    category, delivery_id = CATEGORIES[message.category], relayed(target.id, message.relay_delivery)
    row = message_row(0, target.organisation_id, checked, category, DeliveryState.WAITING, "", now_ms, delivery_id)
    return Line(
        relayed(target.id, message.relay_id or 0),
        digest_of(checked),
        delivery_id,
        PRIORITY[category],
        checked.due_ms,
        row[1:],
        checked.segments,
        checked.encoding,
    )


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
    numbers = {line.number for one in submissions for line in one.lines}
    if not numbers:
        return
    # First, for as many as may be new: whoever else brings some of them at this moment waits here until we are done.
    ids = store.take_ids("message", len(numbers))
    known = _known(store, numbers)
    new: dict[int, Line] = {}
    for submission in submissions:
        if _is_another(submission.lines, known, new):
            submission.error = BadRequest(409, ANOTHER)
            continue
        for line in submission.lines:
            if line.number not in known:
                new.setdefault(line.number, line)
    for message_id, line in zip(ids, new.values(), strict=False):
        line.id = message_id
    _insert(store, list(new.values()), now_ms)
    for submission in submissions:
        if submission.error is None:
            submission.accepted += [_answer(line, known, new) for line in submission.lines]


def digest_of(checked: Checked) -> int:
    """By which another message of the same number is told from this one: 63 bits and a sign, never 0."""
    text = f"{checked.recipient}\0{checked.message.text}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), signed=True) or 1


Known = Mapping[int, tuple[int, int]]
"""Number as it is kept → our number of the message, digest."""


def _is_another(lines: Iterable[Line], known: Known, new: Mapping[int, Line]) -> bool:
    """Whether a number stands for another message here. So it is where the other side's database was put back to what it was
    before, and gives its numbers again: what is new must not pass for what was sent."""
    if not known and not new:
        return False
    for line in lines:
        before = new[line.number].digest if line.number in new else known.get(line.number, (0, 0))[1]
        if before not in (0, line.digest):
            return True
    return False


def _answer(line: Line, known: Known, new: Mapping[int, Line]) -> Answer:
    message_id = new[line.number].id if line.number in new else known[line.number][0]
    return Answer(message_id, "waiting", line.segments, "", line.encoding)


def _insert(store: Store, new: Sequence[Line], now_ms: int) -> None:
    if not new:
        return
    batches: dict[tuple[int, int, int], list[Row]] = defaultdict(list)
    for line in new:
        batches[line.delivery_id, line.priority, line.due_ms].append((line.id, *line.row))
    owners = {line.delivery_id: line.row[0] for line in new}
    store.database.run(INSERT_RELAYED, sorted([(line.number, line.id, line.digest) for line in new]))
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
