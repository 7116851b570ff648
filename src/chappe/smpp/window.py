"""Requests of ours that wait for an answer: sequence numbers, tokens, deadlines (SMPP 3.4, clauses 2.8 and 5.1.4).

Messages go out and are answered in batches, so there is one deadline per batch and no object per message: `waiting` is
a dict in the order of sending, and a batch in `_runs` whose numbers are not at the head of it has been answered.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from .constants import MAX_SEQUENCE_NUMBER
from .error import LocalProtocolError

Token: TypeAlias = Any
"""Whatever the caller wants back with the answer; the session never looks into it."""

ABSENT: Final = object()


class Window:
    """The messages in flight (submit_sm of an ESME, deliver_sm of an SMSC) and the other requests beside them.

    `waiting` maps the sequence numbers of messages to their tokens, `requests` those of the other requests to
    (command_id, token, deadline)."""

    def __init__(self, size: int, response_s: float | None, first_sequence_number: int) -> None:
        if size < 1:
            raise LocalProtocolError(f"has to be at least 1, is {size}", "window")
        self.size = size
        self.waiting: dict[int, Token] = {}
        self.requests: dict[int, tuple[int, Token, float | None]] = {}
        self._response_s = response_s
        self._next = first_sequence_number
        self._has_wrapped = False
        self._runs: deque[tuple[float, int, int]] = deque()  # deadline, first and last sequence_number

    @property
    def room(self) -> int:
        return max(0, self.size - len(self.waiting) - len(self.requests))

    def take_number(self) -> int:
        """The next free sequence_number."""
        while True:
            number = self._next
            if number >= MAX_SEQUENCE_NUMBER:
                self._next = 1
                self._has_wrapped = True
            else:
                self._next = number + 1
            if not self._has_wrapped or (number not in self.waiting and number not in self.requests):
                return number

    def add(self, tokens: Sequence[Token], now: float) -> Sequence[int]:
        """Sequence numbers for a batch of messages, which wait from now on."""
        count = len(tokens)
        first, last = self._next, self._next + count - 1
        numbers: Sequence[int]
        if not self._has_wrapped and last < MAX_SEQUENCE_NUMBER:
            numbers = range(first, last + 1)
            self._next = last + 1
            runs = [(first, last)] if count else []
        else:
            numbers, runs = [], []
            for token in tokens:
                number = self.take_number()
                self.waiting[number] = token
                numbers.append(number)
                if runs and runs[-1][1] == number - 1:
                    runs[-1] = (runs[-1][0], number)
                else:
                    runs.append((number, number))
        self.waiting.update(zip(numbers, tokens, strict=True))
        if self._response_s is not None:
            deadline = now + self._response_s
            self._runs.extend([(deadline, first, last) for first, last in runs])
        return numbers

    def add_request(self, command_id: int, token: Token, now: float) -> int:
        """A sequence_number for a request that is not one of the batches."""
        number = self.take_number()
        deadline = None if self._response_s is None else now + self._response_s
        self.requests[number] = (command_id, token, deadline)
        return number

    def deadline(self) -> float | None:
        """The first moment at which something expires."""
        messages = self._message_deadline()
        requests = next(iter(self.requests.values()))[2] if self.requests else None
        return min((one for one in (messages, requests) if one is not None), default=None)

    def _message_deadline(self) -> float | None:
        runs = self._runs
        if not runs:
            return None
        # What is answered cannot expire: forget the batches before the oldest message that still waits.
        oldest = next(iter(self.waiting), 0)
        while runs and not runs[0][1] <= oldest <= runs[0][2]:
            runs.popleft()
        return runs[0][0] if runs else None

    def oldest_sent_at(self) -> float | None:
        """When the oldest message that still waits went out; None where none waits, or answers are waited for for ever."""
        deadline = self._message_deadline()
        return None if deadline is None or self._response_s is None else deadline - self._response_s

    def expire(self, now: float) -> list[Token]:
        """The tokens of the messages whose time is over, in the order of sending; they wait no more."""
        expired: list[Token] = []
        while (deadline := self._message_deadline()) is not None and deadline <= now:
            _, first, last = self._runs.popleft()
            for number in range(first, last + 1):
                token = self.waiting.pop(number, ABSENT)
                if token is not ABSENT:
                    expired.append(token)
        return expired

    def expire_requests(self, now: float) -> list[Token]:
        """As `expire`, for the other requests."""
        expired = []
        while self.requests:
            number, (_, token, deadline) = next(iter(self.requests.items()))
            if deadline is None or deadline > now:
                break
            del self.requests[number]
            expired.append(token)
        return expired

    def clear(self) -> tuple[list[Token], list[Token]]:
        """The tokens of all messages and of all other requests that wait; nothing waits any more."""
        messages = list(self.waiting.values())
        requests = [token for _, token, _ in self.requests.values()]
        self.waiting.clear()
        self.requests.clear()
        self._runs.clear()
        return messages, requests
