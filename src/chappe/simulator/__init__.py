"""A scriptable SMSC and scriptable HTTP providers: the demo, the sandbox, the tests and the benchmarks talk to them.

`Simulator` runs inside the caller's loop, `SimulatorProcess` in a process of its own; what it does is `Quirks`, what it
saw is `stats()`, and an HTTP port answers with both. `HttpSimulator`, `HttpSimulatorProcess` and `HttpQuirks` are the
same for HTTP. The knobs are described in docs/reference/simulator.md and docs/reference/http-simulator.md.
"""

from .http_quirks import HttpQuirks, VendorQuirks
from .http_simulator import VENDORS_PORT, HttpSimulator
from .process import HttpSimulatorProcess, SimulatorProcess
from .quirks import Quirks
from .smsc import HTTP_PORT, SMPP_PORT, Simulator

__all__ = [
    "HTTP_PORT",
    "SMPP_PORT",
    "VENDORS_PORT",
    "HttpQuirks",
    "HttpSimulator",
    "HttpSimulatorProcess",
    "Quirks",
    "Simulator",
    "SimulatorProcess",
    "VendorQuirks",
]
