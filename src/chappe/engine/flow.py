"""Everything that runs for one connection: its worker and what carries its messages. Changed when its settings change."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from chappe.engine.ledger import Ledger
from chappe.engine.net.egress import Bound
from chappe.engine.store.client import StoreClient
from chappe.engine.store.frame import Configure
from chappe.engine.store.statement import Row
from chappe.engine.trace import REQUESTS_PER_S, Recording, TraceOrder
from chappe.engine.worker import Dialect, Slot, Worker
from chappe.messaging import Channel
from chappe.providers.contract import ProviderSpec, Settings
from chappe.providers.smpp_settings import SPEC as SMPP

DRAIN_S = 10.0


@dataclass(frozen=True)
class ConnectionSettings:
    """A connection as its row and its provider's declaration give it."""

    id: int
    organisation_id: int
    name: str
    spec: ProviderSpec
    settings: Settings
    version: int
    bounds: tuple[Bound, ...] = ()
    """What it may be allowed to call at all."""

    @property
    def channel(self) -> Channel:
        """The one whose quarantine counts: a STOP by SMS or by RCS is about the number, and so about both."""
        return Channel.EMAIL if self.spec.channels == {Channel.EMAIL} else Channel.SMS

    def policy(self, number: int) -> Configure:
        """What the recorder must know."""
        settings, is_smpp = self.settings, self.spec.key == SMPP.key
        return Configure(
            number,
            self.id,
            self.organisation_id,
            settings.text("implementation_name") if is_smpp else self.spec.label,
            settings.text("short_code") if is_smpp else "",
            # Adapters write people's numbers as we keep them, so nothing is to be put before them.
            settings.flag("full_phone_number") if is_smpp else True,
            settings.text("default_error_kind"),
            settings.get("retry_delay_s", 0.0),
            settings.get("retry_limit", 0),
            settings.number("early_receipt_wait_s"),
            [dict(row) for row in settings.rows("automatic_replies")] if is_smpp else [],
            provider=self.spec.key,
            channel=self.channel.value,
            hands_over=self.spec.hands_over,
        )


class FlowSlot(Slot, Protocol):
    """A slot as its flow handles it."""

    number: int
    sent: int

    async def stop(self) -> None: ...


S = TypeVar("S", bound=FlowSlot)


class Flow(ABC, Generic[S]):
    """What all connections have in common. A subclass says what a slot is, and when settings need another one."""

    total_slots = 1
    """Slots that all engines together hold of the connection."""
    traced_per_s = REQUESTS_PER_S
    connection: ConnectionSettings
    dialect: Dialect

    def __init__(self, connection: ConnectionSettings, ledger: Ledger, client: StoreClient) -> None:
        self._ledger = ledger
        self._client = client
        self.slots: dict[int, S] = {}
        self.recording: Recording | None = None
        """There while somebody traces the connection."""
        self._stopping: dict[int, asyncio.Task[None]] = {}
        self._measured: dict[object, tuple[float, int]] = {}
        self._read(connection)
        self.worker = Worker(
            connection.id, connection.organisation_id, self.dialect, ledger, client, channel=connection.channel
        )
        self._set_worker()

    # -- what a subclass says ----------------------------------------------------------------------------------------

    @abstractmethod
    def _take_over(self, connection: ConnectionSettings) -> None:
        """Read settings, as far as they do not concern slots. Raises ConfigError, and then the flow is as it was."""

    @abstractmethod
    def _open(self, number: int) -> S:
        """A new slot."""

    @abstractmethod
    def _keep(self, slot: S) -> bool:
        """Give an open slot the settings as they are; False where it must be closed, and another one opened."""

    @abstractmethod
    def states(self, owner: str, now_ms: int) -> list[Row]:
        """Rows of `link_state`, in the order of `catalogue.SHOW_LINK`."""

    def told(self, unknown: Sequence[tuple[int, int]]) -> None:
        """Receipts that came on a link of ours whose id matched nothing in time: (token, times this id was seen)."""

    @abstractmethod
    def _traced(self) -> None:
        """There is a `recording` now, or none any more."""

    # -- traces ------------------------------------------------------------------------------------------------------

    def trace(self, orders: Sequence[TraceOrder]) -> None:
        """Keep what crosses the connection as these say, and nothing where there are none."""
        recording = self.recording
        if recording is not None:
            recording.set(orders)
        if (recording is None) == (not orders):
            return
        if recording is not None:
            recording.close()
            self.recording = None
        else:
            self.recording = Recording(self._client, self.traced_per_s)
            self.recording.set(orders)
        self._traced()

    # -- settings ----------------------------------------------------------------------------------------------------

    def _read(self, connection: ConnectionSettings) -> None:
        self._take_over(connection)
        self.connection = connection
        self._client.send(connection.policy(self._client.number()))

    def _set_worker(self) -> None:
        settings = self.connection.settings
        self.worker.set(
            self.dialect,
            resend_unknown=settings.get("unknown_outcome", "resend") == "resend",
            despite_stop=settings.get("transactional_despite_stop", False),
            short_code=settings.text("short_code") if self.connection.spec.key == SMPP.key else "",
            hands_over=self.connection.spec.hands_over,
        )

    def change(self, connection: ConnectionSettings) -> None:
        """New settings, without a restart: a slot is opened anew only where what it was opened with changed."""
        self._read(connection)
        self._set_worker()
        for number, slot in list(self.slots.items()):
            if not self._keep(slot):
                self._drop(number)
        self.worker.slots = list(self.slots.values())

    # -- slots -------------------------------------------------------------------------------------------------------

    def hold(self, numbers: Sequence[int]) -> None:
        """Open the slots that this process has leases for, close those it has lost.

        A slot that is being closed is opened again when it is: the provider never sees more links than agreed.
        """
        for number in numbers:
            if number not in self.slots and number not in self._stopping:
                self.slots[number] = self._open(number)
        for number in [number for number in self.slots if number not in numbers]:
            self._drop(number)
        self.worker.slots = list(self.slots.values())

    def _drop(self, number: int) -> None:
        slot = self.slots.pop(number)
        task = asyncio.create_task(slot.stop())
        self._stopping[number] = task
        task.add_done_callback(lambda _: self._stopping.pop(number))

    async def stop(self) -> None:
        """Send nothing new, let what is on the wire be answered and committed (within a bound), then close."""
        self.worker.stop()
        until = time.monotonic() + DRAIN_S
        while not self.worker.is_idle and time.monotonic() < until:
            await asyncio.sleep(0.02)
        await asyncio.gather(*(slot.stop() for slot in self.slots.values()), *self._stopping.values())
        if self.recording is not None:
            self.recording.close()

    def _per_s(self, what: object, total: int) -> float:
        """How fast a count of this flow grows: a second, since this was asked last. What begins anew counts from 0."""
        now = time.monotonic()
        at, before = self._measured.get(what, (now - 1, 0))
        self._measured[what] = (now, total)
        return round((total - (before if before <= total else 0)) / max(0.001, now - at), 1)


def percentiles_ms(round_trips: Sequence[float]) -> tuple[float, float]:
    """Half of the round trips were shorter than the first, 99 % than the second; zeros where there are none."""
    trips = sorted(round_trips)
    if not trips:
        return 0.0, 0.0
    return round(trips[len(trips) // 2] * 1000, 3), round(trips[int(len(trips) * 0.99)] * 1000, 3)
