"""The history of one thing, on whatever page shows it."""

from typing import Any

from django import template
from django.template.context import RequestContext

from chappe.features.accounts.right import Right
from chappe.features.audit.services import history_of
from chappe.features.audit.wording import told

register = template.Library()


@register.inclusion_tag("audit/history.html", takes_context=True)
def audit_history(context: RequestContext, kind: str, subject_id: int, most: int = 10) -> dict[str, Any]:
    """The last changes of a thing of the person's organisation, such as `connection` 5, for who may see the audit trail."""
    request = context["request"]
    person = getattr(request, "person", None)
    if person is None or not person.may(Right.SEE_AUDIT):
        return {"is_allowed": False}
    events = [told(one) for one in history_of(person.organisation_id, kind, subject_id, most)]
    return {"is_allowed": True, "events": events, "kind": kind, "subject": subject_id, "request": request}
