"""What providers told our hooks, carried out by two engines on one PostgreSQL of which one is killed at work."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.engine.house import TWILIO, House
from tests.faults.plant import Plant, wait

from chappe.engine.store.hook_event import Arrived, keep
from chappe.messaging import InboundMessage, OptOut
from chappe.rules.hook_keyword import STANDARD

PEOPLE = 6_000
RECEIVED_MS = 1_767_225_600_000


class HookPlant(Plant):
    """Engines as processes, with a connection that they only hear of."""

    def __init__(self, url: str, log: Path) -> None:
        House.__init__(self, url, "twilio", **TWILIO)
        self.log = log
        self.engines = []

    def hear(self) -> None:
        """Half of the people write STOP, and the others have their provider say so, in two orders at once."""
        head = (self.stock.connection_id, self.stock.organisation_id)
        texts = [InboundMessage(f"+336{one:08d}", "+15017122661", "STOP", f"t{one}") for one in range(PEOPLE // 2)]
        wishes = [OptOut(f"+337{one:08d}", "STOP") for one in reversed(range(PEOPLE // 2))]
        events = [one for pair in zip(texts, wishes, strict=True) for one in pair]
        with self.stock.store.transaction():
            keep(self.stock.store, [Arrived(*head, one, RECEIVED_MS, STANDARD) for one in events])

    def count(self, table: str, what: str = "*") -> int:
        return int(self.stock.query(f"SELECT count({what}) FROM {table}")[0][0])


@pytest.fixture
def plant(postgresql_url: str, bound: Callable[[str], None], tmp_path: Path) -> Iterator[HookPlant]:
    bound(postgresql_url)
    made = HookPlant(postgresql_url, tmp_path / "engine.log")
    yield made
    made.close()


@pytest.mark.postgresql
@pytest.mark.parametrize("with_store", [False, True])
def test_every_stop_is_heeded_once_though_an_engine_is_killed(plant: HookPlant, with_store: bool) -> None:
    plant.hear()
    first, second = plant.start(), plant.start()
    wait(lambda: plant.count("consent_event") > 0, "the first wishes")
    plant.kill(first, with_store=with_store)
    wait(lambda: plant.count("hook_event") == 0, "all events", 60.0)
    plant.stop(second)
    assert plant.count("inbound") == plant.count("inbound", "DISTINCT provider_message_id") == PEOPLE // 2
    assert plant.count("consent_event") == plant.count("consent_event", "DISTINCT address") == PEOPLE
    assert plant.count("quarantine WHERE status = 'denylisted'") == PEOPLE
    assert b"hook_event" not in plant.log.read_bytes()
