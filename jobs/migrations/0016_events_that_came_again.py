from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0012_permission_to_edit"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="repeat",
            field=models.JSONField(blank=True, default=None, null=True),
        ),
    ]
