"""Whom we may not write to."""

from django.db import models

from chappe.features.column import Milliseconds


class Quarantine(models.Model):
    """One number under watch, for one short code or for all (empty).

    `status`: with_errors (counting, still sent to), quarantine (errors), denylisted (the person asked), valid
    (released). Rows are never deleted: a change of status with a new `changed_ms` is how the engine hears of it.
    """

    organisation_id = models.BigIntegerField()
    channel = models.CharField(max_length=10, default="sms")
    address = models.CharField(max_length=320)
    short_code = models.CharField(max_length=21, default="", blank=True)
    status = models.CharField(max_length=12)
    reason = models.CharField(max_length=200, default="")
    error_count = models.IntegerField(default=0)
    last_error_ms = Milliseconds()
    created_ms = Milliseconds()
    changed_ms = Milliseconds()

    class Meta:
        db_table = "quarantine"
        constraints = [
            models.UniqueConstraint(
                fields=["organisation_id", "address", "channel", "short_code"], name="quarantine_address"
            ),
        ]
        indexes = [
            models.Index(fields=["changed_ms"], name="quarantine_changed"),
            # Of one organisation, to be told to another Chappe.
            models.Index(fields=["organisation_id", "changed_ms", "id"], name="quarantine_to_tell"),
            models.Index(fields=["organisation_id", "id"], name="quarantine_organisation"),
            # Of a status that few have, in the order that pages show: newest first, or by number.
            models.Index(fields=["organisation_id", "status", "id"], name="quarantine_status"),
            models.Index(fields=["organisation_id", "status", "address"], name="quarantine_status_address"),
        ]


class ConsentEvent(models.Model):
    """The ledger of consent: a line for each yes and no, never changed. What follows from it is in `Quarantine`.

    `sender` is the one that the person meant, "" for all. `source` is the door it came by: keyword, provider, api, import,
    console or relay; `evidence` what was said there.
    """

    organisation_id = models.BigIntegerField()
    channel = models.CharField(max_length=10)
    address = models.CharField(max_length=320)
    sender = models.CharField(max_length=64, default="", blank=True)
    is_given = models.BooleanField(help_text="yes, or no")
    at_ms = Milliseconds()
    source = models.CharField(max_length=20)
    evidence = models.CharField(max_length=400, default="", blank=True)
    connection_id = models.BigIntegerField(default=0, help_text="0: by none")

    class Meta:
        db_table = "consent_event"
        indexes = [
            models.Index(fields=["organisation_id", "address", "id"], name="consent_event_address"),
            models.Index(fields=["organisation_id", "id"], name="consent_event_organisation"),
        ]
