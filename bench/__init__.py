"""Measurements: ratios against a reference loop, taken in one run on one machine."""
