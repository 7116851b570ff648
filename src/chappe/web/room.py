"""The room for bodies that are being read or wait to be stored, of all organisations together."""

from collections.abc import Iterator
from contextlib import contextmanager

from chappe.web.wire import BadRequest


class Room:
    """An organisation may hold as much as it leaves free, and no more: alone half of the room, the second half of that
    half, and so on. So however slowly some send their bodies, there is room for those of another."""

    def __init__(self, octets: int) -> None:
        self._octets = octets
        self._of: dict[int, int] = {}
        self.held = 0

    @contextmanager
    def taken(self, organisation_id: int, octets: int) -> Iterator[None]:
        """Room for a body of `octets`. Raises BadRequest where there is none."""
        own = self._of.get(organisation_id, 0)
        if own + octets > self._octets - self.held - octets:
            if own:
                raise BadRequest(429, "Other requests of this organisation take all the room it may have. Try again.")
            raise BadRequest(503, "Too many requests are being read. Try again in a moment.")
        self._add(organisation_id, octets)
        try:
            yield
        finally:
            self._add(organisation_id, -octets)

    def _add(self, organisation_id: int, octets: int) -> None:
        self.held += octets
        left = self._of.get(organisation_id, 0) + octets
        if left:
            self._of[organisation_id] = left
        else:
            self._of.pop(organisation_id, None)
