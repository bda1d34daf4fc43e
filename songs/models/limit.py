"""What operators have set of the limits, and how often each was reached (songs/limits)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from songs.limits.rules import RULES


class Limit(models.Model):
    """A limit by its name. Each rule of `songs.limits.rules` has a row, made after migrations."""

    name = models.CharField(max_length=32, unique=True)
    most = models.PositiveIntegerField(null=True, blank=True)  # null: the default of the settings

    class Meta:
        default_permissions = ("view", "change")
        ordering = ["name"]

    def __str__(self) -> str:
        return str(RULES.get(self.name, self.name))


class LimitCount(models.Model):
    """What one subject did within one window of a limit.

    `subject` is the id of an account, a network, or `*` for the whole site. `most` is the limit
    that held when it was counted last, null for none; `refused_most` the one that refused last, and
    `refused_count` how many there were then. Both are null where nothing was refused.
    """

    rule = models.CharField(max_length=32)
    subject = models.CharField(max_length=64)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    most = models.IntegerField(null=True)
    count = models.IntegerField()
    refused = models.IntegerField()  # how often more was asked for
    refused_at = models.DateTimeField(null=True)
    refused_count = models.IntegerField(null=True)
    refused_most = models.IntegerField(null=True)

    class Meta:
        default_permissions = ("view",)
        verbose_name = "refusal by a limit"
        verbose_name_plural = "refusals by limits"
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "subject", "starts_at"], name="songs_limitcount_one_a_window"
            )
        ]
        indexes = [
            # For the clearing by the clock, and for the panel. Neither has `count`: counting
            # touches no index.
            models.Index(fields=["ends_at"], name="songs_limitcount_ends"),
            models.Index(
                fields=["-refused_at"], name="songs_limitcount_refused", condition=Q(refused__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} of {self.subject}"
