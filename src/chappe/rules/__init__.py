"""Decisions that both halves need, as pure functions over plain values: no I/O, and the time is an argument."""
