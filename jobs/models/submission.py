from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Submission(models.Model):
    """One sending of a form that moved money or started a run (form_submissions.py)."""

    token = models.UUIDField()
    action = models.CharField(max_length=100)
    asked = models.CharField(max_length=64)  # a digest of the content
    account = models.CharField(max_length=64)  # its id, as text
    # Empty only within the act's transaction.
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
