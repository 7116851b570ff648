"""Who uses Chappe: organisations, people, and the keys that programs sign in with."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from chappe.features.column import Milliseconds


class Organisation(models.Model):
    """The border that nothing crosses: every other row belongs to one organisation."""

    name = models.CharField(max_length=200, unique=True)
    created_ms = Milliseconds()

    class Meta:
        db_table = "organisation"

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A person who signs in."""

    organisation = models.ForeignKey(
        Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="people"
    )

    class Meta:
        db_table = "person"


class ApiKey(models.Model):
    """What a program signs in with. Only a SHA-256 of the key is kept; the key itself is shown once."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=16, help_text="the first characters, to tell keys apart on a page")
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_ms = Milliseconds()
    last_used_ms = Milliseconds()
    revoked_ms = Milliseconds()

    class Meta:
        db_table = "api_key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
