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
    `analysis_token` is the right to write its messages: an analysis that was given up as dead loses it. Its messages have
    ids from `first_message_id` to `last_message_id`, and others' may lie between: so some of them are found by a short walk
    however many there are.
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
    first_message_id = models.BigIntegerField(default=0, help_text="0: analysed before this was kept, or never")
    last_message_id = models.BigIntegerField(default=0)

    class Meta:
        db_table = "delivery"
        indexes = [
            models.Index(fields=["changed_ms"], name="delivery_changed"),
            models.Index(fields=["organisation", "id"], name="delivery_organisation"),
            models.Index(fields=["organisation", "status", "id"], name="delivery_status"),
        ]

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


class Proof(models.Model):
    """A text sent to test numbers before the people get it. Its messages belong to no delivery, so no report counts them.

    They have ids from `first_message_id`; 0: the process died before they were stored, and nothing was sent. `contact_id`
    is the person whose text it was.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="proofs")
    contact_id = models.BigIntegerField(default=0)
    first_message_id = models.BigIntegerField(default=0)
    messages = models.IntegerField(default=0)
    created_ms = Milliseconds()

    class Meta:
        db_table = "delivery_proof"
        indexes = [models.Index(fields=["contact_id"], name="delivery_proof_contact")]


class ProofNumber(models.Model):
    """A number or address that the organisation keeps to send proofs to."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="proof_numbers")
    address = models.CharField(max_length=320)
    label = models.CharField(max_length=100, default="", blank=True)

    class Meta:
        db_table = "proof_number"
        constraints = [models.UniqueConstraint(fields=["organisation", "address"], name="proof_number_once")]

    def __str__(self) -> str:
        return self.label or self.address
