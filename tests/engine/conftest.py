from collections.abc import Iterator

import pytest
from tests.engine.stock import Desk, Stock


@pytest.fixture
def stock(database: str) -> Iterator[Stock]:
    """A store on either database; Django is bound to the same."""
    made = Stock(database)
    yield made
    made.close()


@pytest.fixture
def desk(stock: Stock) -> Desk:
    return Desk(stock)
