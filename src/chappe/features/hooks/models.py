"""Addresses of ours that providers call, and how often they did."""

from django.db import models

from chappe.features.accounts.models import Organisation
from chappe.features.column import Milliseconds
from chappe.features.connections.models import Connection


class Hook(models.Model):
    """One address for one connection. Who knows its token may call it; `proof` asks for more.

    Where `payload` is empty the connection's provider reads the calls itself; its keywords then also hold for what comes by
    the provider's own addresses.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="hooks")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="hooks")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, help_text="inbound or feedback")
    token = models.CharField(max_length=64, unique=True)
    previous_token = models.CharField(max_length=64, default="", blank=True)
    previous_until_ms = Milliseconds(help_text="until when the previous token is good as well")
    sender_number = models.CharField(
        max_length=64, default="", blank=True, help_text="ours, that people write to; empty: all of the connection's"
    )
    keywords = models.JSONField(default=dict, help_text="of chappe.rules.hook_keyword.KeywordRules; inbound only")
    payload = models.TextField(default="", blank=True, help_text="a sample of a call, with placeholders")
    statuses = models.JSONField(default=dict, help_text="the provider's word → what it means; feedback only")
    proof = models.JSONField(default=dict, help_text="of chappe.providers.hook_payload.Proof")
    secrets = models.BinaryField(default=bytes)
    is_enabled = models.BooleanField(default=True)
    version = models.BigIntegerField(
        default=1, help_text="grows with every change; the web processes reload when it does"
    )
    created_ms = Milliseconds()
    changed_ms = Milliseconds()

    class Meta:
        db_table = "hook"
        constraints = [
            models.UniqueConstraint(fields=["organisation", "name"], name="hook_name_in_organisation"),
        ]

    def __str__(self) -> str:
        return self.name


class HookCount(models.Model):
    """Calls by what became of them: at a hook, or (`hook_id` 0) at its provider's address for a connection.

    What cannot be told to be anybody's is counted with connection 0.
    """

    organisation_id = models.BigIntegerField()
    connection_id = models.BigIntegerField()
    hook_id = models.BigIntegerField(default=0)
    outcome = models.CharField(max_length=20, help_text="accepted, duplicate, or why it was refused")
    calls = models.BigIntegerField(default=0)
    last_ms = Milliseconds()

    class Meta:
        db_table = "hook_count"
        constraints = [
            models.UniqueConstraint(
                fields=["organisation_id", "connection_id", "hook_id", "outcome"], name="hook_count_outcome"
            ),
        ]
