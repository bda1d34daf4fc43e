"""The engine's tables, with their indexes and constraints, table by table."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
import jobs.ids
from django.db import migrations, models


def set_storage(table: str, **settings: float) -> migrations.RunSQL:
    """When autovacuum looks at a table."""
    values = ", ".join(f"{name} = {value}" for name, value in settings.items())
    return migrations.RunSQL(
        f"ALTER TABLE {table} SET ({values})",
        f"ALTER TABLE {table} RESET ({', '.join(settings)})",
    )


class Migration(migrations.Migration):
    replaces = [
        ("jobs", "0002_cron_and_retention"),
        ("jobs", "0003_waiting_and_timeouts"),
        ("jobs", "0004_pausing_and_stopping"),
        ("jobs", "0005_function_errors"),
        ("jobs", "0006_lines_by_the_databases_clock"),
        ("jobs", "0007_requests_by_host"),
        ("jobs", "0008_slimmer_run_indexes"),
        ("jobs", "0009_first_analyze_not_too_early"),
        ("jobs", "0010_indexes_of_their_own"),
        ("jobs", "0011_one_check_a_run"),
        ("jobs", "0012_permission_to_edit"),
        ("jobs", "0013_requeues_and_pulse"),
        ("jobs", "0014_when_a_trigger_was_known"),
        ("jobs", "0015_events_that_came_again"),
        ("jobs", "0016_asked_by"),
        ("jobs", "0017_form_submissions"),
        ("jobs", "0018_epoch_of_a_run"),
        ("jobs", "0019_size_of_an_output"),
        ("jobs", "0020_shares_of_due_runs"),
    ]

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Cluster",
            fields=[
                ("key", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("host", models.CharField(blank=True, default="", max_length=200)),
                ("stat", models.TextField(blank=True, default="")),
                (
                    "started_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "seen_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("pulse", models.JSONField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-seen_at"],
            },
        ),
        migrations.CreateModel(
            name="RegisteredFunction",
            fields=[
                (
                    "fn_id",
                    models.CharField(
                        max_length=200, primary_key=True, serialize=False, verbose_name="id"
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("config", models.JSONField(default=dict)),
                (
                    "synced_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("paused_at", models.DateTimeField(blank=True, null=True)),
                ("stands_still", models.BooleanField(default=False)),
            ],
            options={
                "verbose_name": "function",
                "ordering": ["fn_id"],
                "permissions": [("pause_registeredfunction", "Can pause and resume functions")],
            },
        ),
        migrations.CreateModel(
            name="CronSchedule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("fn_id", models.CharField(max_length=200, verbose_name="function")),
                ("cron", models.CharField(max_length=255)),
                ("next_at", models.DateTimeField()),
                ("last_at", models.DateTimeField(blank=True, null=True)),
                ("held", models.PositiveIntegerField(db_default=0, default=0)),
                (
                    "known_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("last_run", models.UUIDField(blank=True, null=True)),
                ("unknown_since", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["fn_id", "cron"],
                "constraints": [
                    models.UniqueConstraint(fields=("fn_id", "cron"), name="jobs_cronschedule_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=jobs.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=256)),
                ("data", models.JSONField(default=dict)),
                (
                    "ts",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        verbose_name="happened at",
                    ),
                ),
                (
                    "received_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("dedupe_id", models.CharField(blank=True, default="", max_length=256)),
                ("repeat", models.JSONField(blank=True, default=None, null=True)),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["name", "-id"], name="jobs_event_name"),
                    models.Index(
                        condition=models.Q(("dedupe_id", ""), _negated=True),
                        fields=["dedupe_id", "received_at"],
                        name="jobs_event_dedupe",
                    ),
                    models.Index(fields=["name", "received_at", "id"], name="jobs_event_awaited"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Run",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=jobs.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
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
                        default="queued",
                        max_length=16,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "due"),
                            ("turn", "its turn"),
                            ("backoff", "backing off"),
                            ("sleep", "sleeping"),
                            ("fetch", "HTTP in flight"),
                            ("event", "waiting for an event"),
                            ("invoke", "waiting for a function"),
                            ("function", "its function is not registered"),
                            ("paused", "its function is paused"),
                            ("aside", "set aside: it could not be taken up"),
                        ],
                        default="",
                        max_length=16,
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        blank=True, db_default=django.db.models.functions.datetime.Now(), null=True
                    ),
                ),
                ("lease_token", models.UUIDField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("worker", models.CharField(blank=True, default="", max_length=120)),
                ("lost_count", models.SmallIntegerField(default=0)),
                ("begun", models.BooleanField(default=False)),
                (
                    "turn_keys",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                (
                    "turn_limits",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveIntegerField(),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("turns_held", models.SmallIntegerField(default=0)),
                ("attempt", models.IntegerField(default=0)),
                ("steps_done", models.IntegerField(default=0)),
                ("output", models.JSONField(blank=True, null=True)),
                ("error", models.JSONField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("stop_requested", models.BooleanField(default=False)),
                ("function_errors", models.IntegerField(default=0)),
                ("requeue_count", models.SmallIntegerField(db_default=0, default=0)),
                ("ready_at", models.DateTimeField(blank=True, null=True)),
                (
                    "asked_by",
                    models.CharField(blank=True, db_default="", default="", max_length=64),
                ),
                ("epoch", models.IntegerField(db_default=0, default=0)),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="jobs.event",
                    ),
                ),
                (
                    "invoked_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="invoked",
                        to="jobs.run",
                    ),
                ),
                (
                    "rerun_of",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="reruns",
                        to="jobs.run",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("rerun_run", "Can rerun runs"),
                    ("edit_run", "Can rerun runs with other data"),
                    ("cancel_run", "Can cancel runs"),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)),
                fields=["due_at", "id"],
                name="jobs_run_due",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("lease_until__isnull", False)),
                fields=["lease_until"],
                name="jobs_run_lease",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", False)),
                fields=["ended_at"],
                name="jobs_run_ended_at",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False)),
                fields=["expires_at"],
                name="jobs_run_expiry",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                models.F("turn_keys__1"),
                models.F("turns_held"),
                models.F("created_at"),
                models.F("id"),
                condition=models.Q(
                    ("status__in", ["queued", "running", "waiting"]),
                    ("turn_keys__1__isnull", False),
                ),
                name="jobs_run_line_2",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("status__in", ["completed", "failed", "cancelled", "skipped"])),
                fields=["status", "-id"],
                name="jobs_run_over",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["fn_id", "-id"], name="jobs_run_of_function"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("rerun_of__isnull", False)),
                fields=["rerun_of"],
                name="jobs_run_rerun_of",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("invoked_by__isnull", False)),
                fields=["invoked_by"],
                name="jobs_run_invoked_by",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                models.F("turn_keys__0"),
                models.F("turns_held"),
                models.F("created_at"),
                models.F("id"),
                condition=models.Q(
                    ("status__in", ["queued", "running", "waiting"]),
                    ("turn_keys__0__isnull", False),
                ),
                name="jobs_run_line_1",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", True)),
                fields=["-id"],
                name="jobs_run_unfinished",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                models.Func(
                    output_field=models.TextField(),
                    template="(CASE WHEN due_at > created_at THEN '1' WHEN due_at <= created_at THEN '0' END || fn_id::text)",
                ),
                models.Func(
                    output_field=models.DateTimeField(),
                    template="coalesce(due_at, 'infinity'::timestamptz)",
                ),
                models.F("id"),
                condition=models.Q(
                    django.db.models.lookups.IsNull(
                        models.Func(
                            output_field=models.TextField(),
                            template="(CASE WHEN due_at > created_at THEN '1' WHEN due_at <= created_at THEN '0' END || fn_id::text)",
                        ),
                        False,
                    )
                ),
                name="jobs_run_shares",
            ),
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
        migrations.CreateModel(
            name="LogLine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("step_name", models.CharField(blank=True, default="", max_length=200)),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("level", models.CharField(default="INFO", max_length=16)),
                ("at", models.DateTimeField()),
                ("message", models.TextField()),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="log_lines",
                        to="jobs.run",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.AddIndex(
            model_name="logline",
            index=models.Index(fields=["run", "id"], name="jobs_logline_run"),
        ),
        migrations.CreateModel(
            name="Fetch",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=jobs.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("step_name", models.CharField(max_length=200)),
                ("method", models.CharField(max_length=10)),
                ("url", models.TextField()),
                ("headers", models.JSONField(default=dict)),
                ("body", models.TextField(blank=True, default="")),
                ("timeout", models.FloatField(help_text="seconds for the whole answer")),
                ("idempotency_key", models.CharField(max_length=100)),
                ("result_url", models.TextField(blank=True, default="")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("sending", "Sending"),
                            ("answered", "Answered"),
                            ("failed", "Failed"),
                        ],
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("attempt", models.IntegerField(default=0)),
                ("response", models.JSONField(blank=True, null=True)),
                ("error", models.JSONField(blank=True, null=True)),
                ("lease_token", models.UUIDField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="fetches",
                        to="jobs.run",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "fetches",
                "ordering": ["id"],
            },
        ),
        migrations.AddIndex(
            model_name="fetch",
            index=models.Index(
                condition=models.Q(("lease_until__isnull", False)),
                fields=["lease_until"],
                name="jobs_fetch_lease",
            ),
        ),
        migrations.AddIndex(
            model_name="fetch",
            index=models.Index(
                django.db.models.functions.text.Lower(
                    django.db.models.functions.comparison.Coalesce(
                        models.Func(
                            models.F("url"),
                            models.Value("//([^/?#]*)"),
                            function="SUBSTRING",
                            output_field=models.TextField(),
                        ),
                        models.Value(""),
                    )
                ),
                models.F("id"),
                condition=models.Q(("status", "pending")),
                name="jobs_fetch_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="fetch",
            constraint=models.UniqueConstraint(fields=("run", "step_name"), name="jobs_fetch_once"),
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=jobs.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("step_name", models.CharField(blank=True, default="", max_length=200)),
                ("number", models.PositiveIntegerField(default=0, verbose_name="attempt")),
                (
                    "status",
                    models.CharField(
                        choices=[("completed", "Completed"), ("error", "Error")], max_length=16
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
                ("worker", models.CharField(blank=True, default="", max_length=120)),
                ("error_class", models.CharField(blank=True, default="", max_length=300)),
                ("error_message", models.TextField(blank=True, default="")),
                ("traceback", models.TextField(blank=True, default="")),
                ("retry_at", models.DateTimeField(blank=True, null=True)),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attempts",
                        to="jobs.run",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(fields=["run", "id"], name="jobs_attempt_run"),
        ),
        migrations.CreateModel(
            name="Step",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=jobs.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("run", "Run"),
                            ("fetch", "Fetch"),
                            ("sleep", "Sleep"),
                            ("wait_for_event", "Wait"),
                            ("send_event", "Send"),
                            ("invoke", "Invoke"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("waiting", "Waiting"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                        ],
                        max_length=16,
                    ),
                ),
                ("position", models.IntegerField(default=0)),
                ("attempts", models.IntegerField(default=0)),
                ("output", models.JSONField(blank=True, null=True)),
                ("error", models.JSONField(blank=True, null=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("awaits", models.CharField(blank=True, default="", max_length=256)),
                ("detail", models.JSONField(blank=True, default=dict)),
                ("output_bytes", models.IntegerField(blank=True, null=True)),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="jobs.run",
                    ),
                ),
            ],
            options={
                "ordering": ["run", "position", "id"],
            },
        ),
        migrations.AddIndex(
            model_name="step",
            index=models.Index(
                condition=models.Q(("status", "waiting"), models.Q(("awaits", ""), _negated=True)),
                fields=["awaits"],
                name="jobs_step_awaits",
            ),
        ),
        migrations.AddConstraint(
            model_name="step",
            constraint=models.UniqueConstraint(fields=("run", "name"), name="jobs_step_once"),
        ),
        migrations.CreateModel(
            name="Submission",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("token", models.UUIDField()),
                ("action", models.CharField(max_length=100)),
                ("asked", models.CharField(max_length=64)),
                ("account", models.CharField(max_length=64)),
                ("result", models.CharField(max_length=200)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": (),
                "indexes": [models.Index(fields=["at"], name="jobs_submission_at")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("token", "action", "account", "asked"), name="jobs_submission_once"
                    )
                ],
            },
        ),
        # A queue's rows see several updates each, and millions of them never change again.
        # PostgreSQL's own settings (vacuum when a fifth of the table is dead) would let two million
        # dead versions of ten million runs pile up where workers look for the few due ones.
        #
        # - A run is updated at each claim, commit and end, a step when it waits or is tried again.
        #   With room on their pages, updates that change no indexed column leave the indexes alone.
        #   A request gets no such room: its row is wide, and each update changes an index.
        # - Events, attempts and log lines are written once and deleted by retention: they are
        #   frozen as they come, not all at one time.
        # - A plan made for a few rows reads the whole table, and a prepared statement keeps it until
        #   the table is analyzed again. A table never analyzed is planned for as if it had ten
        #   pages, so the first look is best taken when it has them.
        set_storage(
            "jobs_run",
            autovacuum_analyze_scale_factor=0.02,
            autovacuum_analyze_threshold=2000,
            autovacuum_vacuum_scale_factor=0.01,
            autovacuum_vacuum_threshold=1000,
            fillfactor=85,
        ),
        set_storage(
            "jobs_step",
            autovacuum_analyze_threshold=2000,
            autovacuum_vacuum_scale_factor=0.02,
            autovacuum_vacuum_threshold=1000,
            fillfactor=90,
        ),
        set_storage(
            "jobs_fetch",
            autovacuum_analyze_threshold=2000,
            autovacuum_vacuum_scale_factor=0.01,
            autovacuum_vacuum_threshold=500,
        ),
        set_storage(
            "jobs_attempt",
            autovacuum_vacuum_insert_scale_factor=0.05,
            autovacuum_vacuum_scale_factor=0.05,
        ),
        set_storage(
            "jobs_logline",
            autovacuum_vacuum_insert_scale_factor=0.05,
            autovacuum_vacuum_scale_factor=0.05,
        ),
        set_storage(
            "jobs_event",
            autovacuum_analyze_threshold=2000,
            autovacuum_vacuum_insert_scale_factor=0.05,
            autovacuum_vacuum_scale_factor=0.05,
        ),
    ]
