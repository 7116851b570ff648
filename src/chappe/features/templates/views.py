"""Templates of deliveries: the list, one of them, its editor, and a delivery that is saved as one."""

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.confirmation import Question, when_confirmed
from chappe.features.deliveries.forms import MODES
from chappe.features.deliveries.options import Options
from chappe.features.deliveries.rich import KINDS as CONTENTS
from chappe.features.deliveries.services import find_delivery
from chappe.features.refusal import InvalidInput
from chappe.features.templates import services
from chappe.features.templates.forms import KeepForm, TemplateEditor
from chappe.features.templates.models import BUILT_IN, DeliveryTemplate
from chappe.features.templates.services import Change
from chappe.features.view import PageRequest, page
from chappe.features.words import localised

SHOWN = 50
SEE, USE = Right.SEE_DELIVERIES, Right.USE_DELIVERIES


@page(SEE)
def list_templates(request: PageRequest) -> HttpResponseBase:
    found = services.templates_page(request.person.organisation_id, request.GET.get("cursor", ""), SHOWN)
    return render(request, "templates/list.html", {"page": found})


@page(SEE)
def show(request: PageRequest, template_id: int) -> HttpResponseBase:
    template = services.find_template(request.person.organisation_id, template_id)
    options = Options.of(template)
    values = {
        "template": template,
        "options": options,
        "mode": dict(MODES).get("" if options.transmission_mode is None else options.transmission_mode),
        "content": dict(CONTENTS).get(str((options.content or {}).get("type", ""))),
        "validity_ms": template.validity_s * 1000,
    }
    return render(request, "templates/template.html", values)


@page(USE)
def edit(request: PageRequest, template_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    template = services.find_template(organisation_id, template_id)
    if template.is_built_in:
        return _refused(request, services.NOT_CHANGED)
    editor = TemplateEditor(organisation_id, request.POST if request.method == "POST" else None, template)
    is_sent = request.method == "POST" and not request.POST.get("do", "").startswith("row-")
    if is_sent and editor.is_valid() and _is_changed(template, editor):
        messages.success(request, _("Saved. Deliveries that were made from it stay as they are."))
        return redirect("templates:template", template_id)
    return render(request, "templates/edit.html", {"editor": editor, "template": template})


def _refused(request: PageRequest, words: str) -> HttpResponseBase:
    """Why it is not done, on the page of the template that is built in."""
    messages.error(request, localised(words))
    return redirect("templates:template", BUILT_IN)


def _is_changed(template: DeliveryTemplate, editor: TemplateEditor) -> bool:
    """Where the service refuses, the form says what is wrong."""
    try:
        services.change_template(template.organisation_id, template.pk, editor.change(), now_ms())
    except InvalidInput as error:
        editor.refuse(error.errors)
        return False
    return True


@page(USE)
@require_POST
def duplicate(request: PageRequest, template_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    old = services.find_template(organisation_id, template_id)
    label = (_("%(label)s (copy)") % {"label": old.label})[:200]
    made = services.create_template(organisation_id, Change(label=label), now_ms(), of=template_id)
    messages.success(request, _("This is a new template. Give it a label and an internal name of its own."))
    return redirect("templates:edit", made.pk)


@page(USE)
def delete(request: PageRequest, template_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    template = services.find_template(organisation_id, template_id)
    if template.is_built_in:
        return _refused(request, services.NOT_DELETED)
    question = Question(
        name=template.label,
        title=_("Delete “%(label)s”") % {"label": template.label},
        words=_("New deliveries cannot begin with it any more. Those that were made from it stay as they are."),
        label=_("Delete the template"),
        done=_("“%(label)s” is deleted.") % {"label": template.label},
        next_url=reverse("templates:list"),
        cancel_url=reverse("templates:template", args=[template_id]),
    )
    return when_confirmed(request, question, lambda: services.delete_template(organisation_id, template_id))


@page(USE)
def keep(request: PageRequest, delivery_id: int) -> HttpResponseBase:
    """Save a delivery as a template."""
    organisation_id = request.person.organisation_id
    delivery = find_delivery(organisation_id, delivery_id)
    names = {"label": delivery.label, "internal_name": services.free_name(organisation_id, delivery.label)}
    form = KeepForm(request.POST or None, initial=names)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            made = services.keep_delivery(organisation_id, delivery_id, Change(**form.cleaned_data), now_ms())
        if not form.is_refused:
            messages.success(request, _("Saved as a template. The delivery stays as it is."))
            return redirect("templates:template", made.pk)
    return render(request, "templates/keep.html", {"form": form, "delivery": delivery})
