from __future__ import annotations

from django.db import models


class ConditionProblem(models.Model):
    """A function's expression that had no value for events: a row for each expression, not for each
    event."""

    class Place(models.TextChoices):
        TRIGGER = "trigger", "trigger"
        KEY = "key", "concurrency"
        CANCEL_ON = "cancel_on", "cancel_on"

    fn_id = models.CharField("function", max_length=200)
    place = models.CharField(max_length=16, choices=Place.choices)
    # With is_mistake, the expression does not fit the event; else a field was not there, which is
    # ordinary in a condition.
    is_mistake = models.BooleanField()
    digest = models.CharField(max_length=32)  # of the expression, which an index may not hold
    expression = models.TextField()
    count = models.BigIntegerField()  # at least: a process tells of events now and then
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    # Of the last event told of.
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
