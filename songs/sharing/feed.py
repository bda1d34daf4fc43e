"""The newest public songs as RSS, all of them or those of a category (`?category=`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.syndication.views import Feed
from django.http import HttpRequest
from django.urls import reverse
from django.utils.feedgenerator import Enclosure, SyndicationFeed

from jobs.api import one_line
from songs.models import Category, Publication
from songs.sharing import listings
from songs.sharing.discover import asked_category
from songs.sharing.listings import Order
from songs.storage import audio_type


class NewestSongs(Feed):
    description = "The newest songs that listeners of MelodyMaker have published."

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Category | None:
        return asked_category(request)

    def title(self, category: Category | None) -> str:
        return f"{category.name} on MelodyMaker" if category else "New songs on MelodyMaker"

    def link(self, category: Category | None) -> str:
        asked = {"order": Order.NEWEST.value}
        if category:
            asked["category"] = category.folded
        return f"{reverse('discover')}?{urlencode(asked)}"

    def items(self, category: Category | None) -> Sequence[Publication]:
        return listings.page(Order.NEWEST, category).publications

    def item_title(self, item: Any) -> str:
        return one_line(f"{item.title}, by {item.by}")

    def item_description(self, item: Publication) -> str:
        return ", ".join(category.name for category in item.song.categories.all())

    def item_link(self, item: Publication) -> str:
        return reverse("public-song", args=[item.pk])

    def item_enclosures(self, item: Publication) -> list[Enclosure]:
        """The song itself. Its size is stored nowhere, and no file is read for a list: by the RSS
        Advisory Board's profile the length is 0 then."""
        kind = audio_type(item.song.s3_key)
        address = reverse("public-audio", args=[item.pk])
        return [Enclosure(url=address, length="0", mime_type=kind)] if kind else []

    def get_feed(self, obj: Category | None, request: HttpRequest) -> SyndicationFeed:
        """With whole addresses of the songs' files, of which Django gives the path alone."""
        feed = super().get_feed(obj, request)
        for item in feed.items:
            for enclosure in item["enclosures"]:
                enclosure.url = request.build_absolute_uri(enclosure.url)
        return feed

    def item_pubdate(self, item: Publication) -> datetime:
        return item.published_at

    def item_categories(self, item: Publication) -> list[str]:
        return [category.name for category in item.song.categories.all()]
