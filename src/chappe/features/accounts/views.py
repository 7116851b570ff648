"""People: who there is, what each may do, invitations, groups."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chappe.features.accounts import invitation, people, services
from chappe.features.accounts.forms import (
    GroupForm,
    InviteForm,
    NewcomerForm,
    OrganisationForm,
    PlaceForm,
    rights_by_role,
)
from chappe.features.accounts.letter import link_to, send_invitation
from chappe.features.accounts.models import User
from chappe.features.accounts.right import ROLE_LABELS, Right, Role
from chappe.features.clock import now_ms
from chappe.features.confirmation import Question, when_confirmed
from chappe.features.refusal import NotFound
from chappe.features.view import PageRequest, forbidden, page, public

PEOPLE_OF_A_PAGE = 100
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@page(Right.MANAGE_PEOPLE)
def list_people(request: PageRequest) -> HttpResponseBase:
    """Everybody, and who was invited and has not come yet."""
    form = InviteForm(request.POST or None, initial={"role": Role.MARKETER})
    link = ""
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            made = invitation.invite(
                request.person.organisation_id,
                **form.cleaned_data,
                invited_by=request.person.user.name,
                now_ms=now_ms(),
                by=request.person,
            )
            link, is_sent = _handed_over(request, made)
            if is_sent:
                messages.success(request, _("The invitation is on its way to %(email)s.") % form.cleaned_data)
                return redirect("accounts:people")
    organisation_id = request.person.organisation_id
    shown = {
        "page": people.people_page(organisation_id, request.GET.get("cursor", ""), PEOPLE_OF_A_PAGE),
        "invitations": invitation.pending(organisation_id)[:PEOPLE_OF_A_PAGE],
        "form": InviteForm(initial={"role": Role.MARKETER}) if link else form,
        "link": link,
        "now_ms": now_ms(),
    }
    return render(request, "accounts/people.html", shown)


def _handed_over(request: PageRequest, made: invitation.NewInvitation) -> tuple[str, bool]:
    """The link of an invitation, and whether it is on its way by mail: else whoever made it hands it over."""
    link = link_to(request, reverse("accounts:invitation", args=[made.token]))
    is_sent = send_invitation(made.row, link)
    if settings.CONFIGURATION.mail_url and not is_sent:
        messages.error(request, _("The mail could not be sent. Hand the link over yourself."))
    return link, is_sent


@page(Right.MANAGE_PEOPLE)
@require_POST
def withdraw_invitation(request: PageRequest, invitation_id: int) -> HttpResponseBase:
    gone = invitation.withdraw(request.person.organisation_id, invitation_id)
    messages.success(request, _("The link for %(email)s works no more.") % {"email": gone.email})
    return redirect("accounts:people")


@page(Right.MANAGE_PEOPLE)
def show_person(request: PageRequest, person_id: int) -> HttpResponseBase:
    """What one person may do."""
    someone = people.find_person(request.person.organisation_id, person_id)
    form = PlaceForm(request.POST or None, person=someone)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            place = people.Place(**form.cleaned_data)
            someone = people.change_place(request.person.organisation_id, person_id, place, request.person)
        if not form.is_refused:
            messages.success(request, _("Saved."))
            return redirect("accounts:person", person_id)
    shown = {"someone": someone, "form": form, "groups": someone.people_groups.order_by("name")}
    return render(request, "accounts/person.html", shown)


@page(Right.MANAGE_PEOPLE)
@require_POST
def let_in(request: PageRequest, person_id: int) -> HttpResponseBase:
    """Let a person sign in, or no more."""
    is_active = request.POST.get("is_active") == "1"
    people.let_in(request.person.organisation_id, person_id, request.person, is_active=is_active)
    return redirect("accounts:person", person_id)


@page(Right.MANAGE_PEOPLE)
@require_POST
def make_password_link(request: PageRequest, person_id: int) -> HttpResponseBase:
    """A link by which the person sets a new password: shown once, to be handed over."""
    organisation_id = request.person.organisation_id
    link = link_to(request, people.make_password_link(organisation_id, person_id, request.person))
    shown = {"someone": people.find_person(organisation_id, person_id), "link": link}
    return render(request, "accounts/password_link.html", shown)


# -- groups ----------------------------------------------------------------------------------------------------------


@page(Right.MANAGE_PEOPLE)
def list_groups(request: PageRequest) -> HttpResponseBase:
    shown = {"groups": people.groups(request.person.organisation_id)}
    return render(request, "accounts/groups.html", shown)


@page(Right.MANAGE_PEOPLE)
def edit_group(request: PageRequest, group_id: int = 0) -> HttpResponseBase:
    """A new group, or one that there is."""
    organisation_id = request.person.organisation_id
    group = people.find_group(organisation_id, group_id) if group_id else None
    form = GroupForm(request.POST or None, people=people.everybody(organisation_id, group), group=group)
    if request.method == "POST" and form.is_valid():
        wanted = people.Membership(**form.cleaned_data)
        with form.refusals():
            if group is None:
                people.create_group(organisation_id, wanted, request.person)
            else:
                people.change_group(organisation_id, group_id, wanted, request.person)
        if not form.is_refused:
            messages.success(request, _("Saved."))
            return redirect("accounts:groups")
    return render(request, "accounts/group.html", {"group": group, "form": form})


@page(Right.MANAGE_PEOPLE)
def delete_group(request: PageRequest, group_id: int) -> HttpResponseBase:
    group = people.find_group(request.person.organisation_id, group_id)
    question = Question(
        name=group.name,
        title=_("Delete the group %(name)s") % {"name": group.name},
        words=_("Its people stay, and have again every right that their roles give them."),
        label=_("Delete the group"),
        done=_("The group is gone."),
        next_url=reverse("accounts:groups"),
        cancel_url=reverse("accounts:groups"),
    )
    return when_confirmed(
        request, question, lambda: people.delete_group(group.organisation_id, group_id, request.person)
    )


@page()
def show_roles(request: PageRequest) -> HttpResponseBase:
    """Which role may do what."""
    shown = {"roles": [ROLE_LABELS[role] for role in Role], "rows": rights_by_role()}
    return render(request, "accounts/roles.html", shown)


# -- organisations ---------------------------------------------------------------------------------------------------


@page()
def list_organisations(request: PageRequest) -> HttpResponseBase:
    """For whoever administers the installation: its organisations, and a new one."""
    if not request.person.user.is_superuser:
        return forbidden(request)
    form, link = OrganisationForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            typed, by = form.cleaned_data, request.person.user.name
            link, _is_sent = _handed_over(
                request, invitation.found_organisation(typed["name"], typed["email"], by, now_ms())
            )
    shown = {
        "page": services.organisations_page(request.GET.get("cursor", ""), PEOPLE_OF_A_PAGE),
        "form": OrganisationForm() if link else form,
        "link": link,
    }
    return render(request, "accounts/organisations.html", shown)


# -- invitations, from the other side --------------------------------------------------------------------------------


@public
def accept_invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    """Whoever has the link says who they are, and is signed in."""
    try:
        return _welcomed(request, token)
    except NotFound:  # from the beginning, or since the form was opened
        return render(request, "accounts/no_invitation.html", status=404)


def _welcomed(request: HttpRequest, token: str) -> HttpResponseBase:
    found = invitation.find(token, now_ms())
    form = NewcomerForm(
        request.POST or None, is_first=found.organisation_id is None, needs_email=not found.email, initial=_known()
    )
    if request.method == "POST" and form.is_valid():
        given = {"email": "", "organisation": ""} | form.cleaned_data
        user: User | None = None
        with form.refusals():
            user = invitation.accept(token, invitation.Newcomer(**given), now_ms())
        if user is not None:
            login(request, user, BACKEND)
            return redirect("console:home")
    return render(request, "accounts/invitation.html", {"form": form, "invitation": found})


def _known() -> dict[str, str]:
    """The name of the one organisation there is, where there is one."""
    names = services.first_names()
    return {"organisation": names[0]} if len(names) == 1 else {}
