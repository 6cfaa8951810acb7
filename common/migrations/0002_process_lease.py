from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("common", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="ProcessLease",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("purpose", models.CharField(max_length=20)),
                ("holds", models.JSONField(default=list)),
                ("expires_at", models.DateTimeField()),
            ],
            options={"verbose_name": "process lease", "verbose_name_plural": "process leases"},
        ),
    ]
