"""The engine's tables, with their indexes, constraints and storage, table by table."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Lower, Now
from django.db.models.lookups import Exact, In, IsNull

from jobs.ids import new_id

RUN_STATUSES = [
    ("queued", "Queued"),
    ("running", "Running"),
    ("waiting", "Waiting"),
    ("completed", "Completed"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
    ("skipped", "Skipped"),
]
UNFINISHED = ["queued", "running", "waiting"]
FINISHED = ["completed", "failed", "cancelled", "skipped"]

# A run's class and when it is due, for the index of each function's share.
CLASS = models.Func(
    output_field=models.TextField(),
    template="(CASE WHEN due_at > created_at THEN '1' WHEN due_at <= created_at THEN '0' END || fn_id::text)",
)
DUE_AT = models.Func(
    output_field=models.DateTimeField(), template="coalesce(due_at, 'infinity'::timestamptz)"
)


def serial_id():
    return (
        "id",
        models.BigAutoField(
            auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
        ),
    )


def uuid_id():
    return (
        "id",
        models.UUIDField(default=new_id, editable=False, primary_key=True, serialize=False),
    )


def set_storage(table: str, **settings: float) -> migrations.RunSQL:
    """When autovacuum looks at a table."""
    values = ", ".join(f"{name} = {value}" for name, value in settings.items())
    return migrations.RunSQL(
        f"ALTER TABLE {table} SET ({values})", f"ALTER TABLE {table} RESET ({', '.join(settings)})"
    )


class Migration(migrations.Migration):
    initial = True

    # All names that this file has replaced, so that a database that has them goes on (see
    # docs/deployment.md, “Upgrading”). A later migration must not take one of these names: Django
    # would take it for replaced.
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
        ("jobs", "0021_kinds_of_failures"),
        ("jobs", "0022_rollups"),
        ("jobs", "0025_permission_to_see_payloads"),
        ("jobs", "0026_hand_over"),
        ("jobs", "0027_permission_to_send"),
        ("jobs", "0002_panel"),
        ("jobs", "0003_condition_problems"),
        ("jobs", "0004_forgetting"),
        ("jobs", "0005_response_head"),
    ]

    dependencies = []

    operations = [
        # A `manage.py qcluster`, as its sentinel last reported it.
        migrations.CreateModel(
            name="Cluster",
            fields=[
                ("key", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("host", models.CharField(blank=True, default="", max_length=200)),
                ("stat", models.TextField(blank=True, default="")),
                ("pulse", models.JSONField(blank=True, null=True)),
                ("started_at", models.DateTimeField(db_default=Now())),
                ("seen_at", models.DateTimeField(db_default=Now())),
                ("stopped_at", models.DateTimeField(blank=True, null=True)),
                ("version", models.CharField(blank=True, db_default="", default="", max_length=64)),
            ],
            options={"ordering": ["-seen_at"]},
        ),
        # A function's configuration as last synced, and whether it is paused.
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
                ("synced_at", models.DateTimeField(db_default=Now())),
                ("paused_at", models.DateTimeField(blank=True, null=True)),
                (
                    "pause_reason",
                    models.CharField(blank=True, db_default="", default="", max_length=500),
                ),
                (
                    "paused_by",
                    models.CharField(blank=True, db_default="", default="", max_length=64),
                ),
                ("stands_still", models.BooleanField(default=False)),
            ],
            options={
                "verbose_name": "function",
                "ordering": ["fn_id"],
                "permissions": [("pause_registeredfunction", "Can pause and resume functions")],
            },
        ),
        # The ticks of a function's cron line.
        migrations.CreateModel(
            name="CronSchedule",
            fields=[
                serial_id(),
                ("fn_id", models.CharField(max_length=200, verbose_name="function")),
                ("cron", models.CharField(max_length=255)),
                ("next_at", models.DateTimeField()),
                ("last_at", models.DateTimeField(blank=True, null=True)),
                ("known_at", models.DateTimeField(db_default=Now())),
                ("unknown_since", models.DateTimeField(blank=True, null=True)),
                ("last_run", models.UUIDField(blank=True, null=True)),
                ("held", models.PositiveIntegerField(db_default=0, default=0)),
            ],
            options={
                "ordering": ["fn_id", "cron"],
                "constraints": [
                    models.UniqueConstraint(fields=("fn_id", "cron"), name="jobs_cronschedule_once")
                ],
            },
        ),
        # A function's expression that had no value for events.
        migrations.CreateModel(
            name="ConditionProblem",
            fields=[
                serial_id(),
                ("fn_id", models.CharField(max_length=200, verbose_name="function")),
                (
                    "place",
                    models.CharField(
                        choices=[
                            ("trigger", "trigger"),
                            ("key", "concurrency"),
                            ("cancel_on", "cancel_on"),
                        ],
                        max_length=16,
                    ),
                ),
                ("is_mistake", models.BooleanField()),
                ("digest", models.CharField(max_length=32)),
                ("expression", models.TextField()),
                ("count", models.BigIntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("event_id", models.UUIDField()),
                ("reason", models.TextField()),
            ],
            options={
                "ordering": ["-last_at"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("fn_id", "place", "is_mistake", "digest"),
                        name="jobs_conditionproblem_once",
                    )
                ],
            },
        ),
        # A fact that happened: name, JSON data, time.
        migrations.CreateModel(
            name="Event",
            fields=[
                uuid_id(),
                ("name", models.CharField(max_length=256)),
                ("data", models.JSONField(default=dict)),
                ("ts", models.DateTimeField(db_default=Now(), verbose_name="happened at")),
                ("received_at", models.DateTimeField(db_default=Now())),
                ("dedupe_id", models.CharField(blank=True, default="", max_length=256)),
                ("repeat", models.JSONField(blank=True, default=None, null=True)),
                ("forgotten_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [
                    (
                        "view_payload",
                        "Can see payloads: data of events, outputs, requests, log lines, keys",
                    ),
                    ("send_event", "Can send events and start functions by hand"),
                ],
                "indexes": [
                    models.Index(fields=["name", "-id"], name="jobs_event_name"),
                    models.Index(fields=["name", "received_at", "id"], name="jobs_event_awaited"),
                    models.Index(
                        condition=~models.Q(dedupe_id=""),
                        fields=["dedupe_id", "received_at"],
                        name="jobs_event_dedupe",
                    ),
                    models.Index(
                        KeyTextTransform("run_id", "data"),
                        condition=models.Q(
                            name__in=[
                                "jobs/function.cancelled",
                                "jobs/function.failed",
                                "jobs/function.retried",
                            ]
                        ),
                        name="jobs_event_told",
                    ),
                ],
            },
        ),
        # One durable execution of a function for one event.
        migrations.CreateModel(
            name="Run",
            fields=[
                uuid_id(),
                ("fn_id", models.CharField(max_length=200, verbose_name="function")),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=models.PROTECT, related_name="runs", to="jobs.event"
                    ),
                ),
                ("status", models.CharField(choices=RUN_STATUSES, default="queued", max_length=16)),
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
                ("due_at", models.DateTimeField(blank=True, db_default=Now(), null=True)),
                ("lease_token", models.UUIDField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("worker", models.CharField(blank=True, default="", max_length=120)),
                ("lost_count", models.SmallIntegerField(default=0)),
                ("begun", models.BooleanField(default=False)),
                ("requeue_count", models.SmallIntegerField(db_default=0, default=0)),
                ("stop_requested", models.BooleanField(default=False)),
                ("turn_keys", ArrayField(base_field=models.TextField(), blank=True, default=list)),
                (
                    "turn_limits",
                    ArrayField(base_field=models.PositiveIntegerField(), blank=True, default=list),
                ),
                ("turns_held", models.SmallIntegerField(default=0)),
                ("epoch", models.IntegerField(db_default=0, default=0)),
                ("attempt", models.IntegerField(default=0)),
                ("function_errors", models.IntegerField(default=0)),
                ("steps_done", models.IntegerField(default=0)),
                ("output", models.JSONField(blank=True, null=True)),
                ("error", models.JSONField(blank=True, null=True)),
                (
                    "failure_kind",
                    models.CharField(blank=True, db_default="", default="", max_length=200),
                ),
                ("mended_at", models.DateTimeField(blank=True, null=True)),
                ("mended_by", models.UUIDField(blank=True, null=True)),
                (
                    "dealt_with",
                    models.CharField(blank=True, db_default="", default="", max_length=500),
                ),
                (
                    "dealt_by",
                    models.CharField(blank=True, db_default="", default="", max_length=64),
                ),
                ("idle", models.DurationField(blank=True, null=True)),
                (
                    "rerun_of",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=models.SET_NULL,
                        related_name="reruns",
                        to="jobs.run",
                    ),
                ),
                (
                    "invoked_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=models.SET_NULL,
                        related_name="invoked",
                        to="jobs.run",
                    ),
                ),
                (
                    "asked_by",
                    models.CharField(blank=True, db_default="", default="", max_length=64),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("ready_at", models.DateTimeField(blank=True, null=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("forgotten_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("rerun_run", "Can rerun runs"),
                    ("edit_run", "Can rerun runs with other data"),
                    ("cancel_run", "Can cancel runs"),
                    ("deal_with_run", "Can say that failed runs are dealt with"),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(due_at__isnull=False),
                        fields=["due_at", "id"],
                        name="jobs_run_due",
                    ),
                    models.Index(
                        CLASS,
                        DUE_AT,
                        models.F("id"),
                        condition=models.Q(IsNull(CLASS, False)),
                        name="jobs_run_shares",
                    ),
                    models.Index(
                        condition=models.Q(lease_until__isnull=False),
                        fields=["lease_until"],
                        name="jobs_run_lease",
                    ),
                    models.Index(
                        models.F("turn_keys__0"),
                        models.F("turns_held"),
                        models.F("created_at"),
                        models.F("id"),
                        condition=models.Q(status__in=UNFINISHED, turn_keys__0__isnull=False),
                        name="jobs_run_line_1",
                    ),
                    models.Index(
                        models.F("turn_keys__1"),
                        models.F("turns_held"),
                        models.F("created_at"),
                        models.F("id"),
                        condition=models.Q(status__in=UNFINISHED, turn_keys__1__isnull=False),
                        name="jobs_run_line_2",
                    ),
                    models.Index(
                        condition=models.Q(ended_at__isnull=False),
                        fields=["ended_at"],
                        name="jobs_run_ended_at",
                    ),
                    models.Index(
                        condition=models.Q(expires_at__isnull=False),
                        fields=["expires_at"],
                        name="jobs_run_expiry",
                    ),
                    models.Index(
                        condition=models.Q(status__in=FINISHED),
                        fields=["status", "-id"],
                        name="jobs_run_over",
                    ),
                    models.Index(
                        condition=models.Q(ended_at__isnull=True),
                        fields=["-id"],
                        name="jobs_run_unfinished",
                    ),
                    models.Index(fields=["fn_id", "-id"], name="jobs_run_of_function"),
                    models.Index(
                        condition=models.Q(mended_at__isnull=True, status="failed"),
                        fields=["-ended_at"],
                        name="jobs_run_open_failure",
                    ),
                    models.Index(
                        condition=~models.Q(failure_kind=""),
                        fields=["failure_kind", "-id"],
                        name="jobs_run_of_kind",
                    ),
                    models.Index(
                        condition=models.Q(rerun_of__isnull=False),
                        fields=["rerun_of"],
                        name="jobs_run_rerun_of",
                    ),
                    models.Index(
                        condition=models.Q(invoked_by__isnull=False),
                        fields=["invoked_by"],
                        name="jobs_run_invoked_by",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            Exact(
                                IsNull(models.F("lease_token"), True),
                                IsNull(models.F("lease_until"), True),
                            ),
                            Exact(
                                IsNull(models.F("ended_at"), True),
                                In(models.F("status"), UNFINISHED),
                            ),
                            Exact(
                                IsNull(models.F("ended_at"), False),
                                In(models.F("status"), FINISHED),
                            ),
                            models.Q(ended_at__isnull=True) | models.Q(due_at__isnull=True),
                        ),
                        name="jobs_run_whole",
                    )
                ],
            },
        ),
        # A named part of a run.
        migrations.CreateModel(
            name="Step",
            fields=[
                uuid_id(),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=models.CASCADE,
                        related_name="steps",
                        to="jobs.run",
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
                ("output_bytes", models.IntegerField(blank=True, null=True)),
                ("error", models.JSONField(blank=True, null=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("awaits", models.CharField(blank=True, default="", max_length=256)),
                ("detail", models.JSONField(blank=True, default=dict)),
                ("due_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["run", "position", "id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(status="waiting") & ~models.Q(awaits=""),
                        fields=["awaits"],
                        name="jobs_step_awaits",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("run", "name"), name="jobs_step_once")
                ],
            },
        ),
        # One try of a step, or of the code between steps.
        migrations.CreateModel(
            name="Attempt",
            fields=[
                uuid_id(),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=models.CASCADE,
                        related_name="attempts",
                        to="jobs.run",
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
            ],
            options={
                "ordering": ["id"],
                "indexes": [models.Index(fields=["run", "id"], name="jobs_attempt_run")],
            },
        ),
        # A line that a run has logged.
        migrations.CreateModel(
            name="LogLine",
            fields=[
                serial_id(),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=models.CASCADE,
                        related_name="log_lines",
                        to="jobs.run",
                    ),
                ),
                ("step_name", models.CharField(blank=True, default="", max_length=200)),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("level", models.CharField(default="INFO", max_length=16)),
                ("at", models.DateTimeField()),
                ("message", models.TextField()),
            ],
            options={
                "ordering": ["id"],
                "indexes": [models.Index(fields=["run", "id"], name="jobs_logline_run")],
            },
        ),
        # An HTTP request of a run, and its response.
        migrations.CreateModel(
            name="Fetch",
            fields=[
                uuid_id(),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=models.CASCADE,
                        related_name="fetches",
                        to="jobs.run",
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
                ("response_head", models.JSONField(blank=True, db_column="response", null=True)),
                ("error", models.JSONField(blank=True, null=True)),
                ("lease_token", models.UUIDField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name_plural": "fetches",
                "ordering": ["id"],
                "indexes": [
                    models.Index(
                        Lower(
                            Coalesce(
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
                        condition=models.Q(status="pending"),
                        name="jobs_fetch_waiting",
                    ),
                    models.Index(
                        condition=models.Q(lease_until__isnull=False),
                        fields=["lease_until"],
                        name="jobs_fetch_lease",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("run", "step_name"), name="jobs_fetch_once")
                ],
            },
        ),
        # One sending of a form that moved money or started a run.
        migrations.CreateModel(
            name="Submission",
            fields=[
                serial_id(),
                ("token", models.UUIDField()),
                ("action", models.CharField(max_length=100)),
                ("asked", models.CharField(max_length=64)),
                ("account", models.CharField(max_length=64)),
                ("result", models.CharField(max_length=200)),
                ("at", models.DateTimeField(db_default=Now())),
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
        # An operator's words to the next shift.
        migrations.CreateModel(
            name="HandOverNote",
            fields=[
                serial_id(),
                ("text", models.CharField(blank=True, max_length=2000)),
                ("by", models.CharField(max_length=64)),
                ("by_name", models.CharField(max_length=150)),
                ("at", models.DateTimeField(db_default=Now())),
                ("until", models.DateTimeField()),
            ],
            options={
                "verbose_name": "hand-over note",
                "ordering": ["-id"],
                "default_permissions": ("add",),
            },
        ),
        # A function's ends with one outcome in a minute or hour.
        migrations.CreateModel(
            name="Rollup",
            fields=[
                serial_id(),
                ("fn_id", models.CharField(max_length=200, verbose_name="function")),
                ("minutes", models.SmallIntegerField()),
                ("at", models.DateTimeField()),
                ("status", models.CharField(choices=RUN_STATUSES, max_length=16)),
                ("runs", models.IntegerField()),
                ("waits", ArrayField(base_field=models.IntegerField(), default=list)),
                ("times", ArrayField(base_field=models.IntegerField(), default=list)),
            ],
            options={
                "ordering": ["at"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        deferrable=models.Deferrable.IMMEDIATE,
                        fields=("minutes", "at", "fn_id", "status"),
                        name="jobs_rollup_once",
                    )
                ],
            },
        ),
        # How far the rollups are, in one row.
        migrations.CreateModel(
            name="RollupMark",
            fields=[
                serial_id(),
                ("rolled_to", models.DateTimeField()),
                ("settled_to", models.DateTimeField()),
                ("pending_to", models.DateTimeField(null=True)),
                ("pending_xid", models.BigIntegerField(null=True)),
                ("folded_to", models.DateTimeField()),
                ("named_to", models.UUIDField(null=True)),
            ],
            options={"default_permissions": ()},
        ),
        # An end that a retry undid: still counted.
        migrations.CreateModel(
            name="UndoneEnd",
            fields=[
                serial_id(),
                ("run_id", models.UUIDField()),
                ("fn_id", models.CharField(max_length=200, verbose_name="function")),
                ("status", models.CharField(choices=RUN_STATUSES, max_length=16)),
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
