"""The page “Discover”: public songs by category, the most liked lately or the newest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from jobs.api import excerpt
from songs import music
from songs.models import Category, Publication
from songs.sharing import listings
from songs.sharing.counts import counts_of
from songs.sharing.listings import Order, Page

MAX_CATEGORIES = 16
ON_LANDING = 3


@require_safe
def discover(request: HttpRequest) -> HttpResponse:
    """A list of public songs. An unknown order or place is the first one.

    A category has one address: other spellings of it lead there. An unknown category is a 404 with
    the categories that are known.
    """
    given, name = request.GET.get("order", ""), asked_name(request)
    order = Order(given) if given in Order.values else Order.LIKED
    category, largest = categories_of(name)
    if name and category is None:
        return unknown_category(request, name, largest)
    after = request.GET.get("after", "")
    if category is not None and category.folded != name:
        return HttpResponseRedirect(reverse("discover") + address(order, category, after))
    page = listings.page(order, category, after)
    context = {
        "at_discover": True,
        "cards": cards(page.publications),
        "here": reverse("discover") + address(order, category, after).rstrip("?"),
        "orders": [(other, address(other, category), other == order) for other in Order],
        "categories": categories_beside(page, category, largest),
        "order": order,
        "category": category,
        "is_first": not after,
        "first": address(order, category),
        "next": address(order, category, page.after) if page.after else "",
    }
    return render(request, "songs/sharing/discover.html", context)


def unknown_category(request: HttpRequest, name: str, largest: Sequence[Category]) -> HttpResponse:
    context = {"at_discover": True, "name": excerpt(name, 80), "categories": largest}
    return render(request, "songs/sharing/no_category.html", context, status=404)


def asked_name(request: HttpRequest) -> str:
    return request.GET.get("category", "").replace("\x00", "").strip()


def asked_category(request: HttpRequest) -> Category | None:
    """The category of the feed. Http404 for a name that no category has."""
    name = asked_name(request)
    category, _ = categories_of(name)
    if name and category is None:
        raise Http404(f"There is no category “{excerpt(name, 80)}”.")
    return category


def categories_of(name: str) -> tuple[Category | None, list[Category]]:
    """The category of this name, however it is spelled, and those with the most public songs: one
    query."""
    largest = Category.objects.filter(published__gt=0).order_by("-published")[:MAX_CATEGORIES]
    spellings = music.spellings(name)
    named = Category.objects.filter(folded__in=spellings)
    found = list(largest.union(named) if name else largest)
    fitting = [category for category in found if category.folded in spellings]
    chosen = min(fitting, key=lambda category: spellings.index(category.folded), default=None)
    found.sort(key=lambda category: (-category.published, category.folded))
    return chosen, found


def cards(publications: Sequence[Publication]) -> list[dict[str, Any]]:
    counts = counts_of(publications)
    return [
        {"publication": row, "song": row.song, "counts": counts[row.pk]} for row in publications
    ]


def cards_of_landing() -> list[dict[str, Any]]:
    """The songs that the landing page plays."""
    return cards(listings.hottest(ON_LANDING))


def categories_beside(
    page: Page, chosen: Category | None, largest: Sequence[Category]
) -> list[Category]:
    """The chosen category and the largest ones. While few are counted, those of the page's songs
    follow."""
    here = Counter(c for row in page.publications for c in row.song.categories.all())
    following = [category for category, _ in here.most_common()]
    found = dict.fromkeys([*([chosen] if chosen else []), *largest, *following])
    return list(found)[:MAX_CATEGORIES]


def address(order: Order, category: Category | None = None, after: str = "") -> str:
    """The query string of a list."""
    asked = {
        "category": category.folded if category else "",
        "order": "" if order == Order.LIKED else order.value,
        "after": after,
    }
    return "?" + urlencode({name: value for name, value in asked.items() if value})
