"""Erasing a person everywhere: what keeps something of people outside of contacts and messages says how to forget it."""

from collections.abc import Callable, Sequence

Forget = Callable[[int, int, Sequence[str]], bool]
"""(organisation id, contact id, numbers and addresses) → whether some of it is still needed, and to be asked for again soon."""

FORGETTING: list[Forget] = []
"""Filled by the features as they start."""
