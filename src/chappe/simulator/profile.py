"""The built-in profiles: quirks under a name."""

from typing import Final

from .quirks import DelayShape, Keep, Quirks

PROFILES: Final[dict[str, Quirks]] = {
    "plain": Quirks(),
    "bench": Quirks(receipt_delay_ms=50.0, receipt_window=10_000, keep=Keep.IDENTITIES),
    "slow": Quirks(
        latency_ms=400.0,
        latency_jitter_ms=600.0,
        receipt_delay_ms=5_000.0,
        receipt_spread_ms=20_000.0,
        receipt_shape=DelayShape.EXPONENTIAL,
        read_pause_ms=50.0,
        receipt_window=10,
    ),
}
"""What `--quirks NAME` takes, and what `profile = "NAME"` in a file starts from."""
