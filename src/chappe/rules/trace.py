"""What is kept while a connection is traced: which numbers are meant, and how much of a flood a person can still read."""

SIGNIFICANT_DIGITS = 8
"""By so many last digits a number is known, with its country code or as it is dialled at home."""
LONGEST_KEY = 64
REQUESTS_PER_S = 100
"""PDUs of one trace that are kept in a second, with their answers: no more than is worth looking through."""
EXCHANGES_PER_S = 20
"""Of HTTP exchanges fewer, for each takes a while to rid of secrets."""


def number_key(address: str) -> str:
    """What two ways of writing one number have in common: +33 6 12 34 56 78, 33612345678 and 0612345678 are the same.

    A short code is its digits; a name or an e-mail address is itself whatever its capitals, up to 64 characters. "" for
    nothing.
    """
    plain = address.strip().translate(_PUNCTUATION)
    if plain.removeprefix("+").isdigit():
        return plain.removeprefix("+").lstrip("0")[-SIGNIFICANT_DIGITS:]
    return address.strip().casefold()[:LONGEST_KEY]


_PUNCTUATION = {ord(character): None for character in " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}.-()/"}


class Sample:
    """Lets so many through in each second, from its first one on, and counts the others. Times are in seconds."""

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._second_ends = 0.0
        self._taken = 0
        self.left_out = 0

    def takes(self, now: float) -> bool:
        if now >= self._second_ends:
            self._second_ends, self._taken = now + 1.0, 0
        if self._taken >= self._per_s:
            self.left_out += 1
            return False
        self._taken += 1
        return True

    def counted(self) -> int:
        """How many were left out since this was asked last."""
        left_out, self.left_out = self.left_out, 0
        return left_out
