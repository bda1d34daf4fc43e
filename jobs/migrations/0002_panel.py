import django.contrib.postgres.fields
import django.db.models.constraints
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [
        ("jobs", "0021_kinds_of_failures"),
        ("jobs", "0022_rollups"),
        ("jobs", "0025_permission_to_see_payloads"),
        ("jobs", "0026_hand_over"),
        ("jobs", "0027_permission_to_send"),
    ]

    dependencies = [
        ("jobs", "0001_initial"),
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
                "constraints": [
                    models.UniqueConstraint(
                        deferrable=django.db.models.constraints.Deferrable["IMMEDIATE"],
                        fields=("minutes", "at", "fn_id", "status"),
                        name="jobs_rollup_once",
                    )
                ],
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
                "indexes": [
                    models.Index(fields=["ended_at"], name="jobs_undoneend_ended_at"),
                    models.Index(fields=["run_id"], name="jobs_undoneend_run"),
                ],
            },
        ),
        migrations.CreateModel(
            name="HandOverNote",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("text", models.CharField(blank=True, max_length=2000)),
                ("by", models.CharField(max_length=64)),
                ("by_name", models.CharField(max_length=150)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("until", models.DateTimeField()),
            ],
            options={
                "verbose_name": "hand-over note",
                "ordering": ["-id"],
                "default_permissions": ("add",),
            },
        ),
        migrations.AlterModelOptions(
            name="event",
            options={
                "ordering": ["-id"],
                "permissions": [
                    (
                        "view_payload",
                        "Can see payloads: data of events, outputs, requests, log lines, keys",
                    ),
                    ("send_event", "Can send events and start functions by hand"),
                ],
            },
        ),
    ]
