import django.db.models.fields.json
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_condition_problems")]

    operations = [
        migrations.AddField(
            model_name="event",
            name="forgotten_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="forgotten_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                django.db.models.fields.json.KeyTextTransform("run_id", "data"),
                condition=models.Q(
                    (
                        "name__in",
                        [
                            "jobs/function.cancelled",
                            "jobs/function.failed",
                            "jobs/function.retried",
                        ],
                    )
                ),
                name="jobs_event_told",
            ),
        ),
    ]
