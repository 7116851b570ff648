"""The simulator as a process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.simulator.client import bound, in_loop, numbers

from chappe.simulator import Quirks, SimulatorProcess
from chappe.simulator.process import SimulatorError
from chappe.simulator.quirks import Failure

COMMAND = [sys.executable, "-m", "chappe.simulator", "--port", "0", "--http-port", "0"]


@in_loop
async def test_a_process_takes_messages_and_tells_its_counts() -> None:
    quirks = Quirks(failures=(Failure("UNDELIV", "001", 1.0),), receipt_delay_ms=0)
    with SimulatorProcess(quirks) as smsc:
        async with bound(smsc) as client:  # type: ignore[arg-type]
            client.submit(numbers(500))
            await client.delivered(500)
            assert {one["stat"] for one in client.receipts()} == {"UNDELIV"}
            await client.settled()
        stats = smsc.stats()
        assert (stats.unique, stats.receipts_acknowledged) == (500, 500)
        assert smsc.post("/drop", system_id="nobody") == {"links": 0}
        with pytest.raises(SimulatorError, match="latency"):
            smsc.post("/quirks", latency=1)


def test_a_process_that_cannot_start_says_so() -> None:
    with pytest.raises(SimulatorError), SimulatorProcess("no such profile"):
        pass


def test_the_first_line_and_the_ready_file_say_where_it_listens(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    with subprocess.Popen([*COMMAND, "--ready-file", str(ready)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline())
        assert json.loads(ready.read_text()) == ports
        assert ports["port"] != ports["http_port"]
        process.terminate()
        assert process.wait(10) == 0


def test_a_process_ends_with_its_standard_input() -> None:
    command = [*COMMAND, "--until-stdin-ends"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(10) == 0


def test_unknown_quirks_end_the_start_with_a_reason() -> None:
    done = subprocess.run([*COMMAND, "--quirks", "nothing"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "demo" in done.stderr
