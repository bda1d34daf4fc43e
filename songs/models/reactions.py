"""What listeners do with published songs: likes, plays and reports."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from songs.models.account import User
from songs.models.publication import Publication

REPORT_LIMIT = 500  # characters of a report's words
HEARER_LIMIT = 40


class Like(models.Model):
    """A listener likes a song, once."""

    publication = models.ForeignKey(
        Publication, on_delete=models.CASCADE, related_name="liked_by", db_index=False
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="likes")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["publication", "user"], name="songs_like_one_a_listener"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} likes {self.publication_id}"


class Play(models.Model):
    """When a hearer's play of a song was last counted. `hearer` is an account or a network, as an
    unreadable key (see sharing/hearers.py)."""

    publication = models.ForeignKey(
        Publication, on_delete=models.CASCADE, related_name="played_by", db_index=False
    )
    hearer = models.CharField(max_length=HEARER_LIMIT)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["at"], name="songs_play_old")]
        constraints = [
            models.UniqueConstraint(
                fields=["publication", "hearer"], name="songs_play_one_a_hearer"
            )
        ]

    def __str__(self) -> str:
        return f"{self.publication_id} at {self.at}"


class CountChange(models.Model):
    """A change of a song's counts that the next tally adds to its row.

    Likes and plays insert rows here. If each of them updated the song's row, the listeners of a
    popular song would wait for one another. There is no foreign key: the tally drops the changes of
    a song that was deleted.
    """

    song_id = models.UUIDField()
    likes = models.SmallIntegerField(default=0)
    plays = models.SmallIntegerField(default=0)
    at = models.DateTimeField(db_default=Now())  # of the like, also where it is taken back

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["song_id"], include=["likes", "plays"], name="songs_countchange_song"
            )
        ]

    def __str__(self) -> str:
        return f"{self.song_id}: {self.likes:+d} likes, {self.plays:+d} plays"


class ReportKind(models.TextChoices):
    COPY = "copy", "It copies another work"
    HATE = "hate", "It insults or threatens people"
    SEXUAL = "sexual", "It is sexual or violent"
    PRIVATE = "private", "It tells private things about a person"
    SPAM = "spam", "It is advertising"
    OTHER = "other", "Something else"


class Report(models.Model):
    """A listener or stranger says that a published song should not be here, once a song."""

    publication = models.ForeignKey(
        Publication, on_delete=models.CASCADE, related_name="reports", db_index=False
    )
    hearer = models.CharField(max_length=HEARER_LIMIT)
    reporter = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="reports")
    kind = models.CharField(max_length=16, choices=ReportKind.choices)
    words = models.CharField(max_length=REPORT_LIMIT, blank=True, default="")
    at = models.DateTimeField(db_default=Now())
    dealt_at = models.DateTimeField(null=True)  # null: open

    class Meta:
        default_permissions = ()
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["publication"], name="songs_report_open", condition=Q(dealt_at__isnull=True)
            ),
            models.Index(fields=["hearer", "at"], name="songs_report_limit"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["publication", "hearer"], name="songs_report_one_a_hearer"
            )
        ]

    def __str__(self) -> str:
        return self.get_kind_display()
