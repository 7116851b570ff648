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
    address = models.CharField(max_length=64)
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
            models.Index(fields=["organisation_id", "id"], name="quarantine_organisation"),
        ]
