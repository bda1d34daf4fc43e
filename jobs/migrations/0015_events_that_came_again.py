from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0014_when_a_trigger_was_known"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="repeat",
            field=models.JSONField(blank=True, default=None, null=True),
        ),
    ]
