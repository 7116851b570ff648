"""The message store's tables. The engine's statements (`chappe.engine.store.catalogue`) work on them.

Rows refer to each other by plain numbers, without foreign keys: the data plane writes them in bulk and keeps them right
itself.
"""

from django.db import models

from chappe.features.column import AssignedId, Milliseconds


class IdBlock(models.Model):
    """Where the next block of ids starts. Writers take blocks, so ids are dense, unique and independent of clocks."""

    name = models.CharField(max_length=40, primary_key=True)
    next_id = models.BigIntegerField(default=1)

    class Meta:
        db_table = "id_block"


class CommitMark(models.Model):
    """The last transaction of a session of the engine or the intake on PostgreSQL, written with it: whoever lost its server
    during a commit finds out here whether that took place. SQLite has no need of it."""

    session = models.CharField(max_length=32, primary_key=True)
    number = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        db_table = "commit_mark"


class MessageColumns(models.Model):
    """One text to one recipient."""

    id = AssignedId()
    organisation_id = models.BigIntegerField()
    connection_id = models.BigIntegerField()
    delivery_id = models.BigIntegerField(default=0, help_text="0: sent through the API on its own")
    contact_id = models.BigIntegerField(default=0)
    channel = models.CharField(max_length=10, default="sms")
    category = models.SmallIntegerField(default=0)
    recipient = models.CharField(max_length=320, help_text="a number, or an e-mail address")
    sender = models.CharField(max_length=64, default="")
    body = models.TextField()
    options = models.BinaryField(null=True, help_text="JSON of MessageOptions; null when all is default")
    segments = models.SmallIntegerField(default=1)
    state = models.SmallIntegerField()
    reason = models.CharField(max_length=200, default="", help_text="why it waits, or why it ended so")
    attempt = models.SmallIntegerField(default=0, help_text="grows when it is sent anew after an error receipt")
    tries = models.SmallIntegerField(default=0, help_text="times refused for now or left unanswered in this attempt")
    is_possible_duplicate = models.BooleanField(default=False)
    client_reference = models.CharField(max_length=200, default="")
    created_ms = Milliseconds()
    due_ms = Milliseconds()
    expires_ms = Milliseconds()
    sent_ms = Milliseconds()
    done_ms = Milliseconds()

    class Meta:
        abstract = True


class Message(MessageColumns):
    """A message as it was accepted, and what happened to it out of the ordinary. To read where it is, ask `MessageNow`.

    What nearly always happens (taken, delivered) is written into its first segment alone: that row is a quarter as
    long, so a page of the database takes four times as many.
    """

    class Meta:
        db_table = "message"
        indexes = [
            models.Index(fields=["recipient"], name="message_recipient"),
            models.Index(fields=["delivery_id"], name="message_delivery"),
        ]


class MessageNow(MessageColumns):
    """A message where it is now: a view, in which one whose first segment is sent, delivered or read is so, too.

    SQLite cannot alter a table that a view reads: a migration that alters `message` or `segment` drops the view first
    and makes it again.
    """

    class Meta:
        db_table = "message_now"
        managed = False


class Segment(models.Model):
    """What the provider said of one segment of one attempt; id = message << 12 | attempt << 8 | index.

    The first segment of an attempt is SENT exactly as long as its message is: it is WAITING until all segments are
    taken, and whoever ends the message or begins another attempt changes it, too.
    """

    id = AssignedId()
    connection_id = models.BigIntegerField()
    provider_message_id = models.CharField(max_length=255, default="")
    delivery_id = models.BigIntegerField(default=0)
    state = models.SmallIntegerField()
    status = models.CharField(max_length=40, default="", help_text="the provider's word, raw")
    code = models.CharField(max_length=40, default="")
    sent_ms = Milliseconds()
    done_ms = Milliseconds()

    class Meta:
        db_table = "segment"
        indexes = [models.Index(fields=["connection_id", "provider_message_id"], name="segment_provider_id")]

    @property
    def attempt(self) -> int:
        """From 1."""
        return (int(self.pk) >> 8 & 15) + 1

    @property
    def place(self) -> int:
        """Of the segment in its message, from 1."""
        return (int(self.pk) & 255) + 1


class Outbox(models.Model):
    """A packed batch of due messages of one connection.

    The messages are first_id..last_id, or `ids` (packed 64-bit little-endian) where they are not neighbours. `horizon`
    counts from the start of the batch: messages below it may have been put on the wire by the holder of the lease.
    """

    id = AssignedId()
    connection_id = models.BigIntegerField()
    delivery_id = models.BigIntegerField(default=0)
    priority = models.SmallIntegerField(default=5, help_text="lower goes first")
    due_ms = Milliseconds()
    expires_ms = Milliseconds(help_text="when the last of its messages ends; 0: one of them never does")
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    ids = models.BinaryField(null=True)
    horizon = models.IntegerField(default=0)
    is_held = models.BooleanField(default=False, help_text="its delivery is paused")
    lease_token = models.BigIntegerField(default=0)
    lease_owner = models.CharField(max_length=80, default="")
    lease_until_ms = Milliseconds()

    class Meta:
        db_table = "outbox"
        indexes = [
            models.Index(fields=["connection_id", "priority", "due_ms"], name="outbox_due"),
            models.Index(fields=["delivery_id"], name="outbox_delivery"),
        ]


class DeliveryCount(models.Model):
    """How many messages of a delivery are in a state; always changed in the transaction that changes the messages."""

    delivery_id = models.BigIntegerField()
    state = models.SmallIntegerField()
    messages = models.BigIntegerField(default=0)

    class Meta:
        db_table = "delivery_count"
        constraints = [models.UniqueConstraint(fields=["delivery_id", "state"], name="delivery_count_state")]


class Traffic(models.Model):
    """How much of a kind happened in a span of time; always changed in the transaction that it happened in.

    Buckets are five minutes wide at first; `chappe.engine.traffic` adds old ones up to hours and days of UTC.
    """

    organisation_id = models.BigIntegerField()
    connection_id = models.BigIntegerField()
    delivery_id = models.BigIntegerField(default=0, help_text="0: of no delivery")
    bucket_ms = Milliseconds(help_text="when the span begins")
    width_ms = Milliseconds(help_text="how long it is")
    kind = models.SmallIntegerField(help_text="chappe.messaging.TrafficKind")
    messages = models.BigIntegerField(default=0)

    class Meta:
        db_table = "traffic"
        constraints = [
            models.UniqueConstraint(
                fields=["organisation_id", "bucket_ms", "width_ms", "connection_id", "delivery_id", "kind"],
                name="traffic_bucket",
            ),
        ]
        indexes = [
            models.Index(fields=["connection_id", "bucket_ms"], name="traffic_connection"),
            models.Index(fields=["delivery_id", "bucket_ms"], name="traffic_delivery"),
            models.Index(fields=["width_ms", "bucket_ms"], name="traffic_old"),
        ]


class MessageEvent(models.Model):
    """Something out of the ordinary in a message's life, for its timeline."""

    message_id = models.BigIntegerField()
    at_ms = Milliseconds()
    kind = models.CharField(max_length=30)
    text = models.CharField(max_length=400, default="")

    class Meta:
        db_table = "message_event"
        indexes = [models.Index(fields=["message_id"], name="message_event_message")]


class Inbound(models.Model):
    """A text from a phone, whole again."""

    id = AssignedId()
    organisation_id = models.BigIntegerField()
    connection_id = models.BigIntegerField()
    sender = models.CharField(max_length=64)
    recipient = models.CharField(max_length=64)
    body = models.TextField()
    segments = models.SmallIntegerField(default=1)
    is_complete = models.BooleanField(default=True)
    linked_sms = models.CharField(max_length=255, default="")
    alias = models.CharField(max_length=255, default="")
    large_account = models.CharField(max_length=255, default="")
    provider_message_id = models.CharField(max_length=255, default="")
    keyword = models.CharField(max_length=40, default="", help_text="of the automatic reply that matched")
    action = models.CharField(max_length=30, default="", help_text="what the automatic reply did")
    reply_message_id = models.BigIntegerField(default=0)
    received_ms = Milliseconds()

    class Meta:
        db_table = "inbound"
        indexes = [
            models.Index(fields=["organisation_id", "id"], name="inbound_organisation"),
            models.Index(fields=["organisation_id", "sender", "id"], name="inbound_sender"),
            models.Index(
                fields=["connection_id", "provider_message_id"],
                condition=~models.Q(provider_message_id=""),
                name="inbound_provider_id",
            ),
        ]


class InboundPart(models.Model):
    """A segment of an inbound text whose other segments are still to come."""

    connection_id = models.BigIntegerField()
    sender = models.CharField(max_length=64)
    recipient = models.CharField(max_length=64)
    reference = models.IntegerField()
    total = models.SmallIntegerField()
    position = models.SmallIntegerField(help_text="from 1")
    body = models.TextField()
    details = models.BinaryField(null=True, help_text="JSON of the fields taken from optional parameters")
    received_ms = Milliseconds()

    class Meta:
        db_table = "inbound_part"
        constraints = [
            models.UniqueConstraint(
                fields=["connection_id", "sender", "recipient", "reference", "total", "position"],
                name="inbound_part_position",
            ),
        ]


class HookEvent(models.Model):
    """What a provider told one of our hooks, kept until an engine has acted on it: the call was answered once this row was
    committed. A receipt that came before its message's id is known waits here until `due_ms`.
    """

    id = AssignedId()
    connection_id = models.BigIntegerField()
    organisation_id = models.BigIntegerField()
    kind = models.CharField(max_length=10, help_text="receipt, inbound, opt_out or opt_in")
    data = models.BinaryField(help_text="JSON: see chappe.engine.store.hook_event")
    received_ms = Milliseconds()
    due_ms = Milliseconds()

    class Meta:
        db_table = "hook_event"
        indexes = [models.Index(fields=["due_ms"], name="hook_event_due")]


class Exchange(models.Model):
    """One of the last requests to a provider, or calls of one, for the operator: secrets, numbers and texts are masked."""

    connection_id = models.BigIntegerField()
    direction = models.CharField(max_length=3, help_text="out: we called; in: we were called")
    at_ms = Milliseconds()
    took_ms = models.FloatField(default=0)
    method = models.CharField(max_length=10)
    url = models.TextField()
    request = models.TextField(default="", help_text="headers and body")
    status = models.IntegerField(default=0, help_text="0: there was no answer")
    response = models.TextField(default="", help_text="headers and body")
    outcome = models.CharField(max_length=200, default="", help_text="what we read in it")

    class Meta:
        db_table = "exchange"
        indexes = [models.Index(fields=["connection_id", "id"], name="exchange_connection")]


class Idempotency(models.Model):
    """What was answered to an `Idempotency-Key`, so the same request again gets the same answer."""

    organisation_id = models.BigIntegerField()
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    first_message_id = models.BigIntegerField()
    count = models.IntegerField(default=1)
    answers = models.BinaryField(null=True, help_text="JSON of what was answered; null in rows of before")
    created_ms = Milliseconds()

    class Meta:
        db_table = "idempotency"
        constraints = [models.UniqueConstraint(fields=["organisation_id", "key"], name="idempotency_key")]
        indexes = [models.Index(fields=["created_ms"], name="idempotency_created")]
