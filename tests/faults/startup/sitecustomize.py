"""Puts the clock of a process forward (or back) by `CHAPPE_TEST_AHEAD_S` seconds. On the path of processes that tests start."""

import os
import time

_AHEAD_S = float(os.environ.get("CHAPPE_TEST_AHEAD_S", "0"))


def _shift() -> None:
    real, real_ns = time.time, time.time_ns
    time.time = lambda: real() + _AHEAD_S
    time.time_ns = lambda: real_ns() + int(_AHEAD_S * 1e9)


if _AHEAD_S:
    _shift()
