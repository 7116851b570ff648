"""Tracing a connection: begin, watch, look at one PDU or exchange, take it along."""

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.connections.models import Connection
from chappe.features.connections.services import find_connection, way_of
from chappe.features.traces import export, reading, services
from chappe.features.traces.forms import StartForm
from chappe.features.traces.models import TraceSession
from chappe.features.traces.reading import Sight
from chappe.features.view import PageRequest, page
from chappe.messaging import ConfigError
from chappe.providers.smpp import Dialect
from chappe.providers.smpp_settings import SPEC as SMPP

SHOWN_TRACES = 20
SHOWN_ENTRIES = 50


@page(Right.SEE_TRACES)
def traces(request: PageRequest, connection_id: int) -> HttpResponseBase:
    """Past and running traces of a connection, and the form that begins one."""
    organisation_id = request.person.organisation_id
    connection = find_connection(organisation_id, connection_id)
    form = StartForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        wanted = services.Wanted(form.cleaned_data["minutes"], form.cleaned_data["number"])
        with form.refusals():
            session = services.start_trace(organisation_id, connection_id, wanted, request.person.user, now_ms())
        if not form.is_refused:
            return redirect("traces:trace", connection_id, session.pk)
    found = services.traces_page(organisation_id, connection_id, request.GET.get("cursor", ""), SHOWN_TRACES)
    values = {"connection": connection, "form": form, "page": found, "now_ms": now_ms()}
    return render(request, "traces/traces.html", values)


@page(Right.SEE_TRACES)
def trace(request: PageRequest, connection_id: int, session_id: int) -> HttpResponseBase:
    """What was kept so far, the latest first, growing while the trace runs."""
    session = services.find_trace(request.person.organisation_id, connection_id, session_id)
    number, cursor = request.GET.get("number", ""), request.GET.get("cursor", "")
    found = services.entries_page(session, number, cursor, SHOWN_ENTRIES)
    sight, dialect = sight_of(request), _dialect(session.connection)
    return render(
        request,
        "traces/trace.html",
        {
            "session": session,
            "is_running": session.until_ms > now_ms(),
            "is_smpp": _is_smpp(session.connection),
            "page": found,
            "lines": [reading.line_of(entry, sight, dialect) for entry in found.items],
            "number": number,
            "is_first": not cursor,
            "sight": sight,
            "kept_until_ms": session.started_ms + services.KEPT_MS,
        },
    )


@page(Right.SEE_TRACES)
def entry(request: PageRequest, connection_id: int, session_id: int, entry_id: int) -> HttpResponseBase:
    """One PDU or exchange, down to its octets."""
    session = services.find_trace(request.person.organisation_id, connection_id, session_id)
    found, sight = services.find_entry(session, entry_id), sight_of(request)
    dialect = _dialect(session.connection)
    values = {"session": session, "entry": found, "sight": sight, "line": reading.line_of(found, sight, dialect)}
    if found.kind == "exchange":
        return render(request, "traces/exchange.html", {**values, "exchange": reading.exchange_of(found, sight)})
    pdu = reading.pdu_of(found, sight, dialect)
    return render(request, "traces/pdu.html", {**values, "pdu": pdu, "counterpart": services.counterpart(found)})


@page(Right.SEE_TRACES)
@require_POST
def stop(request: PageRequest, connection_id: int, session_id: int) -> HttpResponseBase:
    services.stop_trace(request.person.organisation_id, connection_id, session_id, now_ms())
    return redirect("traces:trace", connection_id, session_id)


@page(Right.SEE_TRACES)
def download(request: PageRequest, connection_id: int, session_id: int, form: str) -> HttpResponseBase:
    """The whole trace as a file, masked as the pages are."""
    session = services.find_trace(request.person.organisation_id, connection_id, session_id)
    if form not in ("pcap", "json"):
        raise Http404
    content = _file(session, form, sight_of(request))
    services.note_download(session, form)
    answer = HttpResponse(content, content_type=export.PCAP_TYPE if form == "pcap" else "application/json")
    answer["Content-Disposition"] = f'attachment; filename="trace-{session.pk}.{form}"'
    answer["Cache-Control"] = "no-store"
    return answer


def sight_of(request: PageRequest) -> Sight:
    """What the person may see of people."""
    return Sight(texts=request.person.may(Right.SEE_TEXTS), numbers=request.person.may(Right.SEE_NUMBERS))


def _file(session: TraceSession, form: str, sight: Sight) -> bytes:
    entries = services.every_entry(session).iterator()
    if form == "json":
        return export.json_file(session, entries, sight)
    return export.pcap_file(entries, sight, is_smpp=_is_smpp(session.connection))


def _is_smpp(connection: Connection) -> bool:
    return connection.provider == SMPP.key


def _dialect(connection: Connection) -> Dialect | None:
    """How a connection by SMPP writes texts; None where its settings are not complete."""
    if not _is_smpp(connection):
        return None
    try:
        return Dialect(way_of(connection).settings)
    except ConfigError:
        return None
