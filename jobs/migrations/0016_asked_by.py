from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A constant default: PostgreSQL adds the column without rewriting the table."""

    dependencies = [("jobs", "0015_events_that_came_again")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="asked_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
    ]
