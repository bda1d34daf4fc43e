"""What search engines find: public songs and the lists of them, and no page of an account."""

from __future__ import annotations

import re
from urllib import robotparser
from xml.etree import ElementTree

import pytest
from django.test import Client
from django.urls import reverse

from songs.models import User
from songs.sharing import publishing, sitemaps
from songs.sharing.chores import count_categories
from tests.songs.sharing.sharing import a_song_with_files, public

pytestmark = pytest.mark.django_db
NAMES = {"of": "http://www.sitemaps.org/schemas/sitemap/0.9"}


def locations(client: Client, path: str) -> list[str]:
    answer = client.get(path, HTTP_HOST="localhost")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/xml")
    places = ElementTree.fromstring(answer.content).findall(".//of:loc", NAMES)
    return [(place.text or "").removeprefix("http://localhost") for place in places]


def test_the_sitemap_lists_public_songs_and_no_others(alice: User, client: Client) -> None:
    a_song_with_files(alice, title="Private")
    shown, hidden, taken_down = (public(alice, title=name) for name in ("A", "B", "C"))
    publishing.withdraw(hidden.song)
    publishing.take_down(taken_down, why="a copy", by=alice)
    assert locations(client, "/sitemap.xml") == ["/sitemap-lists.xml", "/sitemap-songs.xml"]
    assert locations(client, "/sitemap-songs.xml") == [f"/listen/{shown.pk}/"]
    User.objects.update(is_active=False)
    assert locations(client, "/sitemap-songs.xml") == []


def test_each_page_of_the_sitemap_lists_other_songs(
    alice: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitemaps.PublicSongs, "limit", 2)
    monkeypatch.setattr(sitemaps, "MAX_SONGS", 5)
    songs = [public(alice, title=f"{number}") for number in range(6)]
    pages = locations(client, "/sitemap.xml")
    assert pages[1:] == ["/sitemap-songs.xml", "/sitemap-songs.xml?p=2", "/sitemap-songs.xml?p=3"]
    found = [where for page in pages[1:] for where in locations(client, page)]
    assert found == [f"/listen/{song.pk}/" for song in reversed(songs[1:])]


@pytest.mark.parametrize(
    "path", ["/sitemap-songs.xml?p=99", "/sitemap-songs.xml?p=x", "/sitemap-users.xml"]
)
def test_a_page_of_the_sitemap_that_is_none_is_a_404(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_lists_of_categories_are_in_the_sitemap(alice: User, client: Client) -> None:
    public(alice, "Drum & Bass", title="A")
    count_categories()
    found = locations(client, "/sitemap-lists.xml")
    assert found == [
        "/",
        "/discover/",
        "/discover/?order=new",
        "/discover/?category=drum+%26+bass",
    ]
    for path in found:
        page = client.get(path, HTTP_HOST="localhost").content.decode()
        assert f'<link rel="canonical" href="http://localhost{path}">' in page


def test_robots_are_led_to_the_sitemap_and_away_from_private_pages(
    alice: User, client: Client
) -> None:
    song = public(alice, title="A").song
    answer = client.get("/robots.txt", HTTP_HOST="localhost")
    assert answer["Content-Type"] == "text/plain"
    text = answer.content.decode()
    assert "\nSitemap: http://localhost/sitemap.xml\n" in text
    rules = robotparser.RobotFileParser()
    rules.parse(text.splitlines())
    open_ones = ["/", "/discover/", reverse("public-song", args=[song.pk]), "/sitemap.xml"]
    private = [
        "/admin/",
        "/songs/",
        f"/songs/{song.pk}/",
        f"/songs/{song.pk}/audio",
        "/accounts/",
        "/accounts/credits/",
        "/accounts/login/",
        "/health/ready",
    ]
    assert [path for path in open_ones if not rules.can_fetch("*", path)] == []
    assert [path for path in private if rules.can_fetch("*", path)] == []


def test_a_link_to_a_list_is_shown_with_its_name_and_a_cover(alice: User, client: Client) -> None:
    evil = public(alice, 'Wal"tz<b>', title='"><script>')
    for path, title in (
        ("/", "Describe a song, hear it"),
        ("/discover/?category=wal%22tz%3Cb%3E", "Wal&quot;tz&lt;b&gt;"),
    ):
        page = client.get(path, HTTP_HOST="localhost").content.decode()
        said = dict(re.findall(r'<meta property="og:(\S+)" content="(.*?)">', page))
        assert said["title"] == title
        assert said["image"] == f"http://localhost/listen/{evil.pk}/cover"
        assert said["url"].startswith("http://localhost/")
        assert "<script>" not in page.replace("<script src=", "")
