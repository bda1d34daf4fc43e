from __future__ import annotations

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0013_requeues_and_pulse"),
    ]

    operations = [
        migrations.AddField(
            model_name="cronschedule",
            name="held",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="cronschedule",
            name="known_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AddField(
            model_name="cronschedule",
            name="last_run",
            field=models.UUIDField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="cronschedule",
            name="unknown_since",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="ready_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
