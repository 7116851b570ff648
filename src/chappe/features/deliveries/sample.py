"""The text of a delivery for some people of its list, before anything is written: for those who write it."""

import msgspec

from chappe.features.deliveries.analysis import Planner, blocked_among, first_members
from chappe.features.deliveries.link import pictured
from chappe.features.deliveries.models import Delivery
from chappe.features.message_store import open_store


class Sample(msgspec.Struct, frozen=True, gc=False):
    """What one person would get, with links as they will look. Where `reason` says why they would get nothing, `body` is what
    they would have got, as far as it can be made."""

    address: str
    contact_id: int
    body: str
    reason: str = ""
    encoding: str = ""
    segments: int = 0


def samples(delivery: Delivery, people: int) -> list[Sample]:
    """The first people of the list with a number or address, also those who would be left out. `delivery` may be unsaved.

    Raises ConfigError as an analysis does.
    """
    planner = Planner(delivery)
    with open_store() as store:
        members = first_members(store, delivery, planner.way, people)
        blocked = blocked_among(store, delivery, planner.way, members)
    found = []
    for member in members:
        address, contact_id, *_ = member
        reason, prepared = planner.sampled(member, blocked)
        if isinstance(prepared, str):
            found.append(Sample(address, contact_id, "", reason or prepared))
        else:
            body = pictured(prepared.body, planner.link_base)
            found.append(Sample(address, contact_id, body, reason, prepared.encoding, prepared.segments))
    return found
