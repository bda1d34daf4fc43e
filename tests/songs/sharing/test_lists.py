"""Discover: all public songs or those of a category, the most liked lately or the newest first."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.utils.html import escape
from django.utils.http import http_date

from songs.models import Category, Song, User
from songs.sharing import likes, listings, publishing, tally
from songs.sharing.chores import count_categories
from songs.sharing.discover import ON_LANDING
from songs.sharing.listings import A_PAGE, Order
from tests.songs.sharing.sharing import public, publish_earlier
from tests.support.cast import listener

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def titles(client: Client, address: str = "/discover/") -> list[str]:
    page = client.get(address).content.decode()
    return re.findall(r"<h3><a [^>]*><bdi>(.*?)</bdi>", page)


def test_what_was_liked_lately_comes_first(alice: User, bob: User, client) -> None:
    old, liked, new = (public(alice, title=title) for title in ("Old", "Liked", "New"))
    publish_earlier(old, 10 * DAY)
    publish_earlier(liked, 2 * DAY)
    for fan in (bob, listener("carla"), listener("dario")):
        likes.like(liked, fan)
    assert titles(client) == ["New", "Liked", "Old"]  # until the tally
    tally.add_changes()
    assert titles(client) == ["Liked", "New", "Old"]
    assert titles(client, "/discover/?order=new") == ["New", "Liked", "Old"]
    assert new.pk == listings.page(Order.NEWEST).publications[0].pk


def test_a_category_lists_its_songs_alone(alice: User, client) -> None:
    public(alice, "Waltz", "Piano", title="One")
    public(alice, "Polka", title="Two")
    assert titles(client, "/discover/?category=waltz") == ["One"]
    assert titles(client, "/discover/?category=polka&order=new") == ["Two"]


@pytest.mark.parametrize(
    ("spelled", "leads_to"),
    [
        ("Piano", "?category=piano"),
        (" PIANO ", "?category=piano"),
        ("P\uff29ano&order=new", "?category=piano&order=new"),
        ("piano\x00", ""),
        ("Hip  Hop&after=1.5_" + "0" * 32, "?category=hip+hop&after=1.5_" + "0" * 32),
        ("STRASSE", "?category=strasse"),
        ("straße", "?category=strasse"),
    ],
)
def test_a_category_has_one_address_and_other_spellings_lead_there(
    alice: User, client, spelled: str, leads_to: str
) -> None:
    public(alice, "Piano", "Hip Hop", "Straße", title="One")
    answer = client.get(f"/discover/?category={spelled}")
    if not leads_to:
        assert answer.status_code == 400  # a NUL is refused at the door
        return
    assert (answer.status_code, answer["Location"]) == (302, f"/discover/{leads_to}")
    assert client.get(answer["Location"]).status_code == 200
    assert client.get(f"/discover/feed.xml?category={spelled}").status_code == 200


@pytest.mark.parametrize(
    "name", ["tango", "Tango", "<script>", "\u202eognat", "🪩", "x" * 5000, "%", "' OR 1=1"]
)
def test_an_unknown_category_is_a_page_with_the_known_ones(alice: User, client, name: str) -> None:
    public(alice, "Piano", title="One")
    count_categories()
    answer = client.get("/discover/", {"category": name})
    page = answer.content.decode()
    assert answer.status_code == 404
    assert escape(name[:40]) in page
    assert 'href="/discover/?category=piano"' in page
    assert len(page) < 20_000
    assert client.get("/discover/feed.xml", {"category": name}).status_code == 404


def test_pages_show_each_song_once_whatever_is_published_meanwhile(alice: User, client) -> None:
    for number in range(2 * A_PAGE + 1):
        public(alice, "Waltz", title=f"Song {number}")
    for order in Order:
        address, seen = f"/discover/?category=waltz&order={order.value}", []
        while address:
            page = client.get(address)
            seen += titles(client, address)
            address = page.context["next"] and f"/discover/{page.context['next']}"
            public(alice, "Waltz", title="Published meanwhile")
        expected = [f"Song {number}" for number in range(2 * A_PAGE, -1, -1)]
        assert [title for title in seen if title.startswith("Song")] == expected


@pytest.mark.parametrize(
    "after",
    [
        "x",
        "1_2",
        "-_",
        "nan_" + "0" * 32,
        "9" * 18 + "_" + "0" * 32,
        "1.5_" + "f" * 32,
        "1",
    ],
)
@pytest.mark.parametrize("order", ["liked", "new", "odd", ""])
def test_no_place_and_no_order_is_an_error(alice: User, client, after: str, order: str) -> None:
    public(alice, title="One")
    answer = client.get("/discover/", {"after": after, "order": order})
    assert answer.status_code == 200
    assert titles(client) == ["One"]


def test_the_landing_page_plays_three_songs_before_it_asks(alice: User, client) -> None:
    for number in range(4):
        public(alice, title=f"Song {number}")
    page = client.get("/").content.decode()
    assert page.count(" data-play ") == ON_LANDING == 3
    asks = page.index("Make your first song")
    assert page.rindex(" data-play ") < asks
    assert "Song 0" not in page


@pytest.mark.parametrize("sign_up", ["closed", "open"])
def test_strangers_are_led_to_sign_up_where_it_is_open_alone(
    alice: User, client, settings, sign_up: str
) -> None:
    settings.SIGN_UP = sign_up
    heard = public(alice, title="One")
    for path in ("/", f"/listen/{heard.pk}/"):
        page = client.get(path).content.decode()
        main = page[page.index("<main") :]
        assert ("/accounts/signup/" in page) == (sign_up == "open"), path
        assert ("Make your first song" in main) == (sign_up == "open"), path
        assert "/accounts/login/" in page
        assert "/discover/" in main


def test_without_a_public_song_the_landing_page_is_whole(client) -> None:
    page = client.get("/").content.decode()
    assert "Make your first song" in page
    assert " data-play " not in page


def test_discover_offers_the_categories_with_the_most_songs(alice: User, client) -> None:
    for number in range(2):
        public(alice, "Waltz", title=f"{number}")
    gone = public(alice, "Waltz", "Polka")
    public(alice, "Piano")
    publishing.withdraw(gone.song)
    assert count_categories() == 2
    counts = dict(Category.objects.values_list("name", "published"))
    assert counts == {"Waltz": 2, "Piano": 1, "Polka": 0}
    offered = client.get("/discover/").context["categories"]
    assert [str(category) for category in offered] == ["Waltz", "Piano"]
    assert count_categories() == 0


def test_the_feed_lists_the_newest_songs_with_absolute_links(alice: User, client) -> None:
    public(alice, "Polka", title="Two")
    song = public(alice, "Waltz", title="One")
    answer = client.get("/discover/feed.xml?category=waltz", HTTP_HOST="localhost")
    assert answer["Content-Type"] == "application/rss+xml; charset=utf-8"
    channel = ElementTree.fromstring(answer.content).find("channel")
    [item] = channel.findall("item")
    assert item.findtext("title") == "One, by Alma"
    assert item.findtext("link") == f"http://localhost/listen/{song.pk}/"
    assert [category.text for category in item.findall("category")] == ["Waltz"]
    assert parse_qs(urlsplit(channel.findtext("link")).query)["category"] == ["waltz"]
    everything = client.get("/discover/feed.xml").content.decode()
    assert everything.index("One, by") < everything.index("Two, by")
    assert client.get("/discover/feed.xml?category=tango").status_code == 404


def test_an_item_of_the_feed_has_the_songs_audio_and_no_file_is_read_for_that(
    alice: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = public(alice, title="One")
    odd = public(alice, title="Two")
    Song.objects.filter(pk=odd.pk).update(s3_key="two.html")
    for name in ("open", "size", "exists", "path"):
        monkeypatch.setattr(default_storage, name, None)  # no file is looked at
    answer = client.get("/discover/feed.xml", HTTP_HOST="localhost")
    items = ElementTree.fromstring(answer.content).iterfind("channel/item")
    found = {
        item.findtext("title"): [e.attrib for e in item.iterfind("enclosure")] for item in items
    }
    address = f"http://localhost/listen/{song.pk}/audio"
    assert found == {
        "One, by Alma": [{"url": address, "length": "0", "type": "audio/mpeg"}],
        "Two, by Alma": [],
    }
    monkeypatch.undo()
    heard = client.get(address)
    heard.close()
    assert (heard.status_code, heard["Content-Type"]) == (200, "audio/mpeg")


def test_a_program_that_has_the_feed_is_answered_anew_when_a_song_is_another_file(
    alice: User, client: Client
) -> None:
    song = public(alice, title="One")
    first = client.get("/discover/feed.xml")
    Song.objects.filter(pk=song.pk).update(s3_key="one.ogg")
    again = client.get("/discover/feed.xml", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 200
    assert 'type="audio/ogg"' in again.content.decode()


@pytest.mark.parametrize(
    "address", ["/discover/feed.xml", "/discover/feed.xml?category=waltz", "/sitemap-songs.xml"]
)
def test_a_program_that_has_the_feed_already_is_answered_with_304_until_a_song_comes_or_goes(
    alice: User, client: Client, address: str
) -> None:
    def again(answer: Any) -> Any:
        known = {"If-None-Match": answer["ETag"], "If-Modified-Since": http_date()}
        return client.get(address, headers=known)

    song = public(alice, "Waltz", title="One")
    first = client.get(address)
    unchanged = again(first)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged["ETag"] == first["ETag"] == client.head(address)["ETag"]
    assert unchanged["Content-Length"] == first["Content-Length"] == str(len(first.content))
    public(alice, "Waltz", title="Two")
    second = again(first)
    assert second.status_code == 200
    publishing.withdraw(song.song)
    assert again(second).status_code == 200


def test_a_song_that_was_withdrawn_is_noticed_by_a_program_that_knows_dates_alone(
    alice: User, client: Client
) -> None:
    """The newest of the songs that are left is older than the date that the program names."""
    public(alice, title="One")
    publishing.withdraw(public(alice, title="Two").song)
    for address in ("/discover/feed.xml", "/sitemap.xml", "/sitemap-songs.xml"):
        answer = client.get(address, headers={"If-Modified-Since": http_date()})
        assert (answer.status_code, "Last-Modified" in answer) == (200, False)
