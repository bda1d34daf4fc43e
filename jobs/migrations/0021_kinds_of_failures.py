from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0020_shares_of_due_runs"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="run",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("rerun_run", "Can rerun runs"),
                    ("edit_run", "Can rerun runs with other data"),
                    ("cancel_run", "Can cancel runs"),
                    ("deal_with_run", "Can say that failed runs are dealt with"),
                ],
            },
        ),
        migrations.AddField(
            model_name="cluster",
            name="stopped_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="cluster",
            name="version",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="registeredfunction",
            name="pause_reason",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
        migrations.AddField(
            model_name="registeredfunction",
            name="paused_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="run",
            name="dealt_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="run",
            name="dealt_with",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
        migrations.AddField(
            model_name="run",
            name="failure_kind",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            model_name="run",
            name="idle",
            field=models.DurationField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="mended_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="mended_by",
            field=models.UUIDField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("mended_at__isnull", True), ("status", "failed")),
                fields=["-ended_at"],
                name="jobs_run_open_failure",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("failure_kind", ""), _negated=True),
                fields=["failure_kind", "-id"],
                name="jobs_run_of_kind",
            ),
        ),
    ]
