"""All rules that answer texts from phones, and what would happen to one."""

from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from chappe.features.accounts.right import Right
from chappe.features.consent import keyword
from chappe.features.consent.forms import TesterForm
from chappe.features.consent.keyword import Source, Verdict
from chappe.features.view import PageRequest, page


@page(Right.SEE_CONSENT)
def keywords(request: PageRequest) -> HttpResponseBase:
    sources = keyword.sources_of(request.person.organisation_id)
    choices = [(source.key, _label(source)) for source in sources]
    is_asked = "text" in request.GET
    form = TesterForm(request.GET if is_asked else None, sources=choices)
    found = _verdict(form, sources) if is_asked else None
    return render(request, "consent/keywords.html", {"sources": sources, "form": form, "verdict": found})


def _verdict(form: TesterForm, sources: list[Source]) -> Verdict | None:
    if not form.is_valid():
        return None
    given = form.cleaned_data
    return keyword.verdict(keyword.find_source(sources, given["source"]), given["text"], given["number"])


def _label(source: Source) -> str:
    if source.hook is not None:
        return _("%(connection)s, hook %(hook)s") % {"connection": source.connection.name, "hook": source.hook.name}
    if source.keywords is not None:
        return _("%(connection)s, address of the provider") % {"connection": source.connection.name}
    return source.connection.name
