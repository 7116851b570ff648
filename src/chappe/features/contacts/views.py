"""Lists, and who is on them."""

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.confirmation import Question, when_confirmed
from chappe.features.contacts import services
from chappe.features.contacts.forms import ListForm, MemberForm, SearchForm
from chappe.features.contacts.models import ContactList
from chappe.features.form import chosen_ids
from chappe.features.view import PageRequest, page

LISTS_OF_A_PAGE = 20
PEOPLE_OF_A_PAGE = 50
IMPORTS_SHOWN = 5


@page(Right.SEE_CONTACTS, change=Right.MANAGE_CONTACTS)
def lists(request: PageRequest) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    form = ListForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            made = services.create_list(organisation_id, form.cleaned_data["name"], now_ms())
            messages.success(request, _("The list %(name)s is made. Now put people on it.") % {"name": made.name})
            return redirect("contacts:list", made.pk)
    found = services.lists_page(organisation_id, request.GET.get("cursor", ""), LISTS_OF_A_PAGE)
    sizes = services.sizes_of(one.pk for one in found.items)
    rows = [(one, sizes[one.pk]) for one in found.items]
    return render(
        request, "contacts/lists.html", {"page": found, "rows": rows, "form": form, "most": services.MOST_COUNTED}
    )


@page(Right.SEE_CONTACTS)
def show_list(request: PageRequest, list_id: int) -> HttpResponseBase:
    found = services.find_list(request.person.organisation_id, list_id)
    return _list_page(request, found, MemberForm())


def _list_page(request: PageRequest, found: ContactList, form: MemberForm, missing: str = "") -> HttpResponseBase:
    wanted = request.GET.get("q", "").strip()
    people = services.members_page(
        found.organisation_id,
        found.pk,
        request.GET.get("cursor", ""),
        PEOPLE_OF_A_PAGE,
        wanted,
        is_whole=not request.person.may(Right.SEE_NUMBERS),
    )
    values = {
        "list": found,
        "size": services.sizes_of([found.pk])[found.pk],
        "most": services.MOST_COUNTED,
        "page": people,
        "wanted": wanted,
        "search": SearchForm({"q": wanted}),
        "imports": services.imports_of(found.pk, IMPORTS_SHOWN),
        "form": form,
        "missing": missing,
    }
    return render(request, "contacts/list.html", values)


@page(Right.MANAGE_CONTACTS)
def add_member(request: PageRequest, list_id: int) -> HttpResponseBase:
    """Puts somebody on the list whom we know; for whom we do not, the page offers to make them."""
    organisation_id = request.person.organisation_id
    found = services.find_list(organisation_id, list_id)
    form = MemberForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _list_page(request, found, form)
    typed = form.cleaned_data["person"]
    contact = services.find_person(organisation_id, typed)
    if contact is None:
        form.add_error("person", _("Nobody is known by this."))
        query = urlencode({"list": list_id, "as": typed})
        return _list_page(request, found, form, f"{reverse('contacts:new_person')}?{query}")
    if services.add_members(organisation_id, list_id, [contact.pk]):
        messages.success(request, _("The person is on the list now."))
    else:
        messages.info(request, _("The person was on the list already."))
    return redirect("contacts:list", list_id)


@page(Right.MANAGE_CONTACTS)
@require_POST
def remove_members(request: PageRequest, list_id: int) -> HttpResponseBase:
    gone = services.remove_members(request.person.organisation_id, list_id, chosen_ids(request.POST.getlist("ids")))
    words = ngettext("%(count)s person is off the list.", "%(count)s people are off the list.", gone)
    messages.success(request, words % {"count": gone})
    return redirect("contacts:list", list_id)


@page(Right.MANAGE_CONTACTS)
def rename_list(request: PageRequest, list_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    found = services.find_list(organisation_id, list_id)
    form = ListForm(request.POST or None, initial={"name": found.name})
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            services.rename_list(organisation_id, list_id, form.cleaned_data["name"])
            messages.success(request, _("The list has its new name."))
            return redirect("contacts:list", list_id)
    return render(request, "contacts/rename.html", {"list": found, "form": form})


@page(Right.MANAGE_CONTACTS)
def delete_list(request: PageRequest, list_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    found = services.find_list(organisation_id, list_id)
    question = Question(
        name=found.name,
        title=_("Delete the list %(name)s") % {"name": found.name},
        words=_(
            "The list goes, with its imports. The people on it stay, on their other lists and in your contacts. "
            "A list that a delivery was made for cannot be deleted."
        ),
        label=_("Delete the list"),
        done=_("The list %(name)s is gone. Its people stay.") % {"name": found.name},
        next_url=reverse("contacts:lists"),
        cancel_url=reverse("contacts:list", args=[list_id]),
    )
    return when_confirmed(request, question, lambda: services.delete_list(organisation_id, list_id, now_ms()))
