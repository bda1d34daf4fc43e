"""A listener's download of everything: one file, kept for a few days."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from jobs.api import new_id
from songs.models.account import User


class DownloadStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    MAKING = "making", "Being packed"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"


UNDER_WAY = [DownloadStatus.QUEUED, DownloadStatus.MAKING]
FOLDER = "downloads"  # of the store


class Download(models.Model):
    """A ZIP of a listener's songs, wishes and ledger, made by a run of the engine."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="downloads")
    status = models.CharField(
        max_length=16, choices=DownloadStatus.choices, default=DownloadStatus.QUEUED
    )
    done = models.IntegerField(default=0)  # songs
    total = models.IntegerField(default=0)
    size = models.BigIntegerField(null=True)  # bytes
    # The engine's event. There is no foreign key: the apps share no schema.
    event_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    ready_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)  # its file goes then

    class Meta:
        default_permissions = ()
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["expires_at"],
                name="songs_download_expiry",
                condition=Q(expires_at__isnull=False),
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["owner"],
                name="songs_download_one_at_a_time",
                condition=Q(status__in=UNDER_WAY),
            )
        ]

    def __str__(self) -> str:
        return f"download {self.id}"

    @property
    def key(self) -> str:
        """The name of its file in the store."""
        return f"{FOLDER}/{self.id}.zip"

    @property
    def is_under_way(self) -> bool:
        return self.status in UNDER_WAY

    @property
    def is_ready(self) -> bool:
        is_kept = self.expires_at is not None and self.expires_at > timezone.now()
        return self.status == DownloadStatus.READY and is_kept

    @property
    def state(self) -> str:
        """A text that changes when the page changes."""
        return f"{self.status}.{self.done}.{self.is_ready}"
