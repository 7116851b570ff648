"""An engine that is started anew under its name has its links at once; another waits until they are given up."""

from tests.engine.stock import Desk, Stock

from chappe.cli.supervisor import Supervisor
from chappe.cli.up import assemble
from chappe.engine.recorder import LINK_LEASE_MS
from chappe.engine.store.frame import Links, LinksTaken


def taken(desk: Desk) -> list[tuple[int, int]]:
    (answer,) = desk.handle(Links(1, take=[(desk.stock.connection_id, 0)]))
    assert isinstance(answer, LinksTaken)
    return answer.taken


def test_the_same_name_takes_its_links_over_and_another_waits(stock: Stock) -> None:
    link = (stock.connection_id, 0)
    assert taken(Desk(stock, "engine-1")) == [link]
    other = Desk(stock, "engine-2")
    assert taken(other) == []
    assert taken(Desk(stock, "engine-1")) == [link]
    other.now_ms += LINK_LEASE_MS
    assert taken(other) == [link]


def test_each_engine_of_an_installation_is_always_started_with_a_name_of_its_own() -> None:
    supervisor = Supervisor({})
    assemble(supervisor, "127.0.0.1", 8025, engines=3)
    engines = [child.command for child in supervisor.children if "chappe.engine.engine" in child.command]
    assert len({command[-1] for command in engines}) == 3
