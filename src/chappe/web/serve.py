"""The web process: uvicorn with uvloop and httptools around the application."""

import sys

import uvicorn


def main() -> None:
    host, port = sys.argv[1], int(sys.argv[2])
    uvicorn.run(
        "chappe.web.asgi:application",
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=None,
        backlog=2048,
    )


if __name__ == "__main__":
    main()
