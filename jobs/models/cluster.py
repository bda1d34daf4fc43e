from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class CronSchedule(models.Model):
    """The ticks of a function's cron line."""

    fn_id = models.CharField("function", max_length=200)
    cron = models.CharField(max_length=255)
    next_at = models.DateTimeField()
    last_at = models.DateTimeField(null=True, blank=True)
    # When a living cluster last had this trigger; since when it is absent (cron.py).
    known_at = models.DateTimeField(db_default=Now())
    unknown_since = models.DateTimeField(null=True, blank=True)
    # The run of the last tick that started one, and how many later ticks started none.
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
    """A living `manage.py qcluster`, as its sentinel last reported it."""

    key = models.CharField(max_length=200, primary_key=True)
    host = models.CharField(max_length=200, blank=True, default="")
    stat = models.TextField(blank=True, default="")
    # See standstill.py.
    pulse = models.JSONField(null=True, blank=True)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    # After a stop in good order; else null.
    stopped_at = models.DateTimeField(null=True, blank=True)
    # Of its code; the same in one deployment.
    version = models.CharField(max_length=64, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return self.key
