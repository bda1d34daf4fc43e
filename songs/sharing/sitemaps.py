"""What search engines may find: /sitemap.xml and /robots.txt.

1. The newest 50,000 public songs, 250 a page, and the categories with the most songs. So a page
   and the list of pages cost the same, however many songs are public.
2. A song whose listener's account was closed keeps its place in the lists until it is gone, and is
   left out here as everywhere.
3. Pages of accounts, the panel and files are closed to robots.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.sitemaps import Sitemap, views
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_safe

from songs.limits import limited
from songs.models import Category, Listing, Publication
from songs.sharing.discover import address
from songs.sharing.listings import Order
from songs.unchanged import unchanged_is_304

MAX_SONGS = 50_000
A_PAGE = 250
MAX_CATEGORIES = 500

Place = tuple[UUID, datetime]  # a public song and its first date


class PublicSongs(Sitemap):
    limit = A_PAGE

    def items(self) -> QuerySet[Listing, Place]:
        newest = Listing.objects.filter(category=None).order_by("-published_at", "-publication")
        return newest.values_list("publication", "published_at")[:MAX_SONGS]

    @property
    def paginator(self) -> ShownPages:
        return ShownPages(self.items(), self.limit)

    def location(self, item: Any) -> str:
        return reverse("public-song", args=[item[0]])

    def lastmod(self, item: Any) -> datetime:
        published: datetime = item[1]
        return published

    def get_latest_lastmod(self) -> datetime | None:
        return next((self.lastmod(item) for item in self.items()[:1]), None)


class ShownPages(Paginator):
    """Pages of the songs that strangers may see."""

    def page(self, number: int | str) -> Page[Any]:
        page = super().page(number)
        page.object_list = shown(list(page.object_list))
        return page


def shown(places: Sequence[Place]) -> list[Place]:
    ids = [song for song, _ in places]
    public = set(Publication.objects.public().filter(pk__in=ids).values_list("pk", flat=True))
    return [place for place in places if place[0] in public]


class Lists(Sitemap):
    """The landing page, and the lists of public songs."""

    def items(self) -> list[str]:
        most = Category.objects.filter(published__gt=0).order_by("-published")[:MAX_CATEGORIES]
        asked = ["", address(Order.NEWEST), *(address(Order.LIKED, row) for row in most)]
        return [reverse("home"), *(reverse("discover") + query.rstrip("?") for query in asked)]

    def location(self, item: str) -> str:
        return item


SITEMAPS: dict[str, type[Sitemap] | Sitemap] = {"lists": Lists, "songs": PublicSongs}


@require_safe
@limited("downloads")
@unchanged_is_304
def index(request: HttpRequest) -> HttpResponse:
    return views.index(request, SITEMAPS, sitemap_url_name="sitemap-section")


@require_safe
@limited("downloads")
@unchanged_is_304
def section(request: HttpRequest, section: str) -> HttpResponse:
    return views.sitemap(request, SITEMAPS, section=section)


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    context = {
        "closed": [reverse("admin:index"), "/accounts/", reverse("songs"), "/health/"],
        "sitemap": request.build_absolute_uri(reverse("sitemap-index")),
    }
    return HttpResponse(render_to_string("robots.txt", context), content_type="text/plain")
