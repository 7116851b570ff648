"""Two installations of processes: marketing prepares, mid sends; each has its own database, its engine and its web process.

Between them are two wires of ours, one for what marketing asks and one for what mid pushes, and behind mid an SMSC that counts.
"""

import random
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from django.db import connections
from tests.conftest import bind_django
from tests.engine.house import House
from tests.faults.plant import DELIVERED, STOP_S, WINDOW, Plant, wait
from tests.faults.wire import Wire

from chappe.engine.store.relay_catalogue import relayed
from chappe.features.accounts import operator
from chappe.features.accounts.models import Organisation
from chappe.features.connections import services
from chappe.features.connections.models import Connection
from chappe.features.relay.models import RelayAccount
from chappe.messaging import DeliveryState
from chappe.simulator import SimulatorProcess

LOGIN, ACCOUNT = "shop", "bulk"
MID_LINKS = "https://go.example.org"
STARTUP = Path(__file__).parent / "startup"
PATIENCE_S = 45.0
STOP = [{"keyword": "STOP", "short_code": "", "reply": "", "action": "send_to_quarantine"}]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Tier(Plant):
    """One installation: an engine and a web process, which rest only briefly after trouble."""

    program = "tests.faults.hasty"

    def __init__(self, name: str, url: str, folder: Path, provider: str, /, ahead_s: float, **settings: Any) -> None:
        House.__init__(self, url, provider, **settings)
        self.name, self.log = name, folder / f"{name}.log"
        self.engines: list[subprocess.Popen[bytes]] = []
        self.texts: list[str] = []
        self.chance = random.Random(name)
        self.web: subprocess.Popen[bytes] | None = None
        self.web_port = free_port()
        path = f"{STARTUP}:{Path(__file__).parents[2]}"
        self.environment: dict[str, str] = {"PYTHONPATH": path, "CHAPPE_TEST_AHEAD_S": str(ahead_s)}

    @contextmanager
    def django(self) -> Iterator[None]:
        """Django's services are this installation's within."""
        bind_django(self.url)
        try:
            yield
        finally:
            connections.close_all()

    def serve(self) -> None:
        self.web = self.run("-m", "chappe.web.serve", "127.0.0.1", str(self.web_port))

    def answers(self) -> bool:
        """Whether its web process takes calls."""
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.web_port)) == 0

    def kill_web(self) -> None:
        assert self.web is not None
        self.web.kill()
        self.web.wait()
        self.web = None

    def stop_web(self) -> None:
        """As a supervisor stops it."""
        assert self.web is not None
        self.web.terminate()
        self.web.wait(STOP_S)
        self.web = None

    def kill_engine(self) -> None:
        """With its store process, or alone, as it happens."""
        (engine,) = self.engines
        self.kill(engine, with_store=self.chance.random() < 0.5)
        self.let_leases_run_out()

    def stop_engine(self) -> None:
        (engine,) = self.engines
        self.stop(engine)
        self.let_leases_run_out()

    def down(self) -> None:
        """All of it stops, as when a machine is shut down."""
        self.stop_engine()
        self.stop_web()

    def up(self) -> None:
        """Whatever of it does not run is started."""
        if not self.engines:
            self.start()
        if self.web is None:
            self.serve()

    def close(self) -> None:
        if self.web is not None:
            self.kill_web()
        super().close()

    def let_leases_run_out(self) -> None:
        super().let_leases_run_out()
        self.stock.query("UPDATE relay_account SET lease_until_ms = 0")
        self.stock.query("DELETE FROM link_state")  # who waits for a link does not mean one of before

    def write_settings(self, **settings: Any) -> None:
        """Change the connection as the console does, secrets too."""
        with self.django():
            change = services.Change(settings=settings)
            services.change_connection(self.stock.organisation_id, self.connection_id, change, 1)


class TwoTiers:
    """Both of them at work, within `with`. `mid_ahead_s`: by how much mid's clock is ahead of marketing's."""

    def __init__(self, urls: tuple[str, str], folder: Path, *, mid_ahead_s: float = 0.0, **smsc: Any) -> None:
        self.chance = random.Random(20260101)
        self._stack = ExitStack()
        self._urls, self._folder, self._ahead_s = urls, folder, mid_ahead_s
        self._smsc = smsc
        self._deliveries = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.mid = self._made(stack, self._mid)
            self.over = stack.enter_context(Wire(self.mid.web_port))
            self.marketing = self._made(stack, self._marketing)
            self.back = stack.enter_context(Wire(self.marketing.web_port))
            self.marketing.environment["CHAPPE_PUBLIC_URL"] = f"http://127.0.0.1:{self.back.port}"
            self.smsc: SimulatorProcess = stack.enter_context(self.mid.smsc(**self._smsc))
            self._stack = stack.pop_all()
        try:
            self.up()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @staticmethod
    def _made(stack: ExitStack, make: Any) -> Tier:
        tier: Tier = make()
        stack.callback(tier.close)
        return tier

    def _mid(self) -> Tier:
        bind_django(self._urls[0])
        # fmt: off
        mid = Tier(
            "mid", self._urls[0], self._folder, "smpp", self._ahead_s,
            window=WINDOW, early_receipt_wait_s=1, invalid_id_acknowledge_count=1, reconnect_s=0.1, automatic_replies=STOP,
        )
        # fmt: on
        organisation_id = Organisation.objects.get().pk
        row = operator.create_operator(organisation_id, LOGIN, "Shop", ["administration"], 1)
        self.key = operator.add_key(organisation_id, row.pk, "first", 1)
        self.operator_id = row.pk
        Connection.objects.filter(pk=mid.connection_id).update(internal_name=f"{LOGIN}_{ACCOUNT}")
        mid.environment["CHAPPE_LINK_URL"] = MID_LINKS
        own = {"operator": LOGIN, "allowed_networks": "127.0.0.0/8"}
        RelayAccount.objects.create(connection_id=mid.connection_id, organisation_id=organisation_id, **own)
        connections.close_all()
        return mid

    def _marketing(self) -> Tier:
        bind_django(self._urls[1])
        values = {"base_url": f"http://127.0.0.1:{self.over.port}", "internal_name": ACCOUNT, "operator": LOGIN}
        waits = {"connect_timeout_s": 2, "response_timeout_s": 5}
        made = Tier("marketing", self._urls[1], self._folder, "relay", 0.0, **values, **waits, password=self.key.secret)
        connections.close_all()
        return made

    def up(self) -> None:
        """Everything runs, and both tiers reach each other."""
        self.over.set()
        self.back.set()
        for tier in (self.mid, self.marketing):
            tier.up()
        wait(lambda: self.mid.answers() and self.marketing.answers(), "the web processes")
        wait(lambda: ("transceiver", "bound", "") in self.mid.links(), "the link to the SMSC")
        wait(lambda: ("http", "ready", "") in self.marketing.links(), "the way to mid")
        wait(self._is_signed_in, "the sign-in at mid")

    def _is_signed_in(self) -> bool:
        rows = self.marketing.stock.query("SELECT told_push, error FROM relay_link")
        return bool(rows and rows[0][0] and not rows[0][1])

    # -- messages ----------------------------------------------------------------------------------------------------

    def begin(self) -> "Delivery":
        """A delivery on marketing that messages are put into."""
        self._deliveries += 1
        return Delivery(self, self._deliveries)

    def counts(self, delivery_id: int) -> Mapping[DeliveryState, int]:
        """Of marketing's delivery, as mid has them."""
        return self.mid.stock.counts(relayed(self.mid.connection_id, delivery_id))

    def handed_over(self, delivery: "Delivery") -> int:
        """Messages of it that mid has."""
        number = relayed(self.mid.connection_id, delivery.number)
        return int(self.mid.stock.query("SELECT count(*) FROM message WHERE delivery_id = ?", number)[0][0])

    def pages(self) -> tuple[int, int]:
        """How many pages mid has written, and how many marketing has heeded."""
        (written,) = self.mid.stock.query("SELECT count(*) FROM relay_page")[0]
        (heeded,) = self.marketing.stock.query("SELECT page FROM relay_link")[0]
        return written, heeded

    def told(self) -> int:
        """The last page that a push brought."""
        (told,) = self.mid.stock.query("SELECT told FROM relay_account")[0]
        return int(told)

    def is_out_of_step(self) -> bool:
        """Mid does not answer what marketing asks beside messages."""
        return bool(self.marketing.stock.query("SELECT error FROM relay_link")[0][0])

    def trouble(self) -> str:
        """Why marketing hands nothing over now; "": it does."""
        return " ".join(reason for _, _, reason in self.marketing.links())

    def calls(self, outcome: str) -> int:
        """Calls to marketing's hooks that were counted so."""
        rows = self.marketing.stock.query("SELECT calls FROM hook_count WHERE outcome = ?", outcome)
        return sum(calls for (calls,) in rows)


class Delivery:
    """Messages of marketing, in portions."""

    def __init__(self, tiers: TwoTiers, number: int) -> None:
        self.tiers, self.number = tiers, number
        self.ids: list[int] = []
        self._portions: list[tuple[int, int]] = []
        self._twice_before: int = tiers.smsc.get("/duplicates")["count"]

    def add(self, count: int, **values: Any) -> None:
        ids = self.tiers.marketing.fill(count, delivery=self.number, **values)
        self.ids += ids
        self._portions.append((ids[0], ids[-1]))

    def sent(self) -> int:
        """How many of them the SMSC has."""
        spans = [{"from": first, "to": last} for first, last in self._portions]
        return len(self.ids) - sum(self.tiers.smsc.get("/missing", **span)["count"] for span in spans)

    def delivered(self) -> int:
        """As marketing knows."""
        return self.tiers.marketing.stock.counts(self.number).get(DELIVERED, 0)

    def assert_whole(self, most_twice: int = 0) -> None:
        """Nothing lost; no more than `most_twice` sent twice, and those marked on mid; figures equal; all receipts there."""
        tiers, count = self.tiers, len(self.ids)
        wait(lambda: self.delivered() == count, "the delivery of all", PATIENCE_S)
        wait(lambda: len(set(tiers.pages())) == 1, "the last page")
        wait(lambda: tiers.marketing.stock.outbox() == tiers.mid.stock.outbox() == 0, "the end of the outboxes")
        assert self.sent() == count
        assert tiers.marketing.stock.counts(self.number) == tiers.counts(self.number) == {DELIVERED: count}
        assert tiers.marketing.stock.counted(self.number) == {DELIVERED: count}
        twice = tiers.smsc.get("/duplicates")
        assert twice["count"] - self._twice_before <= most_twice
        own = {int(one) for one in twice["last"]} & set(self.ids)
        assert [one for one in own if not self._is_marked(one)] == []
        assert tiers.smsc.stats().deliveries.given_up == 0

    def _is_marked(self, message_id: int) -> bool:
        mid = self.tiers.mid
        sql = "SELECT message_id FROM relayed WHERE id = ?"
        ((theirs,),) = mid.stock.query(sql, relayed(mid.connection_id, message_id))
        return bool(mid.stock.message(theirs)["is_possible_duplicate"])
