"""The page “Discover”: public songs by category, the most liked lately or the newest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from jobs.api import excerpt
from songs.models import Category, Publication
from songs.sharing import listings
from songs.sharing.counts import counts_of
from songs.sharing.listings import Order, Page

MOST_CATEGORIES = 16
ON_LANDING = 3


@require_safe
def discover(request: HttpRequest) -> HttpResponse:
    """An unknown category is a 404. An unknown order or place is the first one."""
    given = request.GET.get("order", "")
    order = Order(given) if given in Order.values else Order.LIKED
    category, largest = categories_of(asked_name(request))
    page = listings.page(order, category, request.GET.get("after", ""))
    context = {
        "at_discover": True,
        "cards": cards(page.publications),
        "orders": [(other, address(other, category), other == order) for other in Order],
        "categories": categories_beside(page, category, largest),
        "order": order,
        "category": category,
        "is_first": "after" not in request.GET,
        "first": address(order, category),
        "next": address(order, category, page.after) if page.after else "",
    }
    return render(request, "songs/sharing/discover.html", context)


def asked_name(request: HttpRequest) -> str:
    return request.GET.get("category", "").replace("\x00", "")


def asked_category(request: HttpRequest) -> Category | None:
    name = asked_name(request)
    return get_object_or_404(Category, folded=name) if name else None


def categories_of(name: str) -> tuple[Category | None, list[Category]]:
    """The asked category, and those with the most public songs: one query. Http404 for a name that
    no category has."""
    largest = Category.objects.filter(published__gt=0).order_by("-published")[:MOST_CATEGORIES]
    found = list(largest.union(Category.objects.filter(folded=name)) if name else largest)
    chosen = next((category for category in found if category.folded == name), None)
    if name and chosen is None:
        raise Http404(f"There is no category “{excerpt(name, 80)}”.")
    return chosen, sorted(found, key=lambda category: (-category.published, category.folded))


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
    return list(found)[:MOST_CATEGORIES]


def address(order: Order, category: Category | None = None, after: str = "") -> str:
    """The query string of a list."""
    asked = {
        "category": category.folded if category else "",
        "order": "" if order == Order.LIKED else order.value,
        "after": after,
    }
    return "?" + urlencode({name: value for name, value in asked.items() if value})
