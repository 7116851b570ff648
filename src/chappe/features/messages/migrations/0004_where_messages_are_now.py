from django.db import migrations, models

import chappe.features.column

# No join: PostgreSQL locks no row on the empty side of one, and the engine reads messages to change them. No EXISTS: of
# many messages it would make one set of all segments.
# The parentheses are for both databases, where `<<` and `|` bind alike.
SAID = "SELECT {what} FROM segment s WHERE s.id = ((m.id << 12) | (m.attempt << 8)) AND s.state IN (30, 40)"
VIEW = f"""
CREATE VIEW message_now AS
SELECT m.id, m.organisation_id, m.connection_id, m.delivery_id, m.contact_id, m.channel, m.category, m.recipient,
    m.sender, m.body, m.options, m.segments,
    CASE WHEN m.state < 40 THEN coalesce(({SAID.format(what="s.state")}), m.state) ELSE m.state END AS state,
    CASE WHEN m.state < 40 THEN coalesce(({SAID.format(what="''")}), m.reason) ELSE m.reason END AS reason,
    m.attempt, m.tries, m.is_possible_duplicate, m.client_reference, m.created_ms, m.due_ms, m.expires_ms,
    CASE WHEN m.state < 40 THEN coalesce(({SAID.format(what="s.sent_ms")}), m.sent_ms) ELSE m.sent_ms END AS sent_ms,
    CASE WHEN m.state < 40 THEN coalesce(({SAID.format(what="s.done_ms")}), m.done_ms) ELSE m.done_ms END AS done_ms
FROM message m
"""  # noqa: S608 - nothing in it comes from outside
# What segments alone say goes back into the messages.
BACK = """
UPDATE message SET state = n.state, reason = n.reason, sent_ms = n.sent_ms, done_ms = n.done_ms
FROM message_now n WHERE n.id = message.id AND message.state < 40 AND n.state >= 30
"""


class Migration(migrations.Migration):
    dependencies = [("messages_store", "0003_idempotent_answers")]

    operations = [
        migrations.AddField(
            model_name="segment",
            name="delivery_id",
            field=models.BigIntegerField(default=0),
        ),
        # Messages of before say themselves that they are sent, so their segments do not. One that is taken in part will be
        # said to be sent by its first segment, which must know the delivery by then.
        migrations.RunSQL(
            "UPDATE segment SET state = 10, delivery_id = coalesce("
            "(SELECT m.delivery_id FROM message m WHERE m.id = segment.id >> 12), 0) WHERE state = 30",
            "UPDATE segment SET state = 30 WHERE state = 10",
        ),
        migrations.RunSQL(VIEW, "DROP VIEW message_now"),
        migrations.RunSQL(migrations.RunSQL.noop, BACK),
        migrations.CreateModel(
            name="MessageNow",
            fields=[
                ("id", chappe.features.column.AssignedId(primary_key=True, serialize=False)),
                ("organisation_id", models.BigIntegerField()),
                ("connection_id", models.BigIntegerField()),
                ("delivery_id", models.BigIntegerField(default=0, help_text="0: sent through the API on its own")),
                ("contact_id", models.BigIntegerField(default=0)),
                ("channel", models.CharField(default="sms", max_length=10)),
                ("category", models.SmallIntegerField(default=0)),
                ("recipient", models.CharField(max_length=64)),
                ("sender", models.CharField(default="", max_length=21)),
                ("body", models.TextField()),
                (
                    "options",
                    models.BinaryField(help_text="JSON of MessageOptions; null when all is default", null=True),
                ),
                ("segments", models.SmallIntegerField(default=1)),
                ("state", models.SmallIntegerField()),
                ("reason", models.CharField(default="", help_text="why it waits, or why it ended so", max_length=200)),
                (
                    "attempt",
                    models.SmallIntegerField(default=0, help_text="grows when it is sent anew after an error receipt"),
                ),
                (
                    "tries",
                    models.SmallIntegerField(default=0, help_text="times put off or left unanswered in this attempt"),
                ),
                ("is_possible_duplicate", models.BooleanField(default=False)),
                ("client_reference", models.CharField(default="", max_length=200)),
                ("created_ms", chappe.features.column.Milliseconds(default=0)),
                ("due_ms", chappe.features.column.Milliseconds(default=0)),
                ("expires_ms", chappe.features.column.Milliseconds(default=0)),
                ("sent_ms", chappe.features.column.Milliseconds(default=0)),
                ("done_ms", chappe.features.column.Milliseconds(default=0)),
            ],
            options={"db_table": "message_now", "managed": False},
        ),
    ]
