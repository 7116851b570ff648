from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("consent", "0002_consent_ledger"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="quarantine",
            index=models.Index(fields=["organisation_id", "status", "id"], name="quarantine_status"),
        ),
        migrations.AddIndex(
            model_name="quarantine",
            index=models.Index(fields=["organisation_id", "status", "address"], name="quarantine_status_address"),
        ),
    ]
