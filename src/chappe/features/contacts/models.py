"""People we may write to, and the lists they are on."""

from django.db import models

from chappe.features.accounts.models import Organisation
from chappe.features.column import Milliseconds


class ContactList(models.Model):
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="contact_lists")
    name = models.CharField(max_length=200)
    created_ms = Milliseconds()

    class Meta:
        db_table = "contact_list"
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="contact_list_name")]

    def __str__(self) -> str:
        return self.name


class Contact(models.Model):
    """One person. `phone` is E.164 where the number could be read, else empty; `phone_raw` is what was given."""

    organisation_id = models.BigIntegerField()
    list_id = models.BigIntegerField()
    phone = models.CharField(max_length=20, default="")
    phone_raw = models.CharField(max_length=64, default="")
    attributes = models.JSONField(default=dict)
    created_ms = Milliseconds()

    class Meta:
        db_table = "contact"
        indexes = [
            models.Index(fields=["list_id", "phone", "id"], name="contact_in_list"),
            models.Index(fields=["phone"], name="contact_phone"),
        ]


class ContactImport(models.Model):
    """One CSV file on its way in."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="imports")
    list = models.ForeignKey(ContactList, on_delete=models.CASCADE, related_name="imports")
    filename = models.CharField(max_length=255, default="")
    status = models.CharField(max_length=12, default="running", help_text="running, finished or failed")
    rows = models.BigIntegerField(default=0)
    imported = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    error = models.TextField(default="")
    created_ms = Milliseconds()
    finished_ms = Milliseconds()

    class Meta:
        db_table = "contact_import"


class ContactImportError(models.Model):
    """A row of a CSV file that could not be taken, and why; the first ten thousand of a file are kept."""

    contact_import = models.ForeignKey(ContactImport, on_delete=models.CASCADE, related_name="errors")
    line = models.BigIntegerField()
    field = models.CharField(max_length=100)
    message = models.CharField(max_length=300)

    class Meta:
        db_table = "contact_import_error"
