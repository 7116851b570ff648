"""The inbox: conversations by number."""

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.inbox import conversation
from chappe.features.inbox.conversation import Box
from chappe.features.inbox.forms import AnswerForm, AssigneeForm
from chappe.features.view import PageRequest, forbidden, page

CONVERSATIONS_OF_A_PAGE = 50
LABELS = {Box.OPEN: gettext_lazy("Open"), Box.MINE: gettext_lazy("Mine"), Box.ALL: gettext_lazy("All")}


@page(Right.USE_INBOX)
def show_inbox(request: PageRequest) -> HttpResponseBase:
    """Conversations that wait for somebody, those of mine, or all."""
    asked = request.GET.get("box", "")
    box = Box(asked) if asked in set(Box) else Box.OPEN
    shown = {
        "page": conversation.conversations_page(
            request.person.organisation_id,
            box,
            request.person.user.pk,
            request.GET.get("cursor", ""),
            CONVERSATIONS_OF_A_PAGE,
        ),
        "box": box.value,
        "boxes": [(one.value, LABELS[one]) for one in Box],
    }
    return render(request, "inbox/inbox.html", shown)


@page(Right.USE_INBOX)
def show_conversation(request: PageRequest, conversation_id: int) -> HttpResponseBase:
    """What both sides wrote, and a field to write back."""
    organisation_id = request.person.organisation_id
    row = conversation.find_conversation(organisation_id, conversation_id)
    form = AnswerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            conversation.answer(organisation_id, conversation_id, form.cleaned_data["text"], now_ms())
        if not form.is_refused:
            return redirect("inbox:conversation", conversation_id)
    people = conversation.people(organisation_id)
    shown = {
        "conversation": row,
        "turns": conversation.turns_of(row),
        "form": form,
        "assignee_form": AssigneeForm(people=people, initial={"assignee": str(row.assignee_id)}),
    }
    return render(request, "inbox/conversation.html", shown)


@page(Right.USE_INBOX)
@require_POST
def assign(request: PageRequest, conversation_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    form = AssigneeForm(request.POST, people=conversation.people(organisation_id))
    if form.is_valid():
        conversation.assign(organisation_id, conversation_id, form.cleaned_data["assignee"])
        messages.success(request, _("Saved."))
    else:
        messages.error(request, _("There is no such person who may use the inbox."))
    return redirect("inbox:conversation", conversation_id)


@page(Right.USE_INBOX)
@require_POST
def close(request: PageRequest, conversation_id: int) -> HttpResponseBase:
    """Close a conversation, or open it again."""
    is_open = request.POST.get("is_open") == "1"
    conversation.close(request.person.organisation_id, conversation_id, is_open=is_open)
    return redirect("inbox:conversation", conversation_id) if is_open else redirect("inbox:list")


@page(Right.USE_INBOX)
@require_POST
def leave_alone(request: PageRequest, conversation_id: int) -> HttpResponseBase:
    """The person wants no more messages: by none of the connections."""
    if not request.person.may(Right.MANAGE_CONSENT):
        return forbidden(request, Right.MANAGE_CONSENT)
    conversation.leave_alone(request.person.organisation_id, conversation_id, now_ms())
    messages.success(request, _("Nothing goes to this number any more. It is in the ledger of consent."))
    return redirect("inbox:conversation", conversation_id)
