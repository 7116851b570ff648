from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("messages_store", "0002_room_for_updates")]

    operations = [
        migrations.AddField(
            model_name="idempotency",
            name="answers",
            field=models.BinaryField(null=True, help_text="JSON of what was answered; null in rows of before"),
        ),
    ]
