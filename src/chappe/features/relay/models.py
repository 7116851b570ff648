"""Mid-sourcing: what each side keeps of the other. docs/explanation/mid-sourcing.md says what these are for.

On mid, everything of an account carries its connection's number in the bits above the fortieth: `connection << 40 | number`.
"""

from django.db import models

from chappe.features.column import AssignedId, Milliseconds


class RelayAccount(models.Model):
    """On mid: an account through which another Chappe sends, since that signed in first.

    `secrets` holds what calls to `push_url` are signed with. Pages up to `told` have been taken by a push; `push_number` is
    that of the last one.
    """

    connection_id = AssignedId()
    organisation_id = models.BigIntegerField()
    operator = models.CharField(max_length=64)
    push_url = models.CharField(max_length=2000, default="", help_text="empty: it only asks")
    secrets = models.BinaryField(default=bytes)
    allowed_networks = models.TextField(default="", help_text="private networks that `push_url` may be in")
    version = models.BigIntegerField(default=1, help_text="grows when the address or the secret changes")
    told = models.BigIntegerField(default=0)
    push_number = models.BigIntegerField(default=0)
    told_ms = Milliseconds(help_text="when a push was taken last")
    heard_ms = Milliseconds(help_text="when the other side asked for anything last")
    error = models.CharField(max_length=400, default="", help_text="why the last push was not taken")
    lease_owner = models.CharField(max_length=80, default="", help_text="the engine that pushes")
    lease_until_ms = Milliseconds()

    class Meta:
        db_table = "relay_account"


class RelayDelivery(models.Model):
    """On mid: a delivery of the other side, by `connection << 40 | its number there`; 0 stands for messages of none."""

    id = AssignedId()
    organisation_id = models.BigIntegerField()
    status = models.CharField(max_length=12, default="sending", help_text="sending, paused or cancelled")
    paused_by = models.CharField(
        max_length=12, default="", help_text="operator, which may resume it then; empty: people here"
    )
    created_ms = Milliseconds()
    changed_ms = Milliseconds()

    class Meta:
        db_table = "relay_delivery"
        indexes = [
            models.Index(fields=["changed_ms"], name="relay_delivery_changed"),
            # Few are, and engines look for them every second.
            models.Index(fields=["id"], condition=models.Q(status="cancelled"), name="relay_delivery_cancelled"),
        ]


class Relayed(models.Model):
    """On mid: a message of the other side that was taken, by `connection << 40 | its number there`.

    `digest` tells another message of the same number from this one: 8 octets of BLAKE2b over its recipient and text. 0: of
    before that was kept.
    """

    id = AssignedId()
    message_id = models.BigIntegerField()
    digest = models.BigIntegerField(default=0)

    class Meta:
        db_table = "relayed"
        indexes = [models.Index(fields=["message_id"], name="relayed_message")]


class RelayPage(models.Model):
    """On mid: what happened to an account in one commit, by `connection << 40 | number of the page`, numbered in the order of
    commits without a gap."""

    id = AssignedId()
    at_ms = Milliseconds()
    size = models.IntegerField(default=0, help_text="how much it tells")
    told = models.BinaryField(help_text="JSON of chappe.messaging.Told")

    class Meta:
        db_table = "relay_page"
        indexes = [models.Index(fields=["at_ms"], name="relay_page_at")]


class RelayLink(models.Model):
    """On marketing: how far an account with mid is in step.

    Pages up to `page` have been heeded. `clock_ms` is by how much mid's clock is ahead of ours. `quarantine_ms` and
    `deliveries_ms` are the instants up to which mid was told of changes here. `told_push` is the address that mid was given.
    """

    connection_id = AssignedId()
    page = models.BigIntegerField(default=0)
    push_number = models.BigIntegerField(default=0)
    clock_ms = models.BigIntegerField(default=0)
    pushed_ms = Milliseconds(help_text="when mid called last")
    heard_ms = Milliseconds(help_text="when mid answered last")
    reread_ms = Milliseconds(help_text="when the pages of a day were read again last")
    mid_quarantine_ms = Milliseconds(help_text="up to when mid's own changes were taken over, by its clock")
    quarantine_ms = Milliseconds()
    deliveries_ms = Milliseconds()
    told_push = models.CharField(max_length=2000, default="")
    mid_version = models.CharField(max_length=40, default="")
    mid_link_base = models.CharField(
        max_length=100,
        null=True,
        help_text="what mid's short links begin with; empty: it has no address for them; null: it did not say",
    )
    error = models.CharField(max_length=400, default="", help_text="why mid could not be asked")

    class Meta:
        db_table = "relay_link"


class RelayFigure(models.Model):
    """On marketing: how many messages of a delivery are in a state on mid, as it said at `at_ms`."""

    connection_id = models.BigIntegerField()
    delivery_id = models.BigIntegerField()
    state = models.SmallIntegerField()
    messages = models.BigIntegerField(default=0)
    at_ms = Milliseconds()

    class Meta:
        db_table = "relay_figure"
        constraints = [
            models.UniqueConstraint(fields=["connection_id", "delivery_id", "state"], name="relay_figure_state"),
        ]
