"""An engine whose rests after trouble are short, so that a test can make a lot of it: python -m tests.faults.hasty"""

from chappe.engine import engine, http_slot, relay_flow, relay_teller
from chappe.providers import relay

REST_S = (0.05, 0.1, 0.2)

http_slot.UNREACHABLE_S = REST_S  # type: ignore[assignment]
relay_flow.REST_S = REST_S  # type: ignore[assignment]
relay_teller.REST_S = REST_S  # type: ignore[assignment]
relay.ACCOUNT_PAUSE_S = REST_S[-1]

if __name__ == "__main__":
    engine.main()
