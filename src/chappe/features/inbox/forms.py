"""What is typed in a conversation."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from chappe.features.accounts.models import User
from chappe.features.form import ConsoleForm
from chappe.features.inbox.conversation import LONGEST_ANSWER


class AnswerForm(ConsoleForm):
    text = forms.CharField(label=_("Your answer"), max_length=LONGEST_ANSWER, widget=forms.Textarea(attrs={"rows": 3}))


class AssigneeForm(ConsoleForm):
    assignee = forms.TypedChoiceField(label=_("Who takes care of it"), coerce=int)

    def __init__(self, *args: Any, people: Sequence[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("0", _("Nobody")), *((str(one.pk), one.name) for one in people)]
        self.fields["assignee"].choices = choices  # type: ignore[attr-defined]
