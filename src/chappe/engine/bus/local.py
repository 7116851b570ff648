"""How the processes of one machine wake each other: a datagram without content, "there is something to do".

Losing one costs at most a poll interval, so nothing is acknowledged, queued or retried. Names are abstract Unix sockets
derived from the database, so two installations on one machine do not wake each other. Where the system has none, everybody
polls.
"""

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import Callable

MOST_ENGINES = 8


class LocalBus:
    def __init__(self, database_url: str) -> None:
        self._name = hashlib.sha256(database_url.encode()).hexdigest()[:24]
        self._sender: socket.socket | None = None
        self._present = [0]

    def _address(self, number: int) -> str:
        return f"\0chappe-{self._name}-{number}"

    def listen(self, on_wake: Callable[[], None]) -> Callable[[], None]:
        """Call `on_wake` whenever somebody tells; returns how to stop. Needs a running loop."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.setblocking(False)
        for number in range(MOST_ENGINES):
            with contextlib.suppress(OSError):
                listener.bind(self._address(number))
                break
        else:
            listener.close()
            return lambda: None
        loop = asyncio.get_running_loop()

        def drain() -> None:
            with contextlib.suppress(BlockingIOError):
                while True:
                    listener.recv(16)
            on_wake()

        loop.add_reader(listener.fileno(), drain)

        def stop() -> None:
            loop.remove_reader(listener.fileno())
            listener.close()

        return stop

    def tell(self) -> None:
        """Wake every engine of this installation; never waits, never fails."""
        if self._sender is None:
            self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._sender.setblocking(False)
        for number in range(MOST_ENGINES):
            try:
                self._sender.sendto(b"", self._address(number))
            except BlockingIOError:
                continue  # it has plenty to read already
            except OSError:
                break

    def close(self) -> None:
        """Give the socket back; for who tells once and goes on."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None
