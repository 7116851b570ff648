"""The machine: versions, disk, limits, clock, ports. Needs neither Django nor a database."""

import http.client
import os
import resource
import shutil
import socket
import sqlite3
import ssl
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from chappe.cli.examination.symptom import Symptom, error, ok, warning
from chappe.engine.configuration import Configuration, sqlite_path

LEAST_PYTHON = (3, 11)
LEAST_SQLITE = (3, 35)
"""The first with RETURNING."""
GIB = 1 << 30
FULL_BYTES, NEARLY_FULL_BYTES = GIB // 4, 2 * GIB
FSYNCS = 20
SLOW_FSYNC_S, IMPOSSIBLE_FSYNC_S = 0.020, 0.000_010
LEAST_FILES = 1024
RELEASED = datetime(2026, 1, 1, tzinfo=UTC)
"""No clock that is right shows an earlier time."""
ANSWER_S = 2.0


def examine(configuration: Configuration) -> Iterator[Symptom]:
    yield from versions()
    yield from data_dir(configuration.data_dir)
    yield from secret_files(configuration)
    yield from open_files()
    yield from clock(datetime.now(UTC))
    yield from web_port(configuration.host, configuration.port, configuration.allowed_hosts)


def versions() -> Iterator[Symptom]:
    python = ".".join(map(str, sys.version_info[:3]))
    words = f"Python {python}, SQLite {sqlite3.sqlite_version}, {ssl.OPENSSL_VERSION}."
    if sys.version_info < LEAST_PYTHON:
        yield error(words, "Run Chappe with Python 3.11 or later.")
    elif sqlite3.sqlite_version_info < LEAST_SQLITE:
        yield error(words, "Use a Python that comes with SQLite 3.35 or later.")
    else:
        yield ok(words)


def data_dir(path: Path) -> Iterator[Symptom]:
    """Writable, with room, and quick to say that what was written is on the disk."""
    try:
        seconds = fsync_s(path)
        free = shutil.disk_usage(path).free
    except OSError as problem:
        fix = f"Let the user that runs Chappe write there, or set CHAPPE_DATA_DIR. ({problem.strerror})"
        yield error(f"The data directory {path} cannot be written to.", fix)
        return
    yield from room(path, free)
    yield disk_speed(seconds)


def room(path: Path, free: int) -> Iterator[Symptom]:
    words = f"The disk of {path} has {free / GIB:.1f} GiB left."
    fix = "Make room, or move CHAPPE_DATA_DIR to a larger disk: when it is full, nothing is accepted and nothing sent."
    if free < FULL_BYTES:
        yield error(words, fix)
    elif free < NEARLY_FULL_BYTES:
        yield warning(words, fix)
    else:
        yield ok(words)


def disk_speed(seconds: float) -> Symptom:
    """What a median fsync of so many seconds means."""
    words = f"A commit waits {seconds * 1000:.2g} ms for the disk."
    if seconds > SLOW_FSYNC_S:
        return warning(words, "Messages are accepted and sent in groups of one such wait each; a local SSD is faster.")
    if seconds < IMPOSSIBLE_FSYNC_S:
        return warning(
            f"A commit waits {seconds * 1e6:.1f} µs for the disk, less than a disk takes.",
            "Is the data directory in memory, or the disk's cache without a battery? Then a power cut loses messages.",
        )
    return ok(words)


def fsync_s(folder: Path) -> float:
    """The median of some writes of a page, each waited for. Raises OSError."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNCS):
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return sorted(took)[FSYNCS // 2]


def secret_files(configuration: Configuration) -> Iterator[Symptom]:
    """Keys and the database hold secrets and people's texts: nobody but their owner may read them."""
    folder = configuration.data_dir
    database = sqlite_path(configuration.database_url)
    keys = [path for path in (folder / "keys", folder / "secret-key") if path.exists()]
    open_keys = [path for path in keys if _others_read(path)]
    for path in open_keys:
        yield error(f"Others on this machine may read the key file {path}.", f"chmod 600 {path}")
    if keys and not open_keys:
        yield ok("Nobody else on this machine may read the key files.")
    if database is not None and database.exists() and _others_read(database) and _others_enter(database.parent):
        yield warning(
            f"Others on this machine may read the database {database}, with numbers and texts.",
            f"chmod 700 {database.parent}",
        )


def _others_read(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _others_enter(folder: Path) -> bool:
    return bool(folder.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH))


def open_files() -> Iterator[Symptom]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < LEAST_FILES:
        fix = f"Raise it: `ulimit -n {LEAST_FILES * 4}`, or LimitNOFILE= in the systemd unit; the hard limit is {hard}."
        yield warning(f"A process may have {soft} files and connections open.", fix)
    else:
        yield ok(f"A process may have {soft} files and connections open.")


def clock(now: datetime) -> Iterator[Symptom]:
    if now < RELEASED:
        fix = "Set it, and let NTP keep it: validity, quiet hours and schedules go by it."
        yield error(f"The clock shows {now:%Y-%m-%d %H:%M} UTC, before this version was made.", fix)
    else:
        yield ok(f"The clock shows {now:%Y-%m-%d %H:%M:%S} UTC.")


def web_port(host: str, port: int, allowed_hosts: Sequence[str]) -> Iterator[Symptom]:
    """Free, or taken by Chappe itself, which answers to its own names alone."""
    if _is_free(host, port):
        yield ok(f"Port {port} on {host} is free: the web process does not run.")
    elif _is_ours(host, port, next((name for name in allowed_hosts if name[0] not in ".*"), "localhost")):
        yield ok(f"Chappe answers on {host}:{port}.")
    else:
        yield error(
            f"Port {port} on {host} cannot be listened on, and what is there is not Chappe.",
            "Stop the other program, or set CHAPPE_HOST and CHAPPE_PORT.",
        )


def _is_free(host: str, port: int) -> bool:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
    except OSError:
        return False
    return True


def _is_ours(host: str, port: int, name: str) -> bool:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not listened on, only translated
    connection = http.client.HTTPConnection(reachable, port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/healthz", headers={"Host": name})
        return b'"status"' in connection.getresponse().read(4096)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
