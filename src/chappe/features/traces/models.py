"""What a connection and its provider said to each other while somebody traced it; kept for a day at most."""

from django.conf import settings
from django.db import models

from chappe.features.column import Milliseconds
from chappe.features.connections.models import Connection


class TraceSession(models.Model):
    """One trace of one connection. It runs until `until_ms`, which is moved to now when it is stopped or full."""

    organisation_id = models.BigIntegerField()
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    number = models.CharField(
        max_length=64, default="", help_text="as rules.trace.number_key has it; empty: everybody's"
    )
    most_entries = models.IntegerField()
    entries = models.IntegerField(default=0)
    left_out = models.BigIntegerField(default=0, help_text="that came too fast, or when it was full")
    started_ms = Milliseconds()
    until_ms = Milliseconds()

    class Meta:
        db_table = "trace_session"
        indexes = [
            models.Index(fields=["until_ms"], name="trace_session_until"),
            models.Index(fields=["connection", "id"], name="trace_session_connection"),
        ]

    def __str__(self) -> str:
        return f"trace {self.pk}"


class TraceEntry(models.Model):
    """One PDU, without the password of a bind, or one HTTP exchange, without secrets (engine.traced_exchange).

    Written by engines, which may not hear at once that a session is gone: so nothing binds the two in the database.
    """

    session = models.ForeignKey(
        TraceSession, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    at_ms = Milliseconds()
    direction = models.CharField(max_length=3, help_text="in or out")
    kind = models.CharField(max_length=8, help_text="pdu or exchange")
    slot = models.IntegerField(default=0)
    role = models.CharField(max_length=12, default="", help_text="of the link, or http")
    link = models.BigIntegerField(default=0, help_text="another number for each TCP connection")
    sender = models.CharField(max_length=400, default="", help_text="as rules.trace.number_key has it")
    recipient = models.CharField(max_length=400, default="", help_text="as rules.trace.number_key has it")
    content = models.BinaryField()

    class Meta:
        db_table = "trace_entry"
        indexes = [models.Index(fields=["session", "id"], name="trace_entry_session")]
