from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q

from jobs.ids import new_id
from jobs.lib.excerpts import excerpt
from jobs.models.run import Run


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


REMEMBERED = [StepStatus.COMPLETED, StepStatus.FAILED]


class Step(models.Model):
    """A named part of a run; completed or failed for good, it never runs again."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps", db_index=False)
    # The id; repeats in one run get ":1", ":2", …
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=16, choices=StepKind.choices)
    status = models.CharField(max_length=16, choices=StepStatus.choices)
    position = models.IntegerField(default=0)
    attempts = models.IntegerField(default=0)
    output = models.JSONField(null=True, blank=True)
    # Of JSON (outputs.py); null in older rows.
    output_bytes = models.IntegerField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # The awaited event's name.
    awaits = models.CharField(max_length=256, blank=True, default="")
    # By kind: the event that came, the invoked run, the place in a parallel group.
    detail = models.JSONField(default=dict, blank=True)
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
        return self.status in REMEMBERED


class AttemptStatus(models.TextChoices):
    COMPLETED = "completed"
    ERROR = "error"


class Attempt(models.Model):
    """One try of a step, or (with `step_name` empty) of code between steps. A first-try success has
    none (Attempts.record_success)."""

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
    # Null after the last try, or success.
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
    """A line by ctx.logger, logging or print."""

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
