"""Deliveries: the list, one delivery from draft to report, and what is done with it."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from chappe.features.accounts.right import Right
from chappe.features.clock import instant, now_ms
from chappe.features.confirmation import Question, when_confirmed
from chappe.features.deliveries import proof, services
from chappe.features.deliveries.composer import Composition, compose
from chappe.features.deliveries.export import figure_lines, message_lines
from chappe.features.deliveries.forms import BeginForm, Editor, NumberForm, ProofForm
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.progress import (
    DAY_MS,
    HOUR_MS,
    Progress,
    charts_of,
    clean_end,
    estimate_of,
    progress_of,
    quiet_words,
    trouble_of,
)
from chappe.features.deliveries.sample import Sample, samples
from chappe.features.deliveries.state import STARTED, STATUSES, TONES, reason_words
from chappe.features.mask import masked
from chappe.features.refusal import InvalidInput, NotFound
from chappe.features.relay.picture import sides_of
from chappe.features.state import STATES
from chappe.features.stream import download
from chappe.features.templates.models import DeliveryTemplate
from chappe.features.templates.services import find_template, templates_offered
from chappe.features.view import PageRequest, page
from chappe.features.words import localised
from chappe.gsm import Encoding, transliterate
from chappe.messaging import ConfigError, DeliveryState

SHOWN = 50
SAMPLED = 8
BEGINS = 60
"""Characters of a text that tell it from others."""
SEE, USE = Right.SEE_DELIVERIES, Right.USE_DELIVERIES


# -- the list --------------------------------------------------------------------------------------------------------


@page(SEE)
def list_deliveries(request: PageRequest) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    status = request.GET.get("status", "")
    status = status if status in STATUSES else ""
    found = services.deliveries_page(organisation_id, request.GET.get("cursor", ""), SHOWN, status)
    states = services.states_of(found.items)
    rows = [Progress(one, states[one.pk]) for one in found.items]
    values = {"page": found, "rows": rows, "statuses": STATUSES, "status": status}
    return render(request, "deliveries/list.html", values)


# -- writing ---------------------------------------------------------------------------------------------------------


@page(USE)
def new(request: PageRequest) -> HttpResponseBase:
    return _edited(request, None)


@page(USE)
def edit(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    return _edited(request, services.find_delivery(request.person.organisation_id, delivery_id))


def _edited(request: PageRequest, delivery: Delivery | None) -> HttpResponseBase:
    if delivery and delivery.status not in ("draft", "failed"):
        return redirect("deliveries:delivery", delivery.pk)
    organisation_id = request.person.organisation_id
    typed = _typed(request)
    template = _template(request) if delivery is None else None
    editor = Editor(organisation_id, typed, delivery, _whole(request.GET.get("list", "")), template)
    done = request.POST.get("do", "")
    if done in ("save", "analyse", "proof") and editor.is_valid():
        saved = _saved(organisation_id, editor, delivery)
        if saved is not None:
            return _after(request, saved, done)
    composition = _composed(request, editor)
    values: dict[str, Any] = {"editor": editor, "delivery": delivery, "composition": composition}
    if delivery is None:
        values["begin"] = BeginForm(templates_offered(organisation_id), template)
    return render(request, "deliveries/edit.html", values)


def _template(request: PageRequest) -> DeliveryTemplate | None:
    """What a new delivery begins with, where the address names it. Raises NotFound."""
    named = request.GET.get("template", "")
    return find_template(request.person.organisation_id, _whole(named)) if named else None


def _typed(request: PageRequest) -> QueryDict | None:
    """What was posted, with plain characters in the text where the button for that was pressed."""
    if request.method != "POST" or request.POST.get("do") != "plain":
        return request.POST if request.method == "POST" else None
    typed = request.POST.copy()
    typed["body"] = transliterate(typed.get("body", ""), Encoding.GSM)
    return typed


def _saved(organisation_id: int, editor: Editor, delivery: Delivery | None) -> Delivery | None:
    """None where the service refuses; then the form says what is wrong."""
    draft = editor.draft()
    try:
        if delivery is None:
            return services.create_delivery(organisation_id, draft, now_ms())
        return services.change_delivery(organisation_id, delivery.pk, draft, now_ms())
    except InvalidInput as error:
        editor.refuse(error.errors)
        return None


def _after(request: PageRequest, saved: Delivery, done: str) -> HttpResponseBase:
    if done == "proof":
        return redirect("deliveries:proof", saved.pk)
    if done == "analyse":
        services.analyse(saved.organisation_id, saved.pk, now_ms())
    else:
        messages.success(request, _("Saved."))
    return redirect("deliveries:delivery", saved.pk)


@page(USE)
@require_POST
def composer(request: PageRequest) -> HttpResponseBase:
    """The panel beside the text, as the form stands."""
    editor = Editor(request.person.organisation_id, request.POST)
    return render(request, "deliveries/parts/composer.html", {"composition": _composed(request, editor)})


def _composed(request: PageRequest, editor: Editor) -> Composition | None:
    """None where there is nothing to send through, which the page says."""
    wanted = request.POST.get("show") or request.POST.get("place", "")
    try:
        draft = editor.draft() if editor.form.is_bound else _unbound(editor)
        return compose(request.person.organisation_id, draft, _whole(wanted))
    except (InvalidInput, NotFound):
        return None


def _whole(typed: str) -> int:
    """A number of an address or a hidden field; 0 for what is none."""
    return int(typed) if typed.isdecimal() and len(typed) < 19 else 0


def _unbound(editor: Editor) -> services.Draft:
    """What a form that nobody has sent yet holds."""
    names = ("list_id", "connection_id", "category", "sender", "body", "follow_links")
    values = {name: editor.form[name].value() for name in names}
    return services.Draft(
        **{name: value for name, value in values.items() if value is not None}, content=editor.initial_content
    )


# -- one delivery ----------------------------------------------------------------------------------------------------


@page(SEE)
def show(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    delivery = services.find_delivery(request.person.organisation_id, delivery_id)
    if delivery.status in ("finished", "cancelled"):
        return _reported(request, delivery)
    values = _values(delivery)
    if delivery.status == "ready":
        values |= _analysed(delivery)
    elif delivery.status in ("draft", "failed"):
        values |= {"samples": _samples(delivery)}
    return render(request, "deliveries/delivery.html", values)


def _values(delivery: Delivery) -> dict[str, Any]:
    """What every page of a delivery shows."""
    now = now_ms()
    progress, sides = progress_of(delivery, now), sides_of(delivery, now)
    return {
        "delivery": delivery,
        "progress": progress,
        "sides": sides,
        "differs": sides is not None and sides.stands(now),
        "pill": (STATUSES[delivery.status], TONES[delivery.status]),
        "warnings": services.warnings_of(delivery),
        "validity_ms": delivery.validity_s * 1000,
        "speed": round(progress.sent_per_s, 1) if progress.sent_per_s < 10 else round(progress.sent_per_s),
        "quiet": quiet_words(delivery, now),
        "links": services.links_of(delivery),
    }


def _analysed(delivery: Delivery) -> dict[str, Any]:
    found = services.report(delivery.organisation_id, delivery.pk)
    return {
        "report": found,
        "exclusions": [(reason_words(reason), people) for reason, people in found.exclusions.items()],
        "messages_made": services.sample_messages(delivery, SAMPLED),
        "estimate": estimate_of(delivery, found.delivery.audience - sum(found.exclusions.values()), now_ms()),
        "trouble": trouble_of(delivery, now_ms()),
    }


def _samples(delivery: Delivery) -> list[Any]:
    """None where the text cannot be made, which the editor says."""
    try:
        return list(samples(delivery, 3))
    except ConfigError:
        return []


@page(SEE)
def report(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    delivery = services.find_delivery(request.person.organisation_id, delivery_id)
    if delivery.status not in STARTED:
        return redirect("deliveries:delivery", delivery.pk)
    return _reported(request, delivery)


def _reported(request: PageRequest, delivery: Delivery) -> HttpResponseBase:
    values = _values(delivery)
    found = services.report(delivery.organisation_id, delivery.pk)
    values |= {
        "report": found,
        "exclusions": [(reason_words(reason), people) for reason, people in found.exclusions.items()],
        "failures": [(reason_words(reason), count) for reason, count in found.reasons],
        "charts": charts_of(delivery, now_ms(), _step_label),
        "clean_end": clean_end(values["progress"]) if delivery.status == "finished" else "",
        "is_report": True,
    }
    return render(request, "deliveries/report.html", values)


def _step_label(ms: int, step_ms: int) -> str:
    at = instant(ms)
    assert at is not None
    shown = "j M" if step_ms >= DAY_MS else "j M H:i" if step_ms > HOUR_MS else "H:i"
    return formats.date_format(timezone.localtime(at), shown)


@page(SEE)
def list_messages(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    delivery = services.find_delivery(request.person.organisation_id, delivery_id)
    wanted = request.GET.get("state", "")
    state = next((one for one in DeliveryState if one.name.lower() == wanted), None)
    found = services.messages_page(delivery, request.GET.get("cursor", ""), SHOWN, state)
    values = {
        "delivery": delivery,
        "page": found,
        "rows": [(row, reason_words(row.reason)) for row in found.items],
        "states": [(one.name.lower(), STATES[one]) for one in services.states_of([delivery])[delivery.pk]],
        "state": state.name.lower() if state else "",
    }
    return render(request, "deliveries/messages.html", values)


@page(SEE)
def figures(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    found = services.report(request.person.organisation_id, delivery_id)
    lines = figure_lines(found, has_links=request.person.may(Right.SEE_TEXTS))
    return download(request, lines, f"delivery-{delivery_id}-figures.csv", "text/csv; charset=utf-8")


@page(SEE)
def messages_file(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    delivery = services.find_delivery(request.person.organisation_id, delivery_id)
    shown: Callable[[str], str] = str if request.person.may(Right.SEE_NUMBERS) else masked
    lines = message_lines(delivery, shown)
    return download(request, lines, f"delivery-{delivery_id}-messages.csv", "text/csv; charset=utf-8")


# -- what is done with it --------------------------------------------------------------------------------------------


@page(USE)
@require_POST
def duplicate(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    old = services.find_delivery(organisation_id, delivery_id)
    label = (_("%(label)s (copy)") % {"label": old.label})[:200]
    made = services.duplicate_delivery(organisation_id, delivery_id, label, now_ms())
    messages.success(request, _("This is a new draft; the other delivery stays as it is."))
    return redirect("deliveries:edit", made.pk)


@page(USE)
@require_POST
def analyse(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    services.analyse(request.person.organisation_id, delivery_id, now_ms())
    return redirect("deliveries:delivery", delivery_id)


@page(USE)
@require_POST
def revise(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    services.revise_delivery(request.person.organisation_id, delivery_id, now_ms())
    return redirect("deliveries:edit", delivery_id)


@page(USE)
def confirm(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    """What will happen, in a sentence; and the button."""
    organisation_id = request.person.organisation_id
    delivery = services.find_delivery(organisation_id, delivery_id)
    if request.method == "POST":
        services.send(organisation_id, delivery_id, now_ms())
        return redirect("deliveries:delivery", delivery_id)
    if delivery.status != "ready":
        return redirect("deliveries:delivery", delivery_id)
    values = _values(delivery) | _analysed(delivery)
    return render(request, "deliveries/confirm.html", values | {"sentence": _sentence(values)})


def _sentence(values: dict[str, Any]) -> str:
    """What will happen, to how many, by which way, and for how long."""
    delivery, estimate, waiting = values["delivery"], values["estimate"], values["progress"].waiting
    facts = {
        "messages": _figure(waiting),
        "list": delivery.contact_list.name,
        "connection": delivery.connection.name,
        "segments": _figure(delivery.segments),
    }
    words = ngettext(
        "%(messages)s message goes to the list “%(list)s” by the connection “%(connection)s”, in %(segments)s segments",
        "%(messages)s messages go to the list “%(list)s” by the connection “%(connection)s”, in %(segments)s segments",
        waiting,
    )
    if estimate.ms is None:
        return words % facts + _("; how long it takes will be known once the first have left.")
    took = {"time": _duration(estimate.ms), "speed": _figure(estimate.per_s)}
    return words % facts + _("; at about %(speed)s a second it takes some %(time)s.") % took


def _figure(value: float) -> str:
    return str(formats.number_format(round(value), 0, force_grouping=True))


def _duration(ms: float) -> str:
    seconds = max(1, round(ms / 1000))
    if seconds < 90:
        return ngettext("%(count)s second", "%(count)s seconds", seconds) % {"count": seconds}
    minutes = round(seconds / 60)
    if minutes < 90:
        return ngettext("%(count)s minute", "%(count)s minutes", minutes) % {"count": minutes}
    hours = round(minutes / 60)
    return ngettext("%(count)s hour", "%(count)s hours", hours) % {"count": hours}


@page(USE)
@require_POST
def pause(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    services.pause(request.person.organisation_id, delivery_id, now_ms())
    return redirect("deliveries:delivery", delivery_id)


@page(USE)
@require_POST
def resume(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    services.resume(request.person.organisation_id, delivery_id, now_ms())
    return redirect("deliveries:delivery", delivery_id)


@page(USE)
def cancel(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    delivery = services.find_delivery(organisation_id, delivery_id)
    url = reverse("deliveries:delivery", args=[delivery_id])
    question = Question(
        name=delivery.label,
        title=_("Cancel “%(label)s”") % {"label": delivery.label},
        words=_("What still waits is never sent. What has left cannot be called back. This cannot be undone."),
        label=_("Cancel the delivery"),
        done=_("Cancelled: what waited is not sent. What has left cannot be called back."),
        next_url=url,
        cancel_url=url,
    )
    return when_confirmed(request, question, lambda: services.cancel(organisation_id, delivery_id, now_ms()))


@page(USE)
def delete(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    delivery = services.find_delivery(organisation_id, delivery_id)
    question = Question(
        name=delivery.label,
        title=_("Delete “%(label)s”") % {"label": delivery.label},
        words=_("The draft and what was prepared of it are taken away. Nothing of it was sent."),
        label=_("Delete the delivery"),
        done=_("“%(label)s” is deleted.") % {"label": delivery.label},
        next_url=reverse("deliveries:list"),
        cancel_url=reverse("deliveries:delivery", args=[delivery_id]),
    )
    return when_confirmed(request, question, lambda: services.delete_delivery(organisation_id, delivery_id, now_ms()))


# -- proofs ----------------------------------------------------------------------------------------------------------


@page(USE)
def show_proof(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    """Test numbers, what goes to them, and what became of what went."""
    organisation_id = request.person.organisation_id
    delivery = services.find_delivery(organisation_id, delivery_id)
    people, problem = _people(delivery)
    form = ProofForm(
        request.POST or None,
        kept=[
            (one.address, _kept_label(request, one.label, one.address)) for one in proof.kept_numbers(organisation_id)
        ],
        people=[(place, _person_label(request, one)) for place, one in enumerate(people)] or [(0, "—")],
    )
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            proof.send_proof(organisation_id, delivery_id, form.typed, form.cleaned_data["place"], now_ms())
        if not form.is_refused:
            messages.success(request, _("The proof is on its way."))
            return redirect("deliveries:proof", delivery_id)
    values = _values(delivery) | {
        "form": form,
        "number_form": NumberForm(),
        "numbers": proof.kept_numbers(organisation_id),
        "proofs": [
            (one.proof, [(row, reason_words(row.reason)) for row in one.messages]) for one in proof.proofs_of(delivery)
        ],
        "problem": problem,
        "is_provable": delivery.status in proof.PROVABLE,
    }
    return render(request, "deliveries/proof.html", values)


def _people(delivery: Delivery) -> tuple[list[Sample], str]:
    """Those whose text a proof may have; or why it cannot be made."""
    try:
        found = samples(delivery, SAMPLED)
    except ConfigError as error:
        return [], " ".join(localised(one.message) for one in error.errors)
    return found, "" if found else _("Nobody on the list has a number or address that could be read.")


def _number(request: PageRequest, address: str) -> str:
    return address if request.person.may(Right.SEE_NUMBERS) else masked(address)


def _person_label(request: PageRequest, one: Sample) -> str:
    """The number, and how the text begins for those who may read it."""
    shown = _number(request, one.address)
    begins = Truncator(" ".join(one.body.split())).chars(BEGINS)
    return f"{shown} · {begins}" if begins and request.person.may(Right.SEE_TEXTS) else shown


def _kept_label(request: PageRequest, label: str, address: str) -> str:
    shown = _number(request, address)
    return f"{label} · {shown}" if label else shown


@page(USE)
@require_POST
def keep_number(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    """A test number of the organisation; back to the proof that it was kept for."""
    services.find_delivery(request.person.organisation_id, delivery_id)
    form = NumberForm(request.POST)
    if form.is_valid():
        proof.keep_number(request.person.organisation_id, form.cleaned_data["address"], form.cleaned_data["name"])
        messages.success(request, _("Kept for the next proofs, too."))
    else:
        messages.error(request, _("Nothing was kept: a number or address is needed."))
    return redirect("deliveries:proof", delivery_id)


@page(USE)
@require_POST
def forget_number(request: PageRequest, delivery_id: int, number_id: int) -> HttpResponseBase:
    services.find_delivery(request.person.organisation_id, delivery_id)
    proof.forget_number(request.person.organisation_id, number_id)
    messages.success(request, _("The number is not kept any more."))
    return redirect("deliveries:proof", delivery_id)
