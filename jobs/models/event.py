from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now

from jobs.ids import new_id

# The engine's own, each of a run (hook_events.py).
TOLD_OF_RUNS = ["jobs/function.cancelled", "jobs/function.failed", "jobs/function.retried"]


class Event(models.Model):
    """A fact that happened: name, JSON data, time. Immutable."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=256)
    data = models.JSONField(default=dict)
    ts = models.DateTimeField("happened at", db_default=Now())
    received_at = models.DateTimeField(db_default=Now())
    # The sender's own; a repeat within 24 hours starts nothing.
    dedupe_id = models.CharField(max_length=256, blank=True, default="")
    # Repeats with other data (id_conflicts.py).
    repeat = models.JSONField(null=True, blank=True, default=None)
    # See forgetting.py.
    forgotten_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["name", "-id"], name="jobs_event_name"),
            # For step.wait_for_event.
            models.Index(fields=["name", "received_at", "id"], name="jobs_event_awaited"),
            models.Index(
                fields=["dedupe_id", "received_at"],
                name="jobs_event_dedupe",
                condition=~Q(dedupe_id=""),
            ),
            # For forgetting: what was told of a run.
            models.Index(
                KeyTextTransform("run_id", "data"),
                name="jobs_event_told",
                condition=Q(name__in=TOLD_OF_RUNS),
            ),
        ]
        ordering = ["-id"]
        permissions = [
            (
                "view_payload",
                "Can see payloads: data of events, outputs, requests, log lines, keys",
            ),
            ("send_event", "Can send events and start functions by hand"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"
