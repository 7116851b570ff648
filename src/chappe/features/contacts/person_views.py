"""People: found, made, changed, deleted, erased everywhere."""

from functools import partial

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.confirmation import Question, when_confirmed
from chappe.features.contacts import profile, services
from chappe.features.contacts.forms import PersonForm, SearchForm
from chappe.features.contacts.models import Contact, ContactList
from chappe.features.form import number_of
from chappe.features.settings.services import settings_of
from chappe.features.view import PageRequest, page

PEOPLE_OF_A_PAGE = 50


@page(Right.SEE_CONTACTS)
def people(request: PageRequest) -> HttpResponseBase:
    wanted = request.GET.get("q", "").strip()
    form, found = SearchForm({"q": wanted}), None
    form.field_names = {"search": "q"}
    if wanted and form.is_valid():
        with form.refusals():
            cursor, is_whole = request.GET.get("cursor", ""), not request.person.may(Right.SEE_NUMBERS)
            found = services.find_people(
                request.person.organisation_id, wanted, cursor, PEOPLE_OF_A_PAGE, is_whole=is_whole
            )
    return render(request, "contacts/people.html", {"form": form, "wanted": wanted, "page": found})


@page(Right.SEE_CONTACTS)
def person(request: PageRequest, contact_id: int) -> HttpResponseBase:
    contact = services.find_contact(request.person.organisation_id, contact_id)
    may_see_consent = request.person.may(Right.SEE_CONSENT)
    may_see_messages = request.person.may(Right.SEE_MESSAGES)
    values = {
        "contact": contact,
        "title": _title(request, contact),
        "attributes": sorted(contact.attributes.items()),
        "lists": profile.lists_of(contact),
        "may_see_consent": may_see_consent,
        "quarantine": profile.quarantine_of(contact) if may_see_consent else [],
        "consent": profile.consent_of(contact) if may_see_consent else [],
        "may_see_messages": may_see_messages,
        "messages_to": profile.messages_of(contact) if may_see_messages else [],
        "texts_from": profile.texts_of(contact) if may_see_messages else [],
        "most_lines": profile.MOST_LINES,
    }
    return render(request, "contacts/person.html", values)


@page(Right.MANAGE_CONTACTS)
def new_person(request: PageRequest) -> HttpResponseBase:
    """Makes a person, on the list that the address names, if any."""
    organisation_id = request.person.organisation_id
    contact_list = _list_of(organisation_id, request.GET.get("list", ""))
    region = settings_of(organisation_id).region
    form = PersonForm(request.POST or None, region=region)
    if request.method != "POST":
        _fill_in(form, request.GET.get("as", "").strip())
    elif form.is_valid():
        with form.refusals():
            list_ids = [contact_list.pk] if contact_list else []
            made = services.create_contact(organisation_id, form.details(), list_ids, now_ms())
            messages.success(request, _("The person is in your contacts now."))
            return redirect("contacts:list", contact_list.pk) if contact_list else redirect("contacts:person", made.pk)
    return render(request, "contacts/person_form.html", {"form": form, "list": contact_list})


def _list_of(organisation_id: int, text: str) -> ContactList | None:
    number = number_of(text)
    return None if number is None else services.find_list(organisation_id, number)


def _fill_in(form: PersonForm, typed: str) -> None:
    """What was looked for and not found, in the field that it belongs into."""
    if "@" in typed:
        form.initial["email"] = typed
    elif typed[:1].isdigit() or typed.startswith("+"):
        form.initial["phone"] = typed
    else:
        form.initial["external_id"] = typed


@page(Right.MANAGE_CONTACTS)
def change_person(request: PageRequest, contact_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    contact = services.find_contact(organisation_id, contact_id)
    region, sees = settings_of(organisation_id).region, request.person.may(Right.SEE_NUMBERS)
    form = PersonForm(request.POST or None, contact=contact, region=region, sees=sees)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            services.change_contact(organisation_id, contact_id, form.details())
            messages.success(request, _("The person is changed, on every list."))
            return redirect("contacts:person", contact_id)
    values = {"form": form, "contact": contact, "title": _title(request, contact)}
    return render(request, "contacts/person_form.html", values)


@page(Right.MANAGE_CONTACTS)
def delete_person(request: PageRequest, contact_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    contact = services.find_contact(organisation_id, contact_id)
    question = Question(
        name=_title(request, contact),
        title=_("Delete this contact"),
        words=_(
            "The contact goes, off every list. What was sent to the person and came from them stays, and so does what they "
            "said of consent. To take that away as well, erase the person."
        ),
        label=_("Delete the contact"),
        done=_("The person is off your contacts and off every list."),
        next_url=reverse("contacts:people"),
        cancel_url=reverse("contacts:person", args=[contact_id]),
    )
    return when_confirmed(request, question, lambda: services.delete_contact(organisation_id, contact_id))


@page(Right.ERASE_PEOPLE)
def erase_person(request: PageRequest, contact_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    contact = services.find_contact(organisation_id, contact_id)
    question = Question(
        name=_title(request, contact),
        title=_("Erase a person everywhere"),
        label=_("Erase the person"),
        done=_("The person is being erased: the contact is gone, messages and texts follow within a moment."),
        next_url=reverse("contacts:people"),
        cancel_url=reverse("contacts:person", args=[contact_id]),
    )
    erase = partial(services.erase_contact, organisation_id, contact_id, now_ms())
    return when_confirmed(request, question, erase, "contacts/erase.html")


def _title(request: PageRequest, contact: Contact) -> str:
    """What the reader knows the person by; it is also what they type to delete or erase them."""
    name = profile.name_of(contact, sees_numbers=request.person.may(Right.SEE_NUMBERS))
    return name or _("Contact %(number)s") % {"number": contact.pk}
