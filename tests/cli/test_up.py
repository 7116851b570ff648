"""`chappe up`: what it says of itself is so."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.cli.conftest import free_port
from tests.cli.shell import Shell

from chappe.cli.supervisor import Supervisor
from chappe.cli.up import add_simulator, where_it_answers
from chappe.simulator.__main__ import main as simulator

CHAPPE = [sys.executable, "-c", "from chappe.cli import main; main()"]
PATIENCE_S = 60.0
URL = re.compile(r"http://[^\s;,]+")


def answers(url: str) -> int:
    """The status of a GET; 0 where nobody listens."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_every_address_that_it_prints_answers(tmp_path: Path) -> None:
    environment = os.environ | {"CHAPPE_DATA_DIR": str(tmp_path / "data"), "CHAPPE_PORT": str(free_port())}
    process = subprocess.Popen([*CHAPPE, "up"], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        lines = list(itertools.islice((line for line in process.stderr if "http://" in line), 3))
        urls = URL.findall("".join(lines))
        *pages, invitation = [urlsplit(url).path for url in urls]
        assert pages == ["/", "/v1/openapi.json", "/healthz"]
        assert invitation.startswith("/people/invitation/")
        until = time.monotonic() + PATIENCE_S
        while not answers(urls[0]) and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.05)
        assert [answers(url) for url in urls] == [302, 200, 200, 200]
        assert "`chappe key create NAME`" in "".join(lines)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:8025/"),
        ("0.0.0.0", "http://127.0.0.1:8025/"),
        ("::", "http://[::1]:8025/"),
        ("chappe.example.org", "http://chappe.example.org:8025/"),
    ],
)
def test_an_address_that_is_printed_can_be_called(host: str, shown: str) -> None:
    assert shown in where_it_answers(host, 8025)


def test_the_simulator_of_up_has_the_ports_that_it_has_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor({})
    said = add_simulator(supervisor, "demo")
    assert not [word for word in supervisor.children[0].command if "port" in word]
    with pytest.raises(SystemExit):
        simulator(["--help"])
    defaults = re.findall(r"free one \((\d+)\)", " ".join(capsys.readouterr().out.split()))
    assert defaults == ["2775", "2780"]
    assert all(f":{port}" in said for port in defaults)


def test_a_profile_that_does_not_exist_stops_the_start(shell: Shell) -> None:
    result = shell("up", "--simulator", "pigeon")
    assert result.code == 2
    assert "'pigeon' is neither a file nor one of plain" in result.err
