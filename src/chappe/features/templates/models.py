"""Templates of deliveries: how messages go out, written down once."""

from django.db import models

from chappe.features.accounts.models import Organisation
from chappe.features.column import Milliseconds
from chappe.features.connections.models import Connection

BUILT_IN = 0
"""The number of the template that every organisation has; no row of any table."""


class DeliveryTemplate(models.Model):
    """What a new delivery begins with. Its columns mean what those of a delivery mean.

    `connection` is its routing: None is the first of the list when a delivery begins. `internal_name` is for programs, and
    the organisation's only one of that name.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="delivery_templates")
    label = models.CharField(max_length=200)
    internal_name = models.CharField(max_length=64)
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, null=True, blank=True, related_name="delivery_templates"
    )
    category = models.SmallIntegerField(default=0)
    sender = models.CharField(max_length=64, default="", blank=True)
    body = models.TextField(default="", blank=True)
    options = models.JSONField(default=dict)
    short_code = models.CharField(max_length=21, default="", blank=True)
    validity_s = models.IntegerField(default=72 * 3600)
    created_ms = Milliseconds()
    changed_ms = Milliseconds()

    class Meta:
        db_table = "delivery_template"
        indexes = [models.Index(fields=["organisation", "id"], name="delivery_template_newest")]
        constraints = [
            models.UniqueConstraint(fields=["organisation", "internal_name"], name="delivery_template_internal_name")
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_built_in(self) -> bool:
        """Whether it can be looked at and duplicated, and nothing else."""
        return self.pk == BUILT_IN
