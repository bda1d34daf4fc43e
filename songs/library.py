"""The listener's songs: searched, filtered, a page at a time; and what can still be undone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import render

from songs import deletion, music, search
from songs.models import IN_THE_MAKING, UNSUCCESSFUL, Category, Song, SongQuerySet, SongStatus, User
from songs.progress import Card, cards
from songs.requests import ListenerRequest, mine

A_PAGE = 24
MAX_WORDS = 8
MAX_CATEGORIES = 40
TEXTS = ("title", "full_described_song", "prompt", "lyrics", "described_lyrics")
STATES = {
    "ready": ("Ready", [SongStatus.PROCESSED]),
    "making": ("In the making", IN_THE_MAKING),
    "unmade": ("Not made", UNSUCCESSFUL),
}


@dataclass(frozen=True)
class Asked:
    """What the page was asked for. What it does not know is as if nothing had been chosen."""

    words: str = ""
    category: str = ""
    state: str = ""

    @classmethod
    def of(cls, query: QueryDict) -> Asked:
        state = query.get("status", "")
        return cls(
            words=search.cleaned(query.get("q", "")),
            category=search.cleaned(query.get("category", "")),
            state=state if state in STATES else "",
        )

    def __bool__(self) -> bool:
        return bool(self.words or self.category or self.state)

    def among(self, songs: SongQuerySet) -> SongQuerySet:
        """Those of a listener's songs that have all the words, the category and the state."""
        for word in self.words.split()[:MAX_WORDS]:
            has_word = (Q(**{f"{text}__icontains": word}) for text in TEXTS)
            songs = songs.filter(_any(has_word))
        if self.category:
            named = Category.objects.filter(folded__in=music.spellings(self.category))
            tagged = Song.categories.through.objects.filter(category__in=named)
            songs = songs.filter(pk__in=tagged.values("song"))
        if self.state:
            songs = songs.filter(status__in=STATES[self.state][1])
        return songs


def _any(conditions: Any) -> Q:
    either = Q()
    for condition in conditions:
        either |= condition
    return either


@login_required
def page(request: ListenerRequest) -> HttpResponse:
    asked = Asked.of(request.GET)
    found = asked.among(mine(request)).prefetch_related("categories")
    page = Paginator(found, A_PAGE).get_page(request.GET.get("page"))
    categories = list(categories_of(request.user))
    context = {
        "page": page,
        "asked": asked,
        "states": {key: label for key, (label, _) in STATES.items()},
        "categories": categories,
        "chosen": _chosen(asked, categories),
        "deleted": deletion.can_be_undone(request.user),
        **list_of(cards(request.user, page.object_list)),
    }
    return render(request, "songs/library.html", context)


def categories_of(user: User) -> QuerySet[Category, Category]:
    """The categories of the listener's songs, those of most songs first."""
    own = Category.objects.filter(songs__owner=user, songs__deleted_at=None)
    return own.annotate(count=Count("songs")).order_by("-count", "folded")[:MAX_CATEGORIES]


def _chosen(asked: Asked, categories: Iterable[Category]) -> str:
    """The category of the list that was asked for, however it was spelled."""
    spellings = music.spellings(asked.category)
    return next((row.folded for row in categories if row.folded in spellings), "")


def list_of(cards: list[Card]) -> dict[str, list[Card]]:
    return {"cards": cards, "watched": [card for card in cards if card.song.is_in_the_making]}
