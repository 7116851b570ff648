"""Messages that another Chappe hands over: which account they are for, what can be wrong with them, and how they are stored.

Each of its numbers is taken once for an account. Nobody is excluded here: who is not to be written to is left out when the
message is leased, and that is told to the other side as everything is that happens to it.
"""

import difflib
from collections.abc import Mapping, Sequence

from chappe.engine.store.relay_catalogue import (
    INSERT_RELAY_DELIVERIES,
    INSERT_RELAYED,
    RELAYED_IN_RANGE,
    RELAYED_RECIPIENTS,
    relayed,
)
from chappe.engine.store.statement import Row
from chappe.engine.store.store import OutboxBatch, Store
from chappe.messaging import DeliveryState, FieldError
from chappe.web.intake.check import check_message
from chappe.web.intake.lookup import Target
from chappe.web.intake.request import MOST_ERRORS, NOTHING_SENT, MessageIn, line_field
from chappe.web.intake.submission import CATEGORIES, PRIORITY, Accepted, Checked, Submission, message_row
from chappe.web.wire import BadRequest


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
    """The messages, all of them or none. Raises BadRequest naming lines and fields."""
    by_id, checked, errors, seen = {target.id: target}, list[Checked](), list[FieldError](), set[int]()
    for line, message in enumerate(messages, 1):
        message.connection_id = target.id
        found = check_message(message, by_id, now_ms)
        problem = _problem(message, seen)
        if problem is not None or not isinstance(found, Checked):
            wrong = [*([problem] if problem else []), *(found if isinstance(found, list) else [])]
            errors += [FieldError(line_field(line, one.field), one.message) for one in wrong]
            if len(errors) >= MOST_ERRORS:
                break
            continue
        checked.append(found)
    if errors:
        raise BadRequest(422, NOTHING_SENT, errors[:MOST_ERRORS])
    return checked


def _problem(message: MessageIn, seen: set[int]) -> FieldError | None:
    number = message.relay_id
    if number is None:
        return FieldError("relay_id", "is needed where an account is named")
    if number in seen:
        return FieldError("relay_id", f"{number} is on a line before")
    seen.add(number)
    return None


def store(store: Store, submissions: Sequence[Submission], now_ms: int) -> None:
    """Insert what is new of them, and answer all of it, in the caller's transaction; or note why one is not stored."""
    for submission in submissions:
        _store(store, submission, now_ms)


def _store(store: Store, submission: Submission, now_ms: int) -> None:
    account = submission.messages[0].target.id
    numbers = [relayed(account, checked.message.relay_id or 0) for checked in submission.messages]
    known = _known(store, numbers)
    if known and (errors := _others(store, numbers, known, submission)):
        submission.error = BadRequest(422, NOTHING_SENT, errors)
        return
    new = len(numbers) - len(known)
    ids = iter(store.take_ids("message", new) if new else ())
    batches: dict[tuple[int, int, int], list[Row]] = {}
    taken: list[Row] = []
    for number, checked in zip(numbers, submission.messages, strict=True):
        message_id = known.get(number)
        if message_id is None:
            message_id = next(ids)
            category = CATEGORIES[checked.message.category]
            delivery_id = relayed(account, checked.message.relay_delivery)
            row = message_row(message_id, submission, checked, category, DeliveryState.WAITING, "", now_ms, delivery_id)
            batches.setdefault((delivery_id, PRIORITY[category], checked.due_ms), []).append(row)
            taken.append((number, message_id))
        answer = Accepted(message_id, DeliveryState.WAITING, "", checked.segments, checked.encoding)
        submission.accepted.append(answer)
    store.database.run(INSERT_RELAYED, taken)
    deliveries = sorted({delivery_id for delivery_id, _, _ in batches})
    # fmt: off
    store.database.run(
        INSERT_RELAY_DELIVERIES,
        [(one, submission.organisation_id, "sending", now_ms, now_ms) for one in deliveries],
    )
    # fmt: on
    statuses = store.statuses(deliveries)
    store.enqueue(
        OutboxBatch(account, delivery_id, priority, due_ms, rows, statuses.get(delivery_id) == "paused")
        for (delivery_id, priority, due_ms), rows in batches.items()
    )


def _others(store: Store, numbers: Sequence[int], known: Mapping[int, int], submission: Submission) -> list[FieldError]:
    """Lines whose number stands for another message here. So it is where the other side's database was put back to what it was
    before, and gives its numbers again: what is new must not pass for what was sent."""
    recipients: dict[int, str] = dict(store.database.query(RELAYED_RECIPIENTS, (sorted(known.values()),)))
    errors = []
    for line, (number, checked) in enumerate(zip(numbers, submission.messages, strict=True), 1):
        message_id = known.get(number, 0)
        if message_id and recipients.get(message_id, checked.recipient) != checked.recipient:
            words = f"{checked.message.relay_id} is the number of another message that was handed over before"
            errors.append(FieldError(line_field(line, "relay_id"), words))
    return errors[:MOST_ERRORS]


def _known(store: Store, numbers: Sequence[int]) -> dict[int, int]:
    """Those that were taken before, with our numbers of them."""
    asked = set(numbers)
    rows = store.database.query(RELAYED_IN_RANGE, (min(numbers), max(numbers)))
    return {number: message_id for number, message_id in rows if number in asked}
