"""What the audit trail keeps of conversations: who has them and whether they are over; no number, no text."""

from chappe.features.audit.following import follow
from chappe.features.inbox.models import Conversation

follow(Conversation, kind="conversation", fields=("is_open", "assignee_id"), name=lambda row: f"conversation {row.pk}")
