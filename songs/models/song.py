"""Songs and their categories."""

from __future__ import annotations

import uuid
from base64 import b64encode
from datetime import timedelta
from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Now
from django.utils import timezone

from jobs.api import excerpt, new_id
from songs.models.account import User

DESCRIPTION_LIMIT = 2000  # characters, as are the next three
STYLE_LIMIT = 300
TITLE_LIMIT = 80
LYRICS_LIMIT = 3000
DRAWN_WITHIN = timedelta(minutes=2)  # a page waits for a waveform no longer
GUIDANCE = (0.0, 30.0)
DURATION = (10.0, 240.0)


class Category(models.Model):
    """A category. `name` is as first written; `folded`, its case-folded form, is unique."""

    name = models.CharField(max_length=40)
    folded = models.CharField(max_length=80, unique=True, editable=False)
    # How many public songs have it, as of the last count (see sharing/chores.py).
    published = models.IntegerField(db_default=0, editable=False)

    class Meta:
        verbose_name_plural = "categories"
        ordering = ["folded"]
        indexes = [
            models.Index(
                fields=["-published"], name="songs_category_published", condition=Q(published__gt=0)
            )
        ]

    def __str__(self) -> str:
        return self.name


class SongStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    PROCESSING = "processing", "Being made"
    PROCESSED = "processed", "Ready"
    FAILED = "failed", "Failed"
    NO_CREDITS = "no credits", "No credits"
    CANCELLED = "cancelled", "Cancelled"


IN_THE_MAKING = [SongStatus.QUEUED, SongStatus.PROCESSING]
UNSUCCESSFUL = [SongStatus.FAILED, SongStatus.NO_CREDITS, SongStatus.CANCELLED]


class Way(models.TextChoices):
    """How a listener asks for a song. Each way has an endpoint of its own (see music.py)."""

    DESCRIPTION = "description", "Describe the song"
    LYRICS = "lyrics", "Write the lyrics"
    DESCRIBED_LYRICS = "described_lyrics", "Describe the lyrics"


class SongQuerySet(models.QuerySet["Song"]):
    def owned_by(self, user: User) -> SongQuerySet:
        """The listener's songs, without those that the listener has deleted."""
        return self.filter(owner=user, deleted_at=None)

    def in_the_making(self) -> SongQuerySet:
        return self.filter(status__in=IN_THE_MAKING)

    def finished(self) -> SongQuerySet:
        return self.exclude(status__in=IN_THE_MAKING)

    def processed(self) -> SongQuerySet:
        return self.filter(status=SongStatus.PROCESSED)


SongManager = models.Manager.from_queryset(SongQuerySet)


class Song(models.Model):
    """A listener's wish and, once the song is made, the keys of its files."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="songs")
    title = models.CharField(max_length=TITLE_LIMIT, blank=True, default="")
    # What the listener said: a description, or style tags (`prompt`) and one of the two kinds of
    # lyrics. The names are those of the endpoints' requests; the others are empty (see `way`).
    full_described_song = models.TextField(
        "description", max_length=DESCRIPTION_LIMIT, blank=True, default=""
    )
    prompt = models.CharField(
        "style tags", max_length=STYLE_LIMIT, blank=True, default="", db_default=""
    )
    lyrics = models.TextField(max_length=LYRICS_LIMIT, blank=True, default="", db_default="")
    described_lyrics = models.TextField(
        max_length=DESCRIPTION_LIMIT, blank=True, default="", db_default=""
    )
    guidance_scale = models.FloatField(
        default=15.0, validators=[MinValueValidator(GUIDANCE[0]), MaxValueValidator(GUIDANCE[1])]
    )
    audio_duration = models.FloatField(
        "duration in seconds",
        default=60.0,
        validators=[MinValueValidator(DURATION[0]), MaxValueValidator(DURATION[1])],
    )
    instrumental = models.BooleanField(default=False)
    seed = models.BigIntegerField(validators=[MinValueValidator(0)])

    status = models.CharField(max_length=16, choices=SongStatus.choices, default=SongStatus.QUEUED)
    reason = models.CharField(
        "reason shown to the listener", max_length=300, blank=True, default=""
    )
    s3_key = models.CharField("audio key", max_length=200, blank=True, default="")
    thumbnail_s3_key = models.CharField("cover key", max_length=200, blank=True, default="")
    categories = models.ManyToManyField(Category, related_name="songs", blank=True)
    # Files of replies that were removed because the song had not used them (see unmade.py).
    removed_files = models.JSONField(
        default=list, db_default=Value([], models.JSONField()), editable=False
    )
    # The waveform, a byte a bar. Null: not drawn yet; empty: cannot be drawn (see waveform.py).
    peaks = models.BinaryField(null=True, editable=False)

    # The id of the first song of the wish. A second try has the same wish, so that the two are
    # charged once. Null, in old rows, means the song's own id.
    wish = models.UUIDField(null=True, editable=False)
    # For a second try it is derived from the first song's id, so that a song has one second try.
    # jobs/control/form_submissions.py knows which form ordered which song.
    form_token = models.UUIDField(default=uuid.uuid4, editable=False)
    # The engine's event. There is no foreign key: the apps share no schema.
    event_id = models.UUIDField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())
    # When its turn came; null while it is in line, and in rows of an earlier version.
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)
    # The listener has deleted it and may undo that for a minute (see deletion.py).
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[SongManager] = SongManager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="songs_song_library"),
            models.Index(fields=["event_id"], name="songs_song_event"),
            # For the songs that name a file (see files.py).
            models.Index(fields=["s3_key"], name="songs_song_audio"),
            models.Index(fields=["thumbnail_s3_key"], name="songs_song_cover"),
            models.Index(
                fields=["owner"], name="songs_song_making", condition=Q(status__in=IN_THE_MAKING)
            ),
            models.Index(
                fields=["-finished_at"],
                name="songs_song_newest",
                condition=Q(status=SongStatus.PROCESSED),
            ),
            # For the function that draws waveforms, and for what can be undone.
            models.Index(
                fields=["-id"],
                name="songs_song_undrawn",
                condition=Q(status=SongStatus.PROCESSED, peaks=None),
            ),
            models.Index(
                fields=["owner", "-deleted_at"],
                name="songs_song_deleted",
                condition=Q(deleted_at__isnull=False),
            ),
            # For the panel: the newest that did not work.
            models.Index(
                fields=["status", "-id"],
                name="songs_song_unsuccessful",
                condition=Q(status__in=UNSUCCESSFUL),
            ),
            # For the panel's search: the words of the title.
            GinIndex(SearchVector("title", config="simple"), name="songs_song_words"),
        ]
        permissions = [
            ("listen_song", "Can listen to the songs of listeners"),
            ("make_again_song", "Can have a song made again for its listener"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["owner", "form_token"], name="songs_song_one_a_form"),
            models.CheckConstraint(
                condition=Q(guidance_scale__range=GUIDANCE), name="songs_song_guidance_range"
            ),
            models.CheckConstraint(
                condition=Q(audio_duration__range=DURATION), name="songs_song_duration_range"
            ),
            models.CheckConstraint(
                condition=~Q(status=SongStatus.PROCESSED) | ~Q(s3_key=""),
                name="songs_song_processed_has_audio",
            ),
        ]

    def __str__(self) -> str:
        return self.title or excerpt(self.wording, 60)

    @property
    def way(self) -> Way:
        if self.full_described_song:
            return Way.DESCRIPTION
        return Way.LYRICS if self.lyrics else Way.DESCRIBED_LYRICS

    @property
    def wording(self) -> str:
        """What the listener wrote, whichever way it was asked for."""
        return self.full_described_song or self.lyrics or self.described_lyrics

    @property
    def wish_id(self) -> uuid.UUID:
        return self.wish or self.id

    @property
    def waveform(self) -> str:
        """The peaks as base64, for the pages; empty if there are none."""
        return b64encode(bytes(self.peaks or b"")).decode()

    @property
    def is_being_drawn(self) -> bool:
        """Whether its waveform is about to come: the song has arrived a moment ago."""
        if not self.is_processed or self.peaks is not None or self.finished_at is None:
            return False
        return timezone.now() - self.finished_at < DRAWN_WITHIN

    @property
    def is_in_the_making(self) -> bool:
        return self.status in IN_THE_MAKING

    @property
    def is_processed(self) -> bool:
        return self.status == SongStatus.PROCESSED

    @property
    def can_be_tried_again(self) -> bool:
        return self.status in UNSUCCESSFUL
