"""Conversations: what people who wrote to us are still waiting for."""

from django.db import models

from chappe.features.column import Milliseconds


class Conversation(models.Model):
    """The texts of one number, as the work of somebody. The engine opens it when a text comes that no keyword answered.

    `recipient` and `connection_id` are of the last text: an answer goes the way that it came.
    """

    organisation_id = models.BigIntegerField()
    number = models.CharField(max_length=64)
    connection_id = models.BigIntegerField()
    recipient = models.CharField(max_length=64, default="")
    last_inbound_id = models.BigIntegerField()
    last_ms = Milliseconds()
    is_open = models.BooleanField(default=True)
    assignee_id = models.BigIntegerField(default=0, help_text="a person; 0: nobody")

    class Meta:
        db_table = "conversation"
        constraints = [models.UniqueConstraint(fields=["organisation_id", "number"], name="conversation_number")]
        indexes = [
            models.Index(fields=["organisation_id", "is_open", "last_inbound_id"], name="conversation_latest"),
            models.Index(fields=["organisation_id", "last_inbound_id"], name="conversation_all"),
            models.Index(
                fields=["organisation_id", "assignee_id", "last_inbound_id"],
                condition=models.Q(is_open=True) & ~models.Q(assignee_id=0),
                name="conversation_assignee",
            ),
        ]
