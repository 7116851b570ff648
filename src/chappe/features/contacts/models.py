"""People we may write to, and the lists they are on."""

from django.db import models

from chappe.features.accounts.models import Organisation
from chappe.features.column import Milliseconds


class ContactList(models.Model):
    """`attributes` are the names that any of its people has had: what a text for the list may mention."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="contact_lists")
    name = models.CharField(max_length=200)
    attributes = models.JSONField(default=list)
    created_ms = Milliseconds()

    class Meta:
        db_table = "contact_list"
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="contact_list_name")]

    def __str__(self) -> str:
        return self.name


class Contact(models.Model):
    """One person. `phone` is E.164 where the number could be read, else empty; `phone_raw` is what was given. The same of
    the e-mail address, which is kept in small letters.

    `external_id` is the organisation's own name for the person, empty where it gave none.
    """

    organisation_id = models.BigIntegerField()
    external_id = models.CharField(max_length=200, default="")
    phone = models.CharField(max_length=20, default="")
    phone_raw = models.CharField(max_length=64, default="")
    email = models.CharField(max_length=320, default="")
    email_raw = models.CharField(max_length=320, default="")
    attributes = models.JSONField(default=dict)
    created_ms = Milliseconds()

    class Meta:
        db_table = "contact"
        constraints = [
            models.UniqueConstraint(
                fields=["organisation_id", "external_id"],
                condition=~models.Q(external_id=""),
                name="contact_external_id_once",
            ),
        ]
        indexes = [
            models.Index(fields=["phone"], name="contact_phone"),
            models.Index(fields=["email"], name="contact_email", condition=~models.Q(email="")),
        ]


class ContactListMember(models.Model):
    """One person on one list.

    `phone` and `email` are copies of the contact's, so that an analysis walks a list of millions in the order of one index,
    which puts the people who share a number, or an address, side by side; whoever changes a contact's changes them here in
    the same transaction.
    """

    list_id = models.BigIntegerField()
    phone = models.CharField(max_length=20, default="")
    email = models.CharField(max_length=320, default="")
    contact_id = models.BigIntegerField()

    class Meta:
        db_table = "contact_list_member"
        constraints = [
            models.UniqueConstraint(fields=["list_id", "phone", "contact_id"], name="contact_list_member_once"),
        ]
        indexes = [
            models.Index(fields=["contact_id"], name="contact_list_member_contact"),
            # Of those who have an address alone: lists of numbers pay nothing for it.
            models.Index(
                fields=["list_id", "email", "contact_id"],
                name="contact_list_member_email",
                condition=~models.Q(email=""),
            ),
        ]


class ContactImport(models.Model):
    """One CSV file on its way in.

    `rows` are the rows of the file that are done with, imported or rejected: where an interrupted import goes on.
    `options` say how to read the file, as the importer was told. While the status is "mapping" the file is kept, and somebody
    is to say what its columns are. `lines` is about how many rows the file has: a cell may hold a line feed.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="imports")
    list = models.ForeignKey(ContactList, on_delete=models.CASCADE, related_name="imports")
    filename = models.CharField(max_length=255, default="")
    options = models.JSONField(default=dict)
    status = models.CharField(
        max_length=12, default="running", help_text="uploading, mapping, waiting, running, finished or failed"
    )
    lines = models.BigIntegerField(default=0)
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


class ContactImportChunk(models.Model):
    """A piece of an uploaded file until it is imported: any machine may do that, so no machine's disk keeps it."""

    contact_import = models.ForeignKey(ContactImport, on_delete=models.CASCADE, related_name="chunks")
    position = models.IntegerField()
    data = models.BinaryField()

    class Meta:
        db_table = "contact_import_chunk"
        constraints = [
            models.UniqueConstraint(fields=["contact_import", "position"], name="contact_import_chunk_position"),
        ]
