"""Customers' URLs that we call when something happened, and the calls that are still to be made."""

from django.db import models

from chappe.features.accounts.models import Organisation
from chappe.features.column import Milliseconds


class CallbackEndpoint(models.Model):
    """A URL of a customer's. `secrets` are encrypted: `current`, and `previous`, which signs as well until its time is over.

    A row that is deleted stays, with `deleted_ms`, until an engine has taken its calls out of the store.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="callbacks")
    url = models.CharField(max_length=2000)
    events = models.JSONField(default=list, help_text="what it wants to hear of")
    secrets = models.BinaryField(default=bytes)
    previous_until_ms = Milliseconds()
    allowed_networks = models.CharField(max_length=2000, default="", blank=True)
    is_enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=200, default="", blank=True)
    version = models.BigIntegerField(default=1, help_text="grows with every change; the engine reloads when it does")
    created_ms = Milliseconds()
    changed_ms = Milliseconds()
    deleted_ms = Milliseconds()

    class Meta:
        db_table = "callback_endpoint"

    @property
    def address(self) -> str:
        """The URL without its query, where a customer may have put a token."""
        return self.url.partition("?")[0]


class CallbackEvent(models.Model):
    """A call to be made to one endpoint, deleted once it was answered; with `dead_ms`, one that was given up.

    Leased by moving `due_ms` on under a new token: an engine that dies leaves it due again.
    """

    endpoint_id = models.BigIntegerField()
    type = models.CharField(max_length=20)
    subject_id = models.BigIntegerField(default=0, help_text="of the message or the text from a phone")
    data = models.BinaryField(null=True, help_text="JSON of what that row will not say any more")
    at_ms = Milliseconds(help_text="when it happened")
    due_ms = Milliseconds()
    give_up_ms = Milliseconds()
    attempts = models.SmallIntegerField(default=0)
    lease_token = models.BigIntegerField(default=0)
    dead_ms = Milliseconds()
    last_status = models.IntegerField(default=0, help_text="of HTTP; 0: there was no answer")
    last_error = models.CharField(max_length=200, default="", blank=True)

    class Meta:
        db_table = "callback_event"
        indexes = [models.Index(fields=["endpoint_id", "dead_ms", "due_ms"], name="callback_event_due")]
