"""The product's shape, as small as it can be: a listener with credits, a song, a charge for it."""

# ruff: noqa: DJ008 (nobody reads these rows)
from __future__ import annotations

from django.db import models


class Listener(models.Model):
    credits = models.IntegerField(default=0)


class Song(models.Model):
    owner = models.ForeignKey(Listener, on_delete=models.CASCADE)
    status = models.CharField(max_length=16, default="queued")
    delay = models.FloatField(help_text="seconds that the endpoint takes for it")
    s3_key = models.CharField(max_length=200, blank=True, default="")
    started_at = models.DateTimeField(null=True)


class Order(models.Model):
    """Written with the order and never again: its transaction's commit is when it was accepted."""

    song = models.OneToOneField(Song, on_delete=models.CASCADE, primary_key=True)


class Charge(models.Model):
    song = models.OneToOneField(Song, on_delete=models.CASCADE)
    amount = models.IntegerField()
