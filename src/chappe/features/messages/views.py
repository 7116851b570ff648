"""Messages: found by number or id, and told from beginning to end."""

from collections.abc import Iterable

from django.http import HttpResponseBase
from django.shortcuts import redirect, render

from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.messages import finding, services
from chappe.features.messages.models import MessageNow
from chappe.features.messages.timeline import timeline
from chappe.features.relay.life import life_of
from chappe.features.relay.overview import origin_of
from chappe.features.view import PageRequest, page
from chappe.messaging import Category

MESSAGES_OF_A_PAGE = 50


@page(Right.SEE_MESSAGES)
def search(request: PageRequest) -> HttpResponseBase:
    """One field for whatever is in hand. What can only be one message is shown at once."""
    # No text in the database has a NUL, and PostgreSQL refuses to be asked for one.
    wanted, organisation_id = request.GET.get("q", "").replace("\0", "").strip(), request.person.organisation_id
    if not wanted:
        return render(request, "messages/search.html", {"wanted": ""})
    cursor = request.GET.get("cursor", "")
    found = finding.find(organisation_id, wanted, cursor, MESSAGES_OF_A_PAGE)
    if found.own is not None and not found.page.items:
        return redirect("messages:message", found.own.pk)
    shown = [found.own, *found.page.items] if found.own else found.page.items
    return render(
        request, "messages/search.html", {"wanted": wanted, "found": found, "names": _names(organisation_id, shown)}
    )


@page(Right.SEE_MESSAGES)
def message(request: PageRequest, message_id: int) -> HttpResponseBase:
    """One message: what it is, what happened to it and why."""
    organisation_id = request.person.organisation_id
    found = services.find_message(organisation_id, message_id)
    now = now_ms()
    entries = timeline(found, now)
    life = life_of(found, entries, now)
    shown = {
        "message": found,
        "entries": life.lines if life is not None else entries,
        "life": life,
        "segments": services.segments_of(found.pk),
        "origin": origin_of(found.delivery_id),
        "connection": _names(organisation_id, [found]).get(found.connection_id, ""),
        "is_transactional": found.category == Category.TRANSACTIONAL,
    }
    return render(request, "messages/message.html", shown)


def _names(organisation_id: int, messages: Iterable[MessageNow]) -> dict[int, str]:
    """The names of the connections of these messages."""
    return finding.connection_names(organisation_id, {one.connection_id for one in messages})
