"""Who changed what."""

from django.db import models

from chappe.features.column import Milliseconds


class AuditEvent(models.Model):
    """One change by one actor of one subject. Rows are never changed; retention alone takes them away.

    `before` and `after` hold what differs, by path (`settings.host`): a plain value, a list of them, or for what is never
    shown `{"hidden": "set" | "changed" | "removed"}`. Neither ever holds a secret, or a number, an address or an attribute
    of a person.
    """

    organisation_id = models.BigIntegerField(default=0, help_text="0: of the installation")
    at_ms = Milliseconds()
    actor_kind = models.CharField(max_length=10, help_text="person, key, operator, command or system")
    actor_id = models.BigIntegerField(default=0)
    actor_name = models.CharField(max_length=200, default="", blank=True)
    action = models.CharField(max_length=30)
    subject_kind = models.CharField(max_length=30)
    subject_id = models.BigIntegerField(default=0)
    subject_name = models.CharField(max_length=200, default="", blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    address = models.CharField(max_length=64, default="", blank=True, help_text="where the request came from")

    class Meta:
        db_table = "audit_event"
        indexes = [
            models.Index(fields=["organisation_id", "at_ms", "id"], name="audit_event_time"),
            models.Index(fields=["organisation_id", "action", "at_ms", "id"], name="audit_event_action"),
            models.Index(
                fields=["organisation_id", "subject_kind", "subject_id", "at_ms", "id"], name="audit_event_subject"
            ),
            models.Index(fields=["organisation_id", "actor_kind", "actor_id", "at_ms", "id"], name="audit_event_actor"),
        ]
