"""Conversations whose last text is past its days go with the texts: they hold the person's number."""

from chappe.features.inbox.models import Conversation
from chappe.features.settings.retention import Beat, Progress, register_with

BATCH = 500


def forget_conversations(organisation_id: int, before_ms: int, position: int, beat: Beat) -> Progress:
    """Oldest first, by the number of their last text."""
    done = 0
    rows = Conversation.objects.filter(organisation_id=organisation_id).order_by("last_inbound_id")
    while ids := [pk for pk, last_ms in rows.values_list("pk", "last_ms")[:BATCH] if last_ms <= before_ms]:
        done += Conversation.objects.filter(pk__in=ids, last_ms__lte=before_ms).delete()[0]
        beat()
    return Progress(0, done)


register_with("inbound", "conversations", forget_conversations)
