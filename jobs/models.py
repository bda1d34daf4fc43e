"""What the engine remembers. States are QuerySet methods; transitions live with those who make
them (`events`, `executor`, `control`), each a conditional UPDATE under the run's lease or lock."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Lower, Now
from django.db.models.lookups import Exact, In, IsNull

from jobs.excerpts import excerpt
from jobs.ids import new_id


class Event(models.Model):
    """A fact that happened: name, JSON data, time. Immutable."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=256)
    data = models.JSONField(default=dict)
    ts = models.DateTimeField("happened at", db_default=Now())
    received_at = models.DateTimeField(db_default=Now())
    # The sender's own id: the same one within 24 hours starts nothing new.
    dedupe_id = models.CharField(max_length=256, blank=True, default="")
    # How often that id came again with other data, when last, and with which (see repeats.py).
    repeat = models.JSONField(null=True, blank=True, default=None)

    class Meta:
        indexes = [
            models.Index(fields=["name", "-id"], name="jobs_event_name"),
            # Those of a name since a time: what a step.wait_for_event looks through.
            models.Index(fields=["name", "received_at", "id"], name="jobs_event_awaited"),
            models.Index(
                fields=["dedupe_id", "received_at"],
                name="jobs_event_dedupe",
                condition=~Q(dedupe_id=""),
            ),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"


class RegisteredFunction(models.Model):
    """What the database must know of a function: its configuration as last synced."""

    fn_id = models.CharField("id", max_length=200, primary_key=True)
    name = models.CharField(max_length=200)
    config = models.JSONField(default=dict)
    synced_at = models.DateTimeField(db_default=Now())
    paused_at = models.DateTimeField(null=True, blank=True)
    # While it is paused: whether its unfinished runs stand still too, each after its step.
    stands_still = models.BooleanField(default=False)

    class Meta:
        verbose_name = "function"
        ordering = ["fn_id"]
        permissions = [("pause_registeredfunction", "Can pause and resume functions")]

    def __str__(self) -> str:
        return self.fn_id


class RunStatus(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


UNFINISHED = [RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING]
FINISHED = [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.SKIPPED]


class Reason(models.TextChoices):
    """Why a run is queued or waiting: shown beside its status, never instead of it."""

    NONE = "", "due"
    TURN = "turn", "its turn"
    BACKOFF = "backoff", "backing off"
    SLEEP = "sleep", "sleeping"
    FETCH = "fetch", "HTTP in flight"
    EVENT = "event", "waiting for an event"
    INVOKE = "invoke", "waiting for a function"
    FUNCTION = "function", "its function is not registered"
    PAUSED = "paused", "its function is paused"
    ASIDE = "aside", "set aside: it could not be taken up"


class RunQuerySet(models.QuerySet["Run"]):
    def due(self) -> RunQuerySet:
        return self.filter(due_at__lte=Now())

    def unfinished(self) -> RunQuerySet:
        return self.filter(status__in=UNFINISHED)

    def in_status(self, *statuses: str) -> RunQuerySet:
        """All that are in one of these statuses: said as the panel's indexes have it."""
        runs = self.filter(status__in=statuses)
        return runs.filter(ended_at__isnull=True) if set(statuses) <= set(UNFINISHED) else runs

    def finished(self) -> RunQuerySet:
        return self.filter(status__in=FINISHED)

    def failed(self) -> RunQuerySet:
        return self.filter(status=RunStatus.FAILED)

    def lost(self) -> RunQuerySet:
        """Held by a worker that has not been heard of since its lease ran out."""
        return self.filter(lease_until__lt=Now())


# Which class a due run is of, and since when it is due: see shares, which has the same words.
CLASS = models.Func(
    template=(
        "(CASE WHEN due_at > created_at THEN '1' WHEN due_at <= created_at THEN '0' END"
        " || fn_id::text)"
    ),
    output_field=models.TextField(),
)
DUE_AT = models.Func(
    template="coalesce(due_at, 'infinity'::timestamptz)", output_field=models.DateTimeField()
)


class Run(models.Model):
    """One durable execution of a function for one event."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    fn_id = models.CharField("function", max_length=200)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="runs")
    status = models.CharField(max_length=16, choices=RunStatus.choices, default=RunStatus.QUEUED)
    reason = models.CharField(
        max_length=16, choices=Reason.choices, default=Reason.NONE, blank=True
    )

    # When a worker may take it; null while one has it, while it waits, and once it has ended.
    due_at = models.DateTimeField(null=True, blank=True, db_default=Now())
    # The fencing token of whoever may write it, and until when that is believed.
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True, default="")
    # How often its whole cluster went silent under it, and whether, after such a loss, a worker
    # has said that it begins with it again (see recovery.py).
    lost_count = models.SmallIntegerField(default=0)
    begun = models.BooleanField(default=False)
    # How often, since its last remembered step, an execution of it was broken off without being
    # settled, though the database was there (see requeues.py).
    requeue_count = models.SmallIntegerField(default=0, db_default=0)
    # Its worker is to put it down after the step that it is at.
    stop_requested = models.BooleanField(default=False)

    # The lines it stands in, one for each Concurrency of its function, and how many turns it has
    # got so far: it stands in line number `turns_held` (see concurrency.py).
    turn_keys = ArrayField(models.TextField(), default=list, blank=True)
    turn_limits = ArrayField(models.PositiveIntegerField(), default=list, blank=True)
    turns_held = models.SmallIntegerField(default=0)

    # How often it has ended, and how often a person has had it run again, as itself or as a new
    # run: by this number a hook knows which end or rerun it tells of (see hooks.py).
    epoch = models.IntegerField(default=0, db_default=0)

    # Errors so far at the point where it stands; a newly remembered step sets it back to 0.
    attempt = models.IntegerField(default=0)
    # Of those, the errors of the code between steps: a step has a count of its own.
    function_errors = models.IntegerField(default=0)
    steps_done = models.IntegerField(default=0)
    output = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    # The run that this one was made from, by a person's rerun.
    rerun_of = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="reruns",
        db_index=False,
    )

    # The run whose step.invoke made this one; woken when this one ends.
    invoked_by = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="invoked",
        db_index=False,
    )
    # The account of the person who asked for it, by a rerun or a bulk action; empty: no person did.
    # By its id alone: the engine has no foreign key to a project's accounts (see askers.py).
    asked_by = models.CharField(max_length=64, blank=True, default="", db_default="")
    # When its function's timeouts cancel it.
    expires_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(db_default=Now())
    # When it could first start, if that is not when it was made: when its event was due, when it
    # was retried before it had started, when its function was resumed.
    ready_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Run]] = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("rerun_run", "Can rerun runs"),
            ("edit_run", "Can rerun runs with other data"),
            ("cancel_run", "Can cancel runs"),
        ]
        # A run's row is written half a dozen times, each time with all its entries in these.
        indexes = [
            models.Index(
                fields=["due_at", "id"], name="jobs_run_due", condition=Q(due_at__isnull=False)
            ),
            models.Index(
                CLASS, DUE_AT, F("id"), name="jobs_run_shares", condition=Q(IsNull(CLASS, False))
            ),
            models.Index(
                fields=["lease_until"],
                name="jobs_run_lease",
                condition=Q(lease_until__isnull=False),
            ),
            models.Index(
                F("turn_keys__0"),
                F("turns_held"),
                F("created_at"),
                F("id"),
                name="jobs_run_line_1",
                condition=Q(status__in=UNFINISHED, turn_keys__0__isnull=False),
            ),
            models.Index(
                F("turn_keys__1"),
                F("turns_held"),
                F("created_at"),
                F("id"),
                name="jobs_run_line_2",
                condition=Q(status__in=UNFINISHED, turn_keys__1__isnull=False),
            ),
            models.Index(
                fields=["ended_at"], name="jobs_run_ended_at", condition=Q(ended_at__isnull=False)
            ),
            models.Index(
                fields=["expires_at"], name="jobs_run_expiry", condition=Q(expires_at__isnull=False)
            ),
            # The panel's, each with a condition that no statement on a run's way has. By the
            # statistics of a quiet hour nothing is unfinished, and to read a whole index of that
            # is as cheap as to look into another; in a busy hour it would still be read whole.
            models.Index(
                fields=["status", "-id"], name="jobs_run_over", condition=Q(status__in=FINISHED)
            ),
            models.Index(
                fields=["-id"], name="jobs_run_unfinished", condition=Q(ended_at__isnull=True)
            ),
            models.Index(fields=["fn_id", "-id"], name="jobs_run_of_function"),
            models.Index(
                fields=["rerun_of"],
                name="jobs_run_rerun_of",
                condition=Q(rerun_of__isnull=False),
            ),
            models.Index(
                fields=["invoked_by"],
                name="jobs_run_invoked_by",
                condition=Q(invoked_by__isnull=False),
            ),
        ]
        # One, and none for each count: PostgreSQL reads every check anew with every statement, and
        # ten of them took a tenth of a commit.
        constraints = [
            models.CheckConstraint(
                name="jobs_run_whole",
                condition=Q(
                    Exact(IsNull(F("lease_token"), True), IsNull(F("lease_until"), True)),
                    Exact(IsNull(F("ended_at"), True), In(F("status"), UNFINISHED)),
                    Exact(IsNull(F("ended_at"), False), In(F("status"), FINISHED)),
                    Q(ended_at__isnull=True) | Q(due_at__isnull=True),
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fn_id} {self.id}"

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED

    @property
    def duration(self) -> timedelta | None:
        """From its first start to its end, waits included; None before that."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at


class StepKind(models.TextChoices):
    RUN = "run"
    FETCH = "fetch"
    SLEEP = "sleep"
    WAIT = "wait_for_event"
    SEND = "send_event"
    INVOKE = "invoke"


class StepStatus(models.TextChoices):
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"


class Step(models.Model):
    """A named part of a run. Once completed or failed for good it is never run again."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps", db_index=False)
    # The author's id; repeats in one run get ":1", ":2", …
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=16, choices=StepKind.choices)
    status = models.CharField(max_length=16, choices=StepStatus.choices)
    position = models.IntegerField(default=0)
    attempts = models.IntegerField(default=0)
    output = models.JSONField(null=True, blank=True)
    # How long that is as JSON (see outputs.py); null where there is none, and in rows that are
    # older than this column.
    output_bytes = models.IntegerField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # The name of the event that it waits for.
    awaits = models.CharField(max_length=256, blank=True, default="")
    # What its kind needs to know: the event that came, the run that was invoked, where in a
    # parallel group it stands.
    detail = models.JSONField(default=dict, blank=True)
    # Sleeping, backing off or waiting until.
    due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["run", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "name"], name="jobs_step_once"),
        ]
        indexes = [
            models.Index(
                fields=["awaits"],
                name="jobs_step_awaits",
                condition=Q(status="waiting") & ~Q(awaits=""),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_remembered(self) -> bool:
        return self.status in (StepStatus.COMPLETED, StepStatus.FAILED)


class AttemptStatus(models.TextChoices):
    COMPLETED = "completed"
    ERROR = "error"


class Attempt(models.Model):
    """One try of a step, or (with `step_name` empty) of the code between steps.

    A step that goes well when it is first tried leaves none: its row, and its request's, tell the
    same.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    step_name = models.CharField(max_length=200, blank=True, default="")
    number = models.PositiveIntegerField("attempt", default=0)  # 0-based, as ctx.attempt
    status = models.CharField(max_length=16, choices=AttemptStatus.choices)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    worker = models.CharField(max_length=120, blank=True, default="")
    error_class = models.CharField(max_length=300, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    traceback = models.TextField(blank=True, default="")
    # When the policy will try again; null if this was the last attempt or it went well.
    retry_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["run", "id"], name="jobs_attempt_run")]

    def __str__(self) -> str:
        return f"attempt {self.number + 1} of {self.step_name or 'the function'}"

    @property
    def duration(self) -> timedelta:
        return self.ended_at - self.started_at


class LogLine(models.Model):
    """One line that a function said: by ctx.logger, logging or print."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="log_lines", db_index=False)
    step_name = models.CharField(max_length=200, blank=True, default="")
    attempt = models.PositiveIntegerField(default=0)
    level = models.CharField(max_length=16, default="INFO")
    at = models.DateTimeField()
    message = models.TextField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["run", "id"], name="jobs_logline_run")]

    def __str__(self) -> str:
        return excerpt(self.message, 80)


class FetchStatus(models.TextChoices):
    PENDING = "pending"
    SENDING = "sending"
    ANSWERED = "answered"
    FAILED = "failed"


# Whom a request is for: the host of its URL, with the port if there is one (flights.HOST).
HOST = Lower(
    Coalesce(
        models.Func(
            F("url"),
            models.Value("//([^/?#]*)"),
            function="SUBSTRING",
            output_field=models.TextField(),
        ),
        models.Value(""),
    )
)


class Fetch(models.Model):
    """An HTTP request of a run: what is asked (secrets by reference) and what came back."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="fetches", db_index=False)
    step_name = models.CharField(max_length=200)
    method = models.CharField(max_length=10)
    url = models.TextField()
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True, default="")
    timeout = models.FloatField(help_text="seconds for the whole answer")
    # The same for every attempt of the step.
    idempotency_key = models.CharField(max_length=100)
    # Where a 303 said that the answer will be: asked again after a crash instead of the request.
    result_url = models.TextField(blank=True, default="")
    status = models.CharField(
        max_length=16, choices=FetchStatus.choices, default=FetchStatus.PENDING
    )
    attempt = models.IntegerField(default=0)
    response = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "fetches"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "step_name"], name="jobs_fetch_once"),
        ]
        indexes = [
            models.Index(
                HOST,
                "id",
                name="jobs_fetch_waiting",
                condition=Q(status=FetchStatus.PENDING),
            ),
            models.Index(
                fields=["lease_until"],
                name="jobs_fetch_lease",
                condition=Q(lease_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


class CronSchedule(models.Model):
    """When a function's cron trigger ticks next: a row for each function and cron line."""

    fn_id = models.CharField("function", max_length=200)
    cron = models.CharField(max_length=255)
    next_at = models.DateTimeField()
    last_at = models.DateTimeField(null=True, blank=True)
    # When a living cluster last said that its code has this trigger; and since when there have been
    # clusters without one that has it (see cron.py).
    known_at = models.DateTimeField(db_default=Now())
    unknown_since = models.DateTimeField(null=True, blank=True)
    # The run of the last tick that started one, and how many ticks after it have started none.
    last_run = models.UUIDField(null=True, blank=True)
    held = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        ordering = ["fn_id", "cron"]
        constraints = [
            models.UniqueConstraint(fields=["fn_id", "cron"], name="jobs_cronschedule_once"),
        ]

    def __str__(self) -> str:
        return f"{self.fn_id} {self.cron}"


class Cluster(models.Model):
    """A living `manage.py qcluster`: what its sentinel last said of itself."""

    key = models.CharField(max_length=200, primary_key=True)
    host = models.CharField(max_length=200, blank=True, default="")
    stat = models.TextField(blank=True, default="")
    # What its pusher last did, and what keeps it from taking runs (see pulse.py).
    pulse = models.JSONField(null=True, blank=True)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return self.key


class Submission(models.Model):
    """One sending of a form that moved money or started a run: what it asked for, and what came of
    it. Unique, so that the same form with the same content acts once (see submissions.py)."""

    token = models.UUIDField()  # the form's own
    action = models.CharField(max_length=100)
    asked = models.CharField(max_length=64)  # a digest of the form's content
    account = models.CharField(max_length=64)  # its id, as text
    # The id of what was made or changed; empty only while the act's transaction is open.
    result = models.CharField(max_length=200)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["token", "action", "account", "asked"], name="jobs_submission_once"
            ),
        ]
        indexes = [models.Index(fields=["at"], name="jobs_submission_at")]

    def __str__(self) -> str:
        return f"{self.action} {self.token}"
