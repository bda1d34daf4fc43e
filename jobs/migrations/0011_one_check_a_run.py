"""One check for the whole row, where each count had its own: PostgreSQL reads them all anew with
every statement."""

import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0010_indexes_of_their_own"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="run",
            name="jobs_run_lease_whole",
        ),
        migrations.RemoveConstraint(
            model_name="run",
            name="jobs_run_ended",
        ),
        migrations.AlterField(
            model_name="fetch",
            name="attempt",
            field=models.IntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="run",
            name="attempt",
            field=models.IntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="run",
            name="function_errors",
            field=models.IntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="run",
            name="lost_count",
            field=models.SmallIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="run",
            name="steps_done",
            field=models.IntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="run",
            name="turns_held",
            field=models.SmallIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="step",
            name="attempts",
            field=models.IntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="step",
            name="position",
            field=models.IntegerField(default=0),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    django.db.models.lookups.Exact(
                        django.db.models.lookups.IsNull(models.F("lease_token"), True),
                        django.db.models.lookups.IsNull(models.F("lease_until"), True),
                    ),
                    django.db.models.lookups.Exact(
                        django.db.models.lookups.IsNull(models.F("ended_at"), True),
                        django.db.models.lookups.In(
                            models.F("status"), ["queued", "running", "waiting"]
                        ),
                    ),
                    django.db.models.lookups.Exact(
                        django.db.models.lookups.IsNull(models.F("ended_at"), False),
                        django.db.models.lookups.In(
                            models.F("status"), ["completed", "failed", "cancelled", "skipped"]
                        ),
                    ),
                    models.Q(("ended_at__isnull", True), ("due_at__isnull", True), _connector="OR"),
                ),
                name="jobs_run_whole",
            ),
        ),
    ]
