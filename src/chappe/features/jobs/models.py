"""Work that takes longer than a request."""

from django.db import models

from chappe.features.column import Milliseconds


class Job(models.Model):
    """One piece of long work: `kind` names the function, `subject_id` what it works on.

    A running job belongs to whoever holds `lease_token` until `lease_until_ms`; afterwards anybody may take it over.
    `tries` counts the runs that ended by an error or by the death of their process.
    """

    organisation_id = models.BigIntegerField()
    kind = models.CharField(max_length=40)
    subject_id = models.BigIntegerField()
    arguments = models.JSONField(default=dict)
    status = models.CharField(max_length=10, default="waiting", help_text="waiting, running, finished or failed")
    tries = models.IntegerField(default=0)
    error = models.TextField(default="")
    due_ms = Milliseconds()
    lease_token = models.BigIntegerField(default=0)
    lease_until_ms = Milliseconds()
    created_ms = Milliseconds()
    finished_ms = Milliseconds()

    class Meta:
        db_table = "job"
        indexes = [
            models.Index(
                fields=["due_ms"], condition=models.Q(status__in=["waiting", "running"]), name="job_to_be_done"
            ),
            models.Index(fields=["kind", "subject_id"], name="job_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}"
