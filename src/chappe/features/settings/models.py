"""What an organisation has settled for itself, and what followed from it."""

from django.db import models

from chappe.features.accounts.models import Organisation
from chappe.features.column import Milliseconds


class OrganisationSettings(models.Model):
    """One row for each organisation that has changed anything; without one, all is as the defaults say.

    Engines read `version` every second.
    """

    organisation = models.OneToOneField(
        Organisation, on_delete=models.CASCADE, primary_key=True, related_name="settings"
    )
    language = models.CharField(max_length=5, default="", blank=True, help_text="empty: as each browser asks for it")
    region = models.CharField(
        max_length=2, default="", blank=True, help_text="of numbers without a country code; empty: they are not read"
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text="a name of the IANA database")
    quiet_periods = models.JSONField(default=list, help_text="of chappe.rules.quiet_hours.Period")
    quiet_action = models.CharField(max_length=10, default="queue", help_text="queue or discard")
    allowed_networks = models.CharField(
        max_length=2000, default="*", blank=True, help_text="private networks and hosts to be called at all; *: any"
    )
    retention = models.JSONField(default=dict, help_text="kind of record → days; 0 or absent: for ever")
    unknown_error_kind = models.CharField(
        max_length=10, default="soft", help_text="what new connections make of an error that nobody has qualified"
    )
    version = models.BigIntegerField(default=1, help_text="grows with every change; engines reload when it does")
    changed_ms = Milliseconds()

    class Meta:
        db_table = "organisation_settings"


class QuietWait(models.Model):
    """Marketing messages that were put off together until quiet hours end: one row for one batch of the outbox.

    The messages are first_id..last_id, or `ids` (packed as in the outbox) where they are not neighbours. `since_ms` is
    when their unbroken waiting began; `due_ms` is when they were due before.
    """

    organisation_id = models.BigIntegerField()
    connection_id = models.BigIntegerField()
    outbox_id = models.BigIntegerField()
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    ids = models.BinaryField(null=True)
    at_ms = Milliseconds()
    since_ms = Milliseconds()
    due_ms = Milliseconds()
    until_ms = Milliseconds(help_text="the end of quiet hours; earlier where the hours were changed in between")
    zone = models.CharField(max_length=64)

    class Meta:
        db_table = "quiet_wait"
        indexes = [
            models.Index(fields=["organisation_id", "last_id"], name="quiet_wait_message"),
            models.Index(fields=["organisation_id", "until_ms"], name="quiet_wait_until"),
            models.Index(fields=["outbox_id"], name="quiet_wait_outbox"),
        ]


class RetentionRun(models.Model):
    """How far the daily deletion of one kind of record has come in an organisation.

    `position` is the id up to which nothing is left to look at.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="retention_runs")
    kind = models.CharField(max_length=40)
    position = models.BigIntegerField(default=0)
    ran_ms = Milliseconds()
    deleted = models.BigIntegerField(default=0, help_text="by the last run")

    class Meta:
        db_table = "retention_run"
        constraints = [models.UniqueConstraint(fields=["organisation", "kind"], name="retention_run_kind")]
