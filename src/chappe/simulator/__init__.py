"""A scriptable SMSC: the demo, the sandbox, the tests and the benchmarks talk to it.

`Simulator` runs inside the caller's loop, `SimulatorProcess` in a process of its own; what it does is `Quirks`, what it
saw is `stats()`, and an HTTP port answers with both. The knobs are described in docs/reference/simulator.md.
"""

from .process import SimulatorProcess
from .quirks import Quirks
from .smsc import HTTP_PORT, SMPP_PORT, Simulator

__all__ = ["HTTP_PORT", "SMPP_PORT", "Quirks", "Simulator", "SimulatorProcess"]
