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
    """A person who signs in with an e-mail address, which is their `username` as well.

    `withheld` are rights of the role that this person does not have. A superuser administers the installation: makes
    organisations and invites their first administrators, and sees nothing of theirs without belonging to them.
    """

    organisation = models.ForeignKey(
        Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="people"
    )
    role = models.CharField(max_length=16, default="auditor")
    withheld = models.JSONField(default=list, blank=True)
    language = models.CharField(max_length=5, default="", blank=True, help_text="empty: the organisation's")
    theme = models.CharField(
        max_length=5, default="", blank=True, help_text="light, dark, or empty: as the device has it"
    )

    class Meta:
        db_table = "person"

    @property
    def last_login_ms(self) -> int:
        """0 where there was none."""
        return int(self.last_login.timestamp() * 1000) if self.last_login else 0

    @property
    def name(self) -> str:
        """As others see the person."""
        return self.get_full_name() or self.email or self.username


class PeopleGroup(models.Model):
    """People of an organisation from whom some rights are withheld together."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="people_groups")
    name = models.CharField(max_length=200)
    withheld = models.JSONField(default=list)
    people = models.ManyToManyField(User, related_name="people_groups", db_table="people_group_person")

    class Meta:
        db_table = "people_group"
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="people_group_name")]

    def __str__(self) -> str:
        return self.name


class Invitation(models.Model):
    """A link that makes one person, once. Only a SHA-256 of its token is kept.

    Without an organisation it is for the first administrator of the installation, who names the first organisation.
    """

    organisation = models.ForeignKey(Organisation, null=True, on_delete=models.CASCADE, related_name="invitations")
    email = models.CharField(max_length=254, default="", blank=True)
    role = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    invited_by = models.CharField(max_length=254, default="", blank=True)
    created_ms = Milliseconds()
    expires_ms = Milliseconds()
    used_ms = Milliseconds()

    class Meta:
        db_table = "invitation"


class Operator(models.Model):
    """A machine that signs in: another Chappe, a CRM. It may have several keys, so that they rotate without a stop.

    What its keys may do is in its `scopes`; switched off, none of them lets it in. One that signs in as another Chappe's
    account (`is_relay`) may do so by its login and `password` too, so its login is the only one of the installation.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="operators")
    login = models.CharField(max_length=64, help_text="in small letters")
    label = models.CharField(max_length=200)
    scopes = models.JSONField(default=list)
    is_relay = models.BooleanField(default=False, help_text="whether administration is among its scopes")
    password = models.CharField(max_length=200, default="", blank=True, help_text="hashed; empty: it has none")
    is_enabled = models.BooleanField(default=True)
    created_ms = Milliseconds()
    changed_ms = Milliseconds()

    class Meta:
        db_table = "operator"
        constraints = [
            models.UniqueConstraint(fields=["organisation", "login"], name="operator_login"),
            models.UniqueConstraint(fields=["login"], condition=models.Q(is_relay=True), name="operator_relay_login"),
        ]

    def __str__(self) -> str:
        return self.login


class ApiKey(models.Model):
    """What a program signs in with. Only a SHA-256 of the key is kept; the key itself is shown once.

    `scopes` are those of a key by itself; one of an operator may do what its operator may.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="api_keys")
    operator = models.ForeignKey(Operator, null=True, on_delete=models.CASCADE, related_name="keys")
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

    @property
    def granted(self) -> list[str]:
        """What it may do."""
        scopes: list[str] = self.operator.scopes if self.operator is not None else self.scopes
        return scopes
