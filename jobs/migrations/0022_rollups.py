import django.contrib.postgres.fields
import django.db.models.constraints
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0021_kinds_of_failures"),
    ]

    operations = [
        migrations.CreateModel(
            name="Rollup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("fn_id", models.CharField(max_length=200, verbose_name="function")),
                ("minutes", models.SmallIntegerField()),
                ("at", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("waiting", "Waiting"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("skipped", "Skipped"),
                        ],
                        max_length=16,
                    ),
                ),
                ("runs", models.IntegerField()),
                (
                    "waits",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "times",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
            ],
            options={
                "ordering": ["at"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="RollupMark",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("rolled_to", models.DateTimeField()),
                ("settled_to", models.DateTimeField()),
                ("pending_to", models.DateTimeField(null=True)),
                ("pending_xid", models.BigIntegerField(null=True)),
                ("folded_to", models.DateTimeField()),
                ("named_to", models.UUIDField(null=True)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="UndoneEnd",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("run_id", models.UUIDField()),
                ("fn_id", models.CharField(max_length=200, verbose_name="function")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("waiting", "Waiting"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                            ("skipped", "Skipped"),
                        ],
                        max_length=16,
                    ),
                ),
                ("failure_kind", models.CharField(blank=True, default="", max_length=200)),
                ("ended_at", models.DateTimeField()),
                ("undone_at", models.DateTimeField()),
                ("wait", models.FloatField(null=True)),
                ("took", models.FloatField(null=True)),
            ],
            options={
                "ordering": ["ended_at"],
                "default_permissions": (),
            },
        ),
        migrations.AddConstraint(
            model_name="rollup",
            constraint=models.UniqueConstraint(
                deferrable=django.db.models.constraints.Deferrable["IMMEDIATE"],
                fields=("minutes", "at", "fn_id", "status"),
                name="jobs_rollup_once",
            ),
        ),
        migrations.AddIndex(
            model_name="undoneend",
            index=models.Index(fields=["ended_at"], name="jobs_undoneend_ended_at"),
        ),
        migrations.AddIndex(
            model_name="undoneend",
            index=models.Index(fields=["run_id"], name="jobs_undoneend_run"),
        ),
    ]
