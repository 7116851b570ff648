"""What is counted of the traffic, for charts."""

from enum import IntEnum


class TrafficKind(IntEnum):
    """What happened. The numbers are stored; below 100 they are those of `DeliveryState`: a message got there.

    A message that is sent anew after an error is sent twice. RECEIPT: one that was for a message of ours, whatever it
    said; UNMATCHED: one whose id nobody knew in time.
    """

    UNCONFIRMED = 20
    SENT = 30
    DELIVERED = 40
    READ = 45
    FAILED = 50
    EXPIRED = 60
    EXCLUDED = 70
    CANCELLED = 80
    INBOUND = 100
    OPT_OUT = 101
    OPT_IN = 102
    RECEIPT = 110
    UNMATCHED = 111
