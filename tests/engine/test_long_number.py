"""Numbers of the longest kind that a provider may send."""

from tests.engine.stock import Desk, Stock


def test_a_sender_of_64_digits_is_stored(stock: Stock, desk: Desk) -> None:
    """`data_sm` may bring that many, and the plus is one more than the column holds: on PostgreSQL that ended the engine,
    and again each time the provider repeated the text."""
    token = desk.text("Hello", sender="3" * 64, recipient="4" * 64)
    assert stock.inbound() == [("+" + "3" * 63, "4" * 64, "Hello", True)]
    assert desk.taken == [token]
