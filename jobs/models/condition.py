"""What conditions and keys met that they cannot evaluate: a row for each expression, never for each
event."""

from __future__ import annotations

from django.db import models


class ConditionProblem(models.Model):
    """An expression of a function that had no value for events, counted."""

    class Place(models.TextChoices):
        TRIGGER = "trigger", "trigger"
        KEY = "key", "concurrency"
        CANCEL_ON = "cancel_on", "cancel_on"

    fn_id = models.CharField("function", max_length=200)
    place = models.CharField(max_length=16, choices=Place.choices)
    # With is_mistake, the expression does not fit what it met; else a field was not there, which is
    # ordinary in a condition.
    is_mistake = models.BooleanField()
    digest = models.CharField(max_length=32)  # of the expression, which an index may not hold
    expression = models.TextField()
    count = models.BigIntegerField()  # times at least: a process tells of them now and then
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    # Of the last event that was told of.
    event_id = models.UUIDField()
    reason = models.TextField()

    class Meta:
        ordering = ["-last_at"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["fn_id", "place", "is_mistake", "digest"],
                name="jobs_conditionproblem_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.place} of {self.fn_id}: {self.reason}"
