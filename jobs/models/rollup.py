"""For the panel's charts: counts of ends by minute and by hour."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from jobs.models.run_status import RunStatus


class Rollup(models.Model):
    """A function's ends with one outcome in a minute or hour."""

    fn_id = models.CharField("function", max_length=200)
    minutes = models.SmallIntegerField()  # 1 or 60
    at = models.DateTimeField()  # its beginning
    status = models.CharField(max_length=16, choices=RunStatus.choices)
    runs = models.IntegerField()
    # A number of runs for each bucket of histograms.BOUNDS.
    waits = ArrayField(models.IntegerField(), default=list)
    times = ArrayField(models.IntegerField(), default=list)

    class Meta:
        ordering = ["at"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["minutes", "at", "fn_id", "status"],
                name="jobs_rollup_once",
                deferrable=models.Deferrable.IMMEDIATE,  # rows may change places in one statement
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fn_id} {self.at} {self.status}: {self.runs}"


class RollupMark(models.Model):
    """How far the rollups are, in one row."""

    # Every end before this moment that was visible is counted …
    rolled_to = models.DateTimeField()
    # … and was counted again after the transactions of then were over.
    settled_to = models.DateTimeField()
    # The next such moment, when all transactions below this id are over; null without one.
    pending_to = models.DateTimeField(null=True)
    pending_xid = models.BigIntegerField(null=True)
    # Earlier hours have rows of their own.
    folded_to = models.DateTimeField()
    # The last run of before `failure_kind` that got its kind; null when all have.
    named_to = models.UUIDField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"rolled up to {self.rolled_to}"


class UndoneEnd(models.Model):
    """An end that a retry by an operator or code undid: still counted."""

    run_id = models.UUIDField()
    fn_id = models.CharField("function", max_length=200)
    status = models.CharField(max_length=16, choices=RunStatus.choices)
    failure_kind = models.CharField(max_length=200, blank=True, default="")
    ended_at = models.DateTimeField()
    undone_at = models.DateTimeField()
    wait = models.FloatField(null=True)  # seconds; null if counted with an earlier end
    took = models.FloatField(null=True)  # seconds; null if never started

    class Meta:
        ordering = ["ended_at"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["ended_at"], name="jobs_undoneend_ended_at"),
            models.Index(fields=["run_id"], name="jobs_undoneend_run"),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.run_id} at {self.ended_at}"
