"""What pages show while it changes. A feature registers a topic: a cheap question whose answer differs when the page would.

The web process asks each topic that somebody watches once a second and tells the browsers that it changed; they then
fetch the fragment of the page. So a page that lives is the page itself, and nothing is drawn twice.
"""

import zlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from chappe.features.accounts.person import Person
from chappe.features.accounts.right import Right

Fingerprint = Callable[[int, int], Hashable]
"""(organisation id, number of the subject or 0) -> what differs when the page would. Raises NotFound for another's."""


@dataclass(frozen=True)
class Topic:
    """Something that is watched, by those with `right`: the right to open its page. None: everybody of the organisation."""

    fingerprint: Fingerprint
    right: Right | None

    def is_open_to(self, person: Person) -> bool:
        return self.right is None or person.may(self.right)


TOPICS: dict[str, Topic] = {}
"""Filled by the features as they start."""


def mark(fingerprint: Hashable) -> str:
    """A fingerprint in short: a page carries it to its stream, which tells at once what changed between the two."""
    return f"{zlib.crc32(repr(fingerprint).encode()):08x}"
