from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Lower, Now

from jobs.ids import new_id
from jobs.models.run import Run


class FetchStatus(models.TextChoices):
    PENDING = "pending"
    SENDING = "sending"
    ANSWERED = "answered"
    FAILED = "failed"


IN_FLIGHT = [FetchStatus.PENDING, FetchStatus.SENDING]

# The host of a request's URL, with its port if given: as SQL, and the same for the index.
HOST_SQL = "lower(coalesce(substring(url, '//([^/?#]*)'), ''))"
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
    """An HTTP request of a run (secrets by reference), and its response."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="fetches", db_index=False)
    step_name = models.CharField(max_length=200)
    method = models.CharField(max_length=10)
    url = models.TextField()
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True, default="")
    timeout = models.FloatField(help_text="seconds for the whole answer")
    # One for all attempts of the step.
    idempotency_key = models.CharField(max_length=100)
    # From a 303: asked after a crash instead of the request.
    result_url = models.TextField(blank=True, default="")
    status = models.CharField(
        max_length=16, choices=FetchStatus.choices, default=FetchStatus.PENDING
    )
    attempt = models.IntegerField(default=0)
    # The column keeps its first name: clusters of the version before go on beside new ones.
    response_head = models.JSONField(null=True, blank=True, db_column="response")
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
