from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class HandOverNote(models.Model):
    """What an operator tells the next shift. The newest note is the one that counts, until its end;
    the earlier ones are kept."""

    text = models.CharField(max_length=2_000, blank=True)  # empty: nothing is to be told any more
    # The account's id, and its name as it was then; the account may be gone.
    by = models.CharField(max_length=64)
    by_name = models.CharField(max_length=150)
    at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField()

    class Meta:
        verbose_name = "hand-over note"
        ordering = ["-id"]
        default_permissions = ("add",)  # to see it, an account sees runs

    def __str__(self) -> str:
        return f"hand-over note {self.pk}"
