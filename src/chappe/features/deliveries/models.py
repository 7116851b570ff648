"""Sends to an audience, from draft to report."""

from django.db import models

from chappe.features.accounts.models import Organisation
from chappe.features.column import Milliseconds
from chappe.features.connections.models import Connection
from chappe.features.contacts.models import ContactList


class Delivery(models.Model):
    """One send to one list through one connection.

    `status`: draft → analysing → ready → sending ⇄ paused → finished or cancelled; failed when the analysis could not
    be done; deleting while its messages are taken away. Every change of it is guarded by the status before.
    `analysis_token` is the right to write its messages: an analysis that was given up as dead loses it.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="deliveries")
    label = models.CharField(max_length=200)
    contact_list = models.ForeignKey(ContactList, on_delete=models.PROTECT, related_name="deliveries")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="deliveries")
    category = models.SmallIntegerField(default=0)
    sender = models.CharField(max_length=64, default="", blank=True)
    body = models.TextField()
    options = models.JSONField(default=dict)
    short_code = models.CharField(max_length=21, default="", blank=True)
    validity_s = models.IntegerField(default=72 * 3600)
    status = models.CharField(max_length=12, default="draft")
    error = models.TextField(default="")
    audience = models.BigIntegerField(default=0)
    segments = models.BigIntegerField(default=0)
    encodings = models.JSONField(default=dict, help_text="messages by encoding, as the analysis found them")
    created_ms = Milliseconds()
    analysed_ms = Milliseconds()
    started_ms = Milliseconds()
    finished_ms = Milliseconds()
    changed_ms = Milliseconds()
    analysis_token = models.BigIntegerField(default=0)

    class Meta:
        db_table = "delivery"
        indexes = [models.Index(fields=["changed_ms"], name="delivery_changed")]

    def __str__(self) -> str:
        return self.label


class DeliveryExclusion(models.Model):
    """How many people of the audience were left out for one reason."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="exclusions")
    reason = models.CharField(max_length=40)
    people = models.BigIntegerField(default=0)

    class Meta:
        db_table = "delivery_exclusion"
        constraints = [models.UniqueConstraint(fields=["delivery", "reason"], name="delivery_exclusion_reason")]
