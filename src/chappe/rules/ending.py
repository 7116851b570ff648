"""How a message ends that may not be sent any more, when some of it may have gone out before."""

from chappe.messaging import DeliveryState


def ending(
    state: DeliveryState, reason: str, *, taken: int = 0, segments: int = 1, may_have_gone: bool = False
) -> tuple[DeliveryState, str]:
    """`state` and `reason` are those of a message of which nothing went; what comes back is true of this one.

    `taken` of its `segments` are with the provider. `may_have_gone`: it was on its way once, and nobody answered.
    """
    if may_have_gone:
        return DeliveryState.UNCONFIRMED, f"it may have gone out, and is not sent again: {reason}"
    if taken:
        return DeliveryState.FAILED, f"{taken} of {segments} segments were sent, the others not: {reason}"
    return state, reason
