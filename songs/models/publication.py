"""Published songs, and their places in the lists of the page “Discover”."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from songs.models.account import User
from songs.models.song import Category, Song

BYLINE_LIMIT = 60
TAKE_DOWN_LIMIT = 300


class PublicationQuerySet(models.QuerySet["Publication"]):
    def public(self) -> PublicationQuerySet:
        """Those that strangers may see. A closed account's songs are not among them."""
        return self.filter(is_public=True, taken_down_at=None, song__owner__is_active=True)

    def reported(self) -> PublicationQuerySet:
        """With a report that is open."""
        return self.filter(reported_at__isnull=False)


PublicationManager = models.Manager.from_queryset(PublicationQuerySet)


class Publication(models.Model):
    """What a listener's publishing of a song has made of it. Only songs/sharing writes it.

    A withdrawn song keeps its row, with its likes and its first date: publishing it again must not
    make it look new.
    """

    song = models.OneToOneField(
        Song, primary_key=True, on_delete=models.CASCADE, related_name="publication"
    )
    byline = models.CharField("name shown with it", max_length=BYLINE_LIMIT, blank=True, default="")
    is_public = models.BooleanField(default=True)  # as its listener wants it
    published_at = models.DateTimeField(db_default=Now())
    # As of the last tally (see sharing/tally.py); `sharing.counts` adds what came since.
    likes = models.IntegerField(default=0)
    plays = models.IntegerField(default=0)
    heat = models.FloatField()  # how much it was liked lately (see sharing/heat.py)

    reported_at = models.DateTimeField("last reported", null=True, blank=True)  # null: none is open
    taken_down_at = models.DateTimeField(null=True, blank=True)
    taken_down_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    taken_down_why = models.CharField(max_length=TAKE_DOWN_LIMIT, blank=True, default="")

    objects: ClassVar[PublicationManager] = PublicationManager()

    class Meta:
        verbose_name = "published song"
        ordering = ["-published_at"]
        indexes = [
            # For the panel: what is reported, what was taken down, and the newest of all.
            models.Index(
                fields=["-reported_at"],
                name="songs_publication_reported",
                condition=Q(reported_at__isnull=False),
            ),
            models.Index(
                fields=["-taken_down_at"],
                name="songs_publication_taken_down",
                condition=Q(taken_down_at__isnull=False),
            ),
            models.Index(fields=["-published_at"], name="songs_publication_newest"),
        ]
        permissions = [("take_down_song", "Can take down published songs, and put them back")]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """The title as strangers see it: never the listener's words, as `str(song)` may be."""
        return self.song.title or "Untitled"

    @property
    def by(self) -> str:
        return self.byline or "a listener"

    @property
    def is_taken_down(self) -> bool:
        return self.taken_down_at is not None

    @property
    def is_shown(self) -> bool:
        return self.is_public and not self.is_taken_down


class Listing(models.Model):
    """A place of a public song in the lists: one in that of all songs (without a category), and one
    in that of each of its categories.

    The columns of each order are copied here, so that one index answers each list. The list of all
    songs has indexes of its own: PostgreSQL would sort what it finds under `category IS NULL`.
    """

    publication = models.ForeignKey(
        Publication, on_delete=models.CASCADE, related_name="listings", db_index=False
    )
    category = models.ForeignKey(
        Category, on_delete=models.CASCADE, null=True, related_name="listings", db_index=False
    )
    published_at = models.DateTimeField()
    heat = models.FloatField()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["-heat", "-publication"],
                name="songs_listing_liked",
                condition=Q(category__isnull=True),
            ),
            models.Index(
                fields=["-published_at", "-publication"],
                name="songs_listing_newest",
                condition=Q(category__isnull=True),
            ),
            models.Index(
                fields=["category", "-heat", "-publication"],
                name="songs_listing_category_liked",
                condition=Q(category__isnull=False),
            ),
            models.Index(
                fields=["category", "-published_at", "-publication"],
                name="songs_listing_category_newest",
                condition=Q(category__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["publication", "category"], name="songs_listing_one_a_category"
            ),
            models.UniqueConstraint(
                fields=["publication"],
                name="songs_listing_one_among_all",
                condition=Q(category__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.publication_id} in {self.category_id or 'all'}"
