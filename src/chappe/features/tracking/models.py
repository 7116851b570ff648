"""What was opened by short links. docs/explanation/link-tracking.md says how these are written."""

from django.db import models

from chappe.features.column import AssignedId, Milliseconds


class LinkClick(models.Model):
    """An address of a message that was opened, by `message << 4 | place in its text`. `clicks` are people's, as far as that can
    be told; `machine_clicks` those of programs that look at links beforehand. `url` is empty once the text is erased.
    """

    id = AssignedId()
    organisation_id = models.BigIntegerField()
    delivery_id = models.BigIntegerField(help_text="0: none")
    url = models.CharField(max_length=400, help_text="without ? and # and what follows")
    clicks = models.IntegerField(default=0)
    machine_clicks = models.IntegerField(default=0)
    first_ms = Milliseconds()
    last_ms = Milliseconds()

    class Meta:
        db_table = "link_click"
        indexes = [models.Index(fields=["delivery_id", "id"], name="link_click_delivery")]


class LinkCount(models.Model):
    """How often an address of a delivery was opened; an empty `url` stands for all beyond the first hundred, and `*` for any
    of them: who opened two is one person there. That one alone stays when the texts are erased."""

    delivery_id = models.BigIntegerField()
    url = models.CharField(max_length=400)
    people = models.BigIntegerField(default=0, help_text="messages from which it was opened, not by programs alone")
    clicks = models.BigIntegerField(default=0)
    machine_clicks = models.BigIntegerField(default=0)

    class Meta:
        db_table = "link_count"
        constraints = [models.UniqueConstraint(fields=["delivery_id", "url"], name="link_count_url")]
