"""The traffic: links that are down, messages that are late, receipts and errors that nobody understands."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chappe.cli.examination.symptom import Symptom, error, ok, warning
from chappe.cli.screen import counted, span

if TYPE_CHECKING:
    from chappe.features.connections.link import Link
    from chappe.features.connections.models import Connection

DAY_MS = 86_400_000
LATE_MS = 300_000
LISTED = 3


def examine(now_ms: int) -> Iterator[Symptom]:
    yield from links(now_ms)
    yield from late_messages(now_ms)
    yield from unmatched_receipts(now_ms)
    yield from unknown_errors()
    yield from future_times(now_ms)


def links(now_ms: int) -> Iterator[Symptom]:
    from chappe.features.connections.link import links_of
    from chappe.features.connections.models import Connection

    enabled = {one.pk: one for one in Connection.objects.select_related("organisation").filter(is_enabled=True)}
    found = [link for link in links_of(enabled, now_ms) if link.is_live]
    if enabled and not found:
        fix = "`chappe up` starts everything; if an engine runs, its log says why (connection.unusable)."
        yield warning("No engine runs, or none that can use a connection: nothing is sent.", fix)
        return
    for pk, one in enabled.items():
        yield from _connection_links(one, [link for link in found if link.connection_id == pk])
    bound = sum(link.is_bound for link in found)
    if found:
        yield ok(f"{bound} of {counted(len(found), 'link')} logged in.")


def _connection_links(one: "Connection", found: "list[Link]") -> Iterator[Symptom]:
    name = f"{one.name} ({one.organisation.name})"
    if not found:
        yield error(f"No engine serves {name}.", "Its settings may be unreadable; the engine's log says why.")
    for link in found:
        if not link.is_bound:
            reason = link.reason or link.state
            yield error(
                f"Link {link.slot + 1} ({link.role}) of {name} is down: {reason}.",
                f"`chappe check {one.pk}` finds out.",
            )
        elif link.is_slowed:
            yield warning(
                f"The provider asks {name} to slow down.",
                "Set 'Maximum throughput' or 'Sending window' to what the provider allows.",
            )


def late_messages(now_ms: int) -> Iterator[Symptom]:
    from chappe.features.connections.models import Connection
    from chappe.features.messages.count import outbox_by_connection

    names = dict(Connection.objects.values_list("pk", "name"))
    depths = outbox_by_connection()
    for depth in depths:
        late = now_ms - depth.oldest_due_ms if depth.oldest_due_ms else 0
        if late > LATE_MS:
            name = names.get(depth.connection_id, f"connection {depth.connection_id}")
            words = f"{counted(depth.messages, 'message')} for {name} in the queue, the first due for {span(late)}."
            yield warning(words, "`chappe status` says why.")
    yield ok(f"{counted(sum(depth.messages for depth in depths), 'message')} in the queue.")


def unmatched_receipts(now_ms: int) -> Iterator[Symptom]:
    from django.db.models import Count

    from chappe.features.connections.models import Connection, OrphanReceipt

    names = dict(Connection.objects.values_list("pk", "name"))
    recent = OrphanReceipt.objects.filter(last_ms__gt=now_ms - DAY_MS)
    for row in recent.values("connection_id").annotate(total=Count("pk")).order_by("connection_id"):
        ids = recent.filter(connection_id=row["connection_id"]).order_by("-last_ms")
        shown = ", ".join(ids.values_list("provider_message_id", flat=True)[:LISTED])
        name = names.get(row["connection_id"], f"connection {row['connection_id']}")
        yield warning(
            f"{counted(row['total'], 'receipt')} of {name} matched no message in the last day, such as {shown}.",
            f"`chappe check {row['connection_id']} --to NUMBER` compares the ids of acknowledgement and receipt; or "
            "another system uses the account.",
        )


def unknown_errors() -> Iterator[Symptom]:
    from django.db.models import Count

    from chappe.features.accounts.models import Organisation
    from chappe.features.connections.models import ErrorQualification

    names = dict(Organisation.objects.values_list("pk", "name"))
    waiting = ErrorQualification.objects.filter(status="to_qualify").order_by("-occurrences")
    counts = list(waiting.order_by("organisation_id").values_list("organisation_id").annotate(Count("pk")))
    for organisation_id, count in counts:
        name = names.get(organisation_id, f"organisation {organisation_id}")
        shown = "; ".join(waiting.filter(organisation_id=organisation_id).values_list("text", flat=True)[:LISTED])
        yield warning(
            f"Nobody of {name} has said yet what to make of {counted(count, 'error')} of providers, the first: {shown}.",
            f"Say so under /v1/error-qualifications with a key of {name}: until then each has the default kind of its "
            "connection.",
        )
    if not counts:
        yield ok("Every error of the providers has a meaning.")


def future_times(now_ms: int) -> Iterator[Symptom]:
    """Rows written at a time that has not come yet: a clock was set back, or an engine's machine runs ahead."""
    from chappe.features.connections.models import LinkState
    from chappe.features.messages.models import Message

    last = Message.objects.order_by("-pk").first()
    state = LinkState.objects.order_by("-changed_ms").first()
    ahead = max((last.created_ms if last else 0), (state.changed_ms if state else 0)) - now_ms
    if ahead > 2_000:
        yield warning(
            f"The newest rows were written {span(ahead)} from now.",
            "A clock was set back, or another machine's runs ahead. Let NTP keep them all.",
        )
