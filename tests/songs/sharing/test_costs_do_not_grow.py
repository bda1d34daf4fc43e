"""With 200,000 public songs the public pages send few statements, and each reads few pages: a list
reads one index, and its last page costs what its first one does. The library of a listener among
them reads that listener's songs alone."""

from __future__ import annotations

import itertools

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks.public_rows import publish_many, tidy_up
from songs.models import Category, Listing, Publication, Song, SongStatus, User
from songs.sharing import likes, plays, tally
from songs.sharing.chores import count_categories
from songs.sharing.listings import Order, _place
from tests.songs.conftest import as_
from tests.support.cast import listener
from tests.support.explain import Explained, explained

SONGS = 200_000
MAX_STATEMENTS = 10
# Of one statement: 24 songs by their keys, each with some categories, in trees of three levels.
MAX_PAGES = 250
MAX_OF_A_LIST = 8  # of the statement that reads a page of a list
# 50,000 entries of an index; what no vacuum has seen is looked up in the table, a page an entry.
MAX_OF_A_SITEMAP = 60_000
LIBRARY = 2_000  # songs of one listener
MAX_OF_A_LIBRARY = 12 * LIBRARY  # pages: each song and its categories, in trees of three levels
STATES = ("?status=ready", "?status=making", "?status=unmade", "?status=unmade&category=rare")
LIKES = "UPDATE songs_publication SET heat = heat + 3 * random() WHERE random() < 0.2"
PLACES = """
UPDATE songs_listing place SET heat = liked.heat
  FROM songs_publication liked
 WHERE liked.song_id = place.publication_id AND liked.heat <> place.heat
"""
INDEXES = {
    Order.LIKED: ("songs_listing_liked", "songs_listing_category_liked"),
    Order.NEWEST: ("songs_listing_newest", "songs_listing_category_newest"),
}


def deep(order: Order, category: int | None) -> str:
    """The place of the song in the middle of a list."""
    rows = Listing.objects.filter(category=category).order_by(f"-{order.column}", "-publication")
    values = rows.values_list("publication", order.column)
    return _place(*values[values.count() // 2])


def lists() -> dict[str, Order]:
    """The addresses of lists, with their orders: all songs, a large category, a rare one; the first
    page and one far down."""
    found: dict[str, Order] = {}
    for order in Order:
        for category in (None, "category 7", "rare"):
            of = Listing.objects.filter(category__folded=category) if category else None
            pk = of.values_list("category", flat=True)[0] if of is not None else None
            asked = f"/discover/?order={order.value}" + (
                f"&category={category}" if category else ""
            )
            found[asked] = order
            found[f"{asked}&after={deep(order, pk)}"] = order
    return found


def look(browser: Client, address: str) -> Explained:
    with transaction.atomic(), explained() as seen:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(address).status_code == 200
        # The text of a statement through the pipeline is not kept; it counts.
        sent = [sql for query in captured if is_counted(sql := query["sql"] or "a pipeline's")]
        assert len(sent) <= MAX_STATEMENTS, "\n".join([address, *sent])
    return seen


def is_counted(sql: str) -> bool:
    return not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK", "EXPLAIN"))


@pytest.mark.django_db(transaction=True)
def test_the_public_pages_cost_the_same_with_200_000_songs(alice: User) -> None:
    publish_many(alice, SONGS)
    count_categories()
    tidy_up()
    song = Publication.objects.order_by("pk")[SONGS // 2]
    others = [
        "/",
        "/discover/feed.xml",
        "/discover/feed.xml?category=rare",
        f"/listen/{song.pk}/",
        "/sitemap-lists.xml",
    ]
    bob = listener("bob")
    for browser in (Client(), as_(bob)):
        for address, order in (lists() | dict.fromkeys(others)).items():
            seen = look(browser, address)
            for statement, pages in seen.pages.items():
                assert pages <= MAX_PAGES, f"{address}\n{seen.story(statement)}"
                assert not seen.scanned(statement, ("songs_listing", "songs_publication"))
            if order:
                reads_its_index_alone(seen, INDEXES[order]["category=" in address])
    a_tally_reads_what_it_changes(song, bob)
    the_sitemap_reads_its_index()
    the_library_costs_what_its_listener_has(bob)
    many_likes_later_the_lists_cost_the_same()


def reads_its_index_alone(seen: Explained, index: str) -> None:
    [statement] = [sql for sql in seen.pages if 'FROM "songs_listing"' in sql]
    story = seen.story(statement)
    assert f"Index Only Scan {index} " in story, story
    assert not any(word in story for word in ("Sort", "Heap", "Bitmap")), story
    assert seen.pages[statement] <= MAX_OF_A_LIST, story


def a_tally_reads_what_it_changes(song: Publication, fan: User) -> None:
    with transaction.atomic(), explained() as seen:
        likes.like(song, fan)
        plays.count_play(song, "a hearer")
        tally.add_changes()
    for statement, pages in seen.pages.items():
        assert pages <= MAX_PAGES, seen.story(statement)


def the_sitemap_reads_its_index() -> None:
    for address in ("/sitemap.xml", "/sitemap-songs.xml?p=200"):
        seen = look(Client(), address)
        for statement, pages in seen.pages.items():
            story = seen.story(statement)
            assert pages <= MAX_OF_A_SITEMAP, story
            assert not seen.scanned(statement, ("songs_listing", "songs_publication", "songs_song"))


def the_library_costs_what_its_listener_has(bob: User) -> None:
    songs = Song.objects.bulk_create(
        Song(
            owner=bob, full_described_song=f"a waltz {n}", seed=n, status=status, s3_key=f"{n}.mp3"
        )
        for n, status in zip(range(LIBRARY), itertools.cycle(SongStatus.values))
    )
    tags, kinds = Song.categories.through, Category.objects.all()
    tags.objects.bulk_create(
        tags(song=song, category=kind)
        for n, song in enumerate(songs)
        for kind in (kinds[0], kinds[1 + n % 2])
    )
    tidy_up()
    browser = as_(bob)
    for asked in ("", "?page=84", "?q=waltz+19", "?category=category+1", *STATES):
        seen = look(browser, f"/songs/{asked}")
        for statement, pages in seen.pages.items():
            assert pages <= MAX_OF_A_LIBRARY, seen.story(statement)
            assert not seen.scanned(statement, ("songs_song",)), asked


def many_likes_later_the_lists_cost_the_same() -> None:
    """Before any vacuum: each like has left a dead entry at the head of a list's index."""
    with connection.cursor() as cursor:
        for _ in range(3):
            cursor.execute(LIKES)
            cursor.execute(PLACES)
    for address in lists():
        seen = look(Client(), address)
        for statement, pages in seen.pages.items():
            assert pages <= MAX_PAGES, f"{address}\n{seen.story(statement)}"
