from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0003_email_addresses"),
    ]

    operations = [
        migrations.AddField(
            model_name="contactimport",
            name="lines",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="contactimport",
            name="status",
            field=models.CharField(
                default="running",
                help_text="uploading, mapping, waiting, running, finished or failed",
                max_length=12,
            ),
        ),
    ]
