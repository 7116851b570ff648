"""The web process: uvicorn with uvloop and httptools around the application."""

import gc
import os
import sys

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chappe.engine.configuration import Configuration

MOST_HEAD = 64 * 1024
"""Octets of a request's line and headers, give or take one read: the parser itself takes any number, from anybody."""


class BoundedHeads(HttpToolsProtocol):
    """Refuses requests whose head does not end."""

    _is_in_head = True
    _head = 0

    def on_headers_complete(self) -> None:
        self._is_in_head, self._head = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_head, self._head = True, -1  # what comes after it in the same read is not counted
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_in_head:
            return
        self._head = self._head + len(data) if self._head >= 0 else 0
        if self._head > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")


NICENESS = 5
"""The engine goes first where there is not enough processor for all: its providers wait for answers, and what is taken here
is of use once it is sent."""
GARBAGE_OBJECTS = 50_000
"""Made, and not let go of, between two looks for those that only know each other."""


def main() -> None:
    host, port = sys.argv[1], int(sys.argv[2])
    # Messages that come by the thousand are no garbage: looking through them again and again takes as long as storing them.
    os.nice(NICENESS)
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS, 20, 20)
    proxies = Configuration.load(os.environ).trusted_proxies
    uvicorn.run(
        "chappe.web.asgi:application",
        host=host,
        port=port,
        loop="uvloop",
        http=BoundedHeads,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_keep_alive=65,
        timeout_graceful_shutdown=10,
        backlog=2048,
    )


if __name__ == "__main__":
    main()
