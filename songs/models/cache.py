"""The table of the cache (see songs/cache.py)."""

from __future__ import annotations

from django.db import models


class CacheEntry(models.Model):
    """A value that all processes share until it expires: a count, or the times of some requests."""

    key = models.CharField(max_length=250, primary_key=True)
    value = models.JSONField()
    expires_at = models.DateTimeField(null=True, db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.key
