"""The console on a full store: how long the server works on each page. Run: python -m bench.console --messages 10000000

One organisation with so many messages; a list, a quarantine, an inbox and an audit trail of half a million rows each; a
delivery with a tenth of the messages. Each page is asked for seven times in the process itself, sign-in and rights included;
the time of a page is the median.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

from bench.growth import SERIES, fill
from bench.scene import Scene, scene
from chappe.engine.store.statement import Query
from chappe.engine.store.store import Store, open_store

OTHERS = 500_000
TIMES = 7
MOST_MS = 200.0


def more(store: Store, made: Scene, messages: int, others: int) -> None:
    """What else a busy organisation has, by statements."""
    name, now_ms = store.database.name, int(time.time() * 1000)
    true, false = ("1", "0") if name == "sqlite" else ("true", "false")
    text = "CAST(i AS TEXT)" if name == "sqlite" else "i::text"
    number = f"'+336' || {text}"
    org, connection = made.organisation_id, made.connection_id
    tables = {
        "contact (organisation_id, external_id, phone, phone_raw, email, email_raw, attributes, created_ms)": (
            f"{org}, 'C' || {text}, {number}, '', '', '', '{{}}', {now_ms}"
        ),
        "contact_list_member (list_id, phone, email, contact_id)": f"1, {number}, '', i",
        "quarantine (organisation_id, channel, address, short_code, status, reason, error_count, last_error_ms, created_ms, "
        "changed_ms)": f"{org}, 'sms', {number}, '', 'denylisted', 'STOP', 0, 0, {now_ms}, {now_ms}",
        "consent_event (organisation_id, channel, address, sender, is_given, at_ms, source, evidence, connection_id)": (
            f"{org}, 'sms', {number}, '', {false}, {now_ms}, 'keyword', 'STOP', {connection}"
        ),
        "inbound (id, organisation_id, connection_id, sender, recipient, body, segments, is_complete, linked_sms, alias, "
        "large_account, provider_message_id, keyword, action, reply_message_id, received_ms)": (
            f"i, {org}, {connection}, {number}, '36111', 'A question', 1, {true}, '', '', '', '', '', '', 0, {now_ms}"
        ),
        "conversation (organisation_id, number, connection_id, recipient, last_inbound_id, last_ms, is_open, assignee_id)": (
            f"{org}, {number}, {connection}, '36111', i, {now_ms}, {true}, 0"
        ),
        "audit_event (organisation_id, at_ms, actor_kind, actor_id, actor_name, action, subject_kind, subject_id, "
        "subject_name, before, after, address)": (
            f"{org}, {now_ms} - i, 'person', 1, 'Marie', 'change', 'contact', i, 'C', '{{}}', '{{\"name\": \"x\"}}', ''"
        ),
    }
    for table, values in tables.items():
        with store.transaction():
            insert = f"INSERT INTO {table} {SERIES[name]} SELECT {values} FROM s"
            store.database.query(Query(insert), (1, others))
    with store.transaction():
        part = f"UPDATE message SET delivery_id = 1 WHERE id <= {messages // 10}"
        store.database.query(Query(part))
        counts = f"INSERT INTO delivery_count (delivery_id, state, messages) VALUES (1, 30, {messages // 10})"
        store.database.query(Query(counts))
    store.database.query(Query("ANALYZE"))


FURNISH = """
from chappe.features.accounts.models import Organisation, User
from chappe.features.connections.models import Connection
from chappe.features.contacts import services as contacts
from chappe.features.deliveries import services as deliveries
from chappe.features.deliveries.models import Delivery
o = Organisation.objects.get(); c = Connection.objects.get()
l = contacts.create_list(o.pk, "Everybody", now)
d = deliveries.create_delivery(o.pk, deliveries.Draft(label="Big", list_id=l.pk, connection_id=c.pk, body="Hello"), now)
Delivery.objects.filter(pk=d.pk).update(status="sending", audience=MESSAGES, started_ms=now, analysed_ms=now)
deliveries.create_delivery(o.pk, deliveries.Draft(label="Draft", list_id=l.pk, connection_id=c.pk, body="Hello"), now)
User.objects.create_user("marie@example.org", "marie@example.org", None, organisation=o, role="administrator")
result = {}
"""


def paths(messages: int, others: int) -> Iterator[str]:
    """Pages that show what there is much of, and those that people open most."""
    number = f"+336{messages // 2 * 7919 % 100_000_000:08d}"
    yield from ("/", "/connections/", "/connections/wall/", "/connections/1/", "/connections/1/performance/")
    yield from ("/deliveries/", "/deliveries/1/", "/deliveries/1/report/", "/deliveries/1/messages/", "/deliveries/2/")
    yield from ("/deliveries/2/edit/", "/deliveries/new/", "/contacts/", "/contacts/lists/1/", "/contacts/people/")
    yield from (
        "/contacts/people/?q=%2B336250",
        f"/contacts/people/{others // 2}/",
        f"/contacts/lists/1/?q=C{others // 2}",
    )
    yield from (
        "/consent/",
        "/consent/?q=%2B3362500",
        "/consent/?status=denylisted",
        "/consent/ledger/",
        "/consent/keywords/",
    )
    yield from (
        f"/messages/?q=%2B{number[1:]}",
        f"/messages/{messages // 2}/",
        f"/messages/?q={messages * 2654435761 % 4294967296:08x}",
    )
    yield from ("/inbox/", "/inbox/?box=all", f"/inbox/{others // 2}/", "/errors/", "/hooks/", "/callbacks/", "/audit/")
    yield from ("/audit/?action=change", "/audit/1/", "/people/", "/keys/", "/settings/", "/settings/retention/")


def measure(messages: int, database_url: str | None = None, others: int = OTHERS) -> dict[str, Any]:
    """Milliseconds of the server for each page, with so many messages in the store."""
    with scene(database_url) as made:
        made.prepare(1, {"window": 10}, is_enabled=False)
        made.django(FURNISH.replace("MESSAGES", str(messages // 10)))
        store = open_store(made.url)
        try:
            fill(store, made, messages)
            more(store, made, messages, others)
        finally:
            store.database.close()
        os.environ.update(
            {name: made.environment[name] for name in made.environment if name.startswith(("CHAPPE", "DJANGO"))}
        )
        return timed(list(paths(messages, others)))


def timed(asked: list[str]) -> dict[str, Any]:
    import django
    from django.conf import settings

    django.setup()
    settings.ALLOWED_HOSTS = ["testserver"]
    from django.test import Client

    from chappe.features.accounts.models import User

    client = Client()
    client.force_login(User.objects.get(username="marie@example.org"))
    found: dict[str, Any] = {}
    for path in asked:
        spent = []
        for _ in range(TIMES):
            started = time.perf_counter()
            status = client.get(path).status_code
            spent.append((time.perf_counter() - started) * 1000)
        found[path] = {
            "status": status,
            "first_ms": round(spent[0], 1),
            "median_ms": round(statistics.median(spent), 1),
        }
    slowest = max(found, key=lambda path: float(found[path]["median_ms"]))
    return {"pages": found, "slowest": slowest, "slowest_ms": found[slowest]["median_ms"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--others", type=int, default=OTHERS)
    parser.add_argument("--database")
    given = parser.parse_args()
    found = measure(given.messages, given.database, given.others)
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
