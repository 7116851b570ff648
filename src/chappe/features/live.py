"""What pages show while it changes. A feature registers a topic: a cheap question whose answer differs when the page would.

The web process asks each topic that somebody watches once a second and tells the browser that it changed; the browser then
fetches the fragment of the page. So a page that lives is the page itself, and nothing is drawn twice.
"""

from collections.abc import Callable, Hashable

Fingerprint = Callable[[int, int], Hashable]
"""(organisation id, number of the subject or 0) -> what differs when the page would. Raises NotFound for another's."""

TOPICS: dict[str, Fingerprint] = {}
"""Filled by the features as they start."""
