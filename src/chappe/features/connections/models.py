"""Accounts with providers, what their links do now, and how their errors are read."""

from django.db import models

from chappe.features.accounts.models import Organisation
from chappe.features.column import Milliseconds


class Connection(models.Model):
    """Our account with one provider. `settings` is what its declaration calls public, `secrets` the rest, encrypted."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="connections")
    name = models.CharField(max_length=200)
    internal_name = models.CharField(
        max_length=130, default="", blank=True, help_text="by which another Chappe finds it: <operator>_<its account>"
    )
    provider = models.CharField(max_length=40)
    settings = models.JSONField(default=dict)
    secrets = models.BinaryField(default=bytes)
    is_enabled = models.BooleanField(default=True)
    version = models.BigIntegerField(default=1, help_text="grows with every change; the engine reloads when it does")
    position = models.IntegerField(default=0, help_text="in the organisation's list; the same: the older one first")
    replaced_by = models.BigIntegerField(
        default=0, help_text="the connection made from it, which is used instead; 0: none"
    )
    created_ms = Milliseconds()
    changed_ms = Milliseconds()

    class Meta:
        db_table = "connection"
        constraints = [
            models.UniqueConstraint(fields=["organisation", "name"], name="connection_name_in_organisation"),
            models.UniqueConstraint(
                fields=["organisation", "internal_name"],
                condition=~models.Q(internal_name=""),
                name="connection_internal_name",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ConnectionVersion(models.Model):
    """A connection as it was after a change: what a revert brings back, secrets included. The last hundred are kept."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="versions")
    number = models.BigIntegerField(help_text="the connection's version; the next change made the next")
    action = models.CharField(max_length=12, help_text="begin, create, change, revert, replace or replaced")
    reverted_to = models.BigIntegerField(default=0, help_text="of a revert: the version whose settings came back")
    name = models.CharField(max_length=200)
    internal_name = models.CharField(max_length=130, default="", blank=True)
    settings = models.JSONField(default=dict)
    secrets = models.BinaryField(default=bytes, help_text="sealed as those of the connection are")
    changed_secrets = models.JSONField(
        default=list, help_text="names of the secrets that differ from the version before"
    )
    is_enabled = models.BooleanField(default=True)
    position = models.IntegerField(default=0)
    at_ms = Milliseconds()
    actor_kind = models.CharField(max_length=10)
    actor_name = models.CharField(max_length=200, default="")

    class Meta:
        db_table = "connection_version"
        constraints = [models.UniqueConstraint(fields=["connection", "number"], name="connection_version_number")]

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


class LinkLease(models.Model):
    """Which engine process holds which link of a connection; free again when `until_ms` has passed."""

    connection_id = models.BigIntegerField()
    slot = models.IntegerField()
    owner = models.CharField(max_length=80)
    until_ms = Milliseconds()

    class Meta:
        db_table = "link_lease"
        constraints = [models.UniqueConstraint(fields=["connection_id", "slot"], name="link_lease_slot")]


class LinkState(models.Model):
    """What a link does now, written by its engine once a second."""

    connection_id = models.BigIntegerField()
    slot = models.IntegerField()
    role = models.CharField(max_length=12, help_text="transceiver, transmitter or receiver")
    owner = models.CharField(max_length=80)
    state = models.CharField(max_length=20)
    reason = models.TextField(default="")
    window = models.IntegerField(default=0)
    in_flight = models.IntegerField(default=0)
    sent_per_s = models.FloatField(default=0)
    limit_per_s = models.FloatField(default=0)
    round_trip_p50_ms = models.FloatField(default=0)
    round_trip_p99_ms = models.FloatField(default=0)
    receipts_per_s = models.FloatField(default=0, help_text="that came on this link")
    unmatched_per_s = models.FloatField(default=0, help_text="of these, receipts whose id nobody knew in time")
    since_ms = Milliseconds()
    changed_ms = Milliseconds()

    class Meta:
        db_table = "link_state"
        constraints = [models.UniqueConstraint(fields=["connection_id", "slot", "role"], name="link_state_slot_role")]


class ErrorQualification(models.Model):
    """What one normalised outcome text means. New texts arrive as "to qualify" with the default kind."""

    organisation_id = models.BigIntegerField()
    text = models.CharField(max_length=200, help_text="SR <implementation> <status> <code>|#MESSAGE#")
    first_text = models.TextField(default="")
    kind = models.CharField(max_length=10, help_text="hard, soft or ignored")
    reason = models.CharField(max_length=40, default="refused")
    status = models.CharField(max_length=12, default="to_qualify", help_text="to_qualify, keep or ignore")
    occurrences = models.BigIntegerField(default=0)
    first_ms = Milliseconds()
    last_ms = Milliseconds()

    class Meta:
        db_table = "error_qualification"
        constraints = [models.UniqueConstraint(fields=["organisation_id", "text"], name="error_qualification_text")]


class OrphanReceipt(models.Model):
    """A receipt whose id matched nothing within the waiting time; what came back of it is kept for the operator."""

    connection_id = models.BigIntegerField()
    provider_message_id = models.CharField(max_length=255)
    status = models.CharField(max_length=40, default="")
    code = models.CharField(max_length=40, default="")
    occurrences = models.IntegerField(default=1)
    first_ms = Milliseconds()
    last_ms = Milliseconds()

    class Meta:
        db_table = "orphan_receipt"
        constraints = [
            models.UniqueConstraint(fields=["connection_id", "provider_message_id"], name="orphan_receipt_id"),
        ]
        indexes = [models.Index(fields=["connection_id", "id"], name="orphan_receipt_connection")]
