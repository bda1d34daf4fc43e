from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.db.models.lookups import IsNull

from jobs.ids import new_id
from jobs.models.event import Event
from jobs.models.run_status import FINISHED, UNFINISHED, WHOLE, Reason, RunStatus

# Not mended by a rerun, and not dealt with by an operator.
OPEN_FAILURE = Q(status=RunStatus.FAILED, mended_at__isnull=True)
# SQL, by the index of due runs.
IS_DUE = "due_at <= statement_timestamp() AND lease_token IS NULL"


class RunQuerySet(models.QuerySet["Run"]):
    def due(self) -> RunQuerySet:
        return self.filter(due_at__lte=Now())

    def unfinished(self) -> RunQuerySet:
        return self.filter(status__in=UNFINISHED)

    def in_status(self, *statuses: str) -> RunQuerySet:
        """Phrased as the panel's indexes are."""
        runs = self.filter(status__in=statuses)
        return runs.filter(ended_at__isnull=True) if set(statuses) <= set(UNFINISHED) else runs

    def open_failures(self) -> RunQuerySet:
        return self.filter(OPEN_FAILURE)

    def replayable(self, fn_id: str) -> RunQuerySet:
        """A function's skipped runs that can still be run: not replayed, not forgotten."""
        skipped = self.filter(fn_id=fn_id, status=RunStatus.SKIPPED)
        return skipped.not_rerun().filter(forgotten_at__isnull=True)

    def not_rerun(self) -> RunQuerySet:
        """Each looks for its reruns: a join may read all reruns, or all again and again."""
        reruns = Run.objects.filter(rerun_of=models.OuterRef("id")).order_by().values("id")
        return self.alias(a_rerun=models.Subquery(reruns[:1])).filter(a_rerun=None)

    def held(self, run_id: uuid.UUID, token: uuid.UUID) -> RunQuerySet:
        """The run, if the lease with this token has not ended."""
        return self.filter(id=run_id, lease_token=token)

    def update_in_order(self, **changes: Any) -> int:
        """For rows that may be running: locked newest first, as those that are woken (events.wake)
        are. In a transaction."""
        return Run.objects.filter(id__in=self.lock_in_order()).update(**changes)

    def lock_in_order(self) -> list[uuid.UUID]:
        """Newest first, until the transaction ends."""
        return list(
            self.order_by("-id").select_for_update(no_key=True).values_list("id", flat=True)
        )

    def lock_first(self, *, skip_locked: bool = False) -> Run | None:
        """The first run with its event, its row locked until the transaction ends."""
        locking = self.select_for_update(of=("self",), skip_locked=skip_locked)
        return locking.select_related("event").first()

    def lost(self) -> RunQuerySet:
        return self.filter(lease_until__lt=Now())


# A due run's class, as in shares.
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

    # When a worker may take the run; null while leased, parked or awaiting a wake, and once ended.
    due_at = models.DateTimeField(null=True, blank=True, db_default=Now())
    # The fencing token of the worker that may write.
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True, default="")
    # Losses of its cluster, and whether a worker has begun it since (sweeper.py).
    lost_count = models.SmallIntegerField(default=0)
    begun = models.BooleanField(default=False)
    # Executions without a settlement since the last remembered step (requeue.py).
    requeue_count = models.SmallIntegerField(default=0, db_default=0)
    # The worker puts the run down after its step.
    stop_requested = models.BooleanField(default=False)

    # Its lines, their limits, and its turns so far (turns.py).
    turn_keys = ArrayField(models.TextField(), default=list, blank=True)
    turn_limits = ArrayField(models.PositiveIntegerField(), default=list, blank=True)
    turns_held = models.SmallIntegerField(default=0)

    # Counts ends and reruns (hook_events.py).
    epoch = models.IntegerField(default=0, db_default=0)

    # Errors at the current point; a newly remembered step resets it.
    attempt = models.IntegerField(default=0)
    # Of these, errors between steps.
    function_errors = models.IntegerField(default=0)
    steps_done = models.IntegerField(default=0)
    output = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    # Its last failure's group (failure_kinds.py). A retry keeps it, to count a kind's mended runs.
    failure_kind = models.CharField(max_length=200, blank=True, default="", db_default="")
    # When it stopped being an open failure: by a completed rerun, or an operator's sentence and
    # account.
    mended_at = models.DateTimeField(null=True, blank=True)
    mended_by = models.UUIDField(null=True, blank=True)
    dealt_with = models.CharField(max_length=500, blank=True, default="", db_default="")
    dealt_by = models.CharField(max_length=64, blank=True, default="", db_default="")
    # Time between its ends and its retries by an operator or code; null without any.
    idle = models.DurationField(null=True, blank=True)
    # The run that an operator or code reran as this one.
    rerun_of = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="reruns",
        db_index=False,
    )

    # By its step.invoke; woken at the end.
    invoked_by = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="invoked",
        db_index=False,
    )
    # An account's id, or empty; no foreign key to a project's accounts (requester.py).
    asked_by = models.CharField(max_length=64, blank=True, default="", db_default="")
    # By its function's timeouts.
    expires_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(db_default=Now())
    # Its first possible start, if later than made: its event's time, a retry, the function's
    # resumption.
    ready_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # See forgetting.py.
    forgotten_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager[Run]] = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("rerun_run", "Can rerun runs"),
            ("edit_run", "Can rerun runs with other data"),
            ("cancel_run", "Can cancel runs"),
            ("deal_with_run", "Can say that failed runs are dealt with"),
        ]
        # Every write of a run writes these.
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
            # The panel's. Their conditions are in no statement of the engine: after a quiet hour's
            # statistics, PostgreSQL would read such an index whole.
            models.Index(
                fields=["status", "-id"], name="jobs_run_over", condition=Q(status__in=FINISHED)
            ),
            models.Index(
                fields=["-id"], name="jobs_run_unfinished", condition=Q(ended_at__isnull=True)
            ),
            models.Index(fields=["fn_id", "-id"], name="jobs_run_of_function"),
            models.Index(
                fields=["-ended_at"],
                name="jobs_run_open_failure",
                condition=OPEN_FAILURE,
            ),
            models.Index(
                fields=["failure_kind", "-id"],
                name="jobs_run_of_kind",
                condition=~Q(failure_kind=""),
            ),
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
        constraints = [models.CheckConstraint(name="jobs_run_whole", condition=WHOLE)]

    def __str__(self) -> str:
        return f"{self.fn_id} {self.id}"

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED

    @property
    def duration(self) -> timedelta | None:
        """From first start to end with waits, without `idle`; None before its end."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at - (self.idle or timedelta())
