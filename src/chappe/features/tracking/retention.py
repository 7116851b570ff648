"""Addresses that were opened go when the texts go that they stood in; how often links were opened stays."""

from collections.abc import Callable, Iterator

from chappe.engine.store.click import ANY
from chappe.engine.store.click_catalogue import HOLD_LINK_COUNT
from chappe.engine.store.statement import Query
from chappe.engine.store.store import Store
from chappe.features.deliveries.models import Delivery
from chappe.features.message_store import open_store
from chappe.features.relay.models import RelayDelivery
from chappe.features.tracking.models import LinkClick, LinkCount

LOOKED_AT = 500
"""Deliveries, and clicks of one, that are read at once."""

# Not whether there is one: PostgreSQL would look for it in the whole table, where a delivery is a good part of that.
_TEXTS_LEFT = Query("SELECT COUNT(*) FROM message WHERE delivery_id = ? AND body <> ''", ("messages",))
_DELETE_ADDRESSES = Query("DELETE FROM link_count WHERE delivery_id = ? AND url <> '*'")


def forget_addresses(organisation_id: int, beat: Callable[[], None]) -> None:
    """Take the addresses out of the counts of deliveries that have no text left; what was opened in all stays."""
    with open_store() as store:
        for delivery_id in _with_addresses(organisation_id):
            if not _has_address(delivery_id) and not _has_text(store, delivery_id):
                with store.transaction():
                    store.database.query(HOLD_LINK_COUNT, (delivery_id,))
                    store.database.query(_DELETE_ADDRESSES, (delivery_id,))
            beat()


def _with_addresses(organisation_id: int) -> Iterator[int]:
    """Deliveries of its own, and those that others handed over to it."""
    rows = LinkCount.objects.exclude(url=ANY).order_by("delivery_id").values_list("delivery_id", flat=True).distinct()
    after = 0
    while ids := list(rows.filter(delivery_id__gt=after)[:LOOKED_AT]):
        for kind in (Delivery, RelayDelivery):
            own = kind._default_manager.filter(pk__in=ids, organisation_id=organisation_id)
            yield from own.order_by("pk").values_list("pk", flat=True)
        after = ids[-1]


def _has_address(delivery_id: int) -> bool:
    """Whether a click tells what was opened: then its text is there. Most deliveries are left alone for that."""
    rows = LinkClick.objects.filter(delivery_id=delivery_id).order_by("pk").values_list("pk", "url")
    after = 0
    while some := list(rows.filter(pk__gt=after)[:LOOKED_AT]):
        if any(url for _, url in some):
            return True
        after = some[-1][0]
    return False


def _has_text(store: Store, delivery_id: int) -> bool:
    ((texts,),) = store.database.query(_TEXTS_LEFT, (delivery_id,))
    return bool(texts)
