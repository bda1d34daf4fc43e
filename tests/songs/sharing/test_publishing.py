"""A listener publishes a song and makes it private again. What is not public is reachable by its
listener alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from songs import closing
from songs.deletion import delete_song
from songs.functions import keep
from songs.models import Like, Listing, Publication, Report, Song, SongStatus, User
from songs.music import Music
from songs.sharing import likes, publishing, reports
from tests.songs.conftest import as_
from tests.songs.sharing.sharing import (
    SECRET,
    a_song_with_files,
    in_categories,
    public,
)
from tests.support.cast import a_song
from tests.support.functions import at_once

pytestmark = pytest.mark.django_db
FORM = {"title": "Elegy", "byline": "Alma"}
PAGES = ("", "audio", "cover", "report")
POSTS = ("like", "play", "report")


def address(song: Song | Publication, page: str = "") -> str:
    return f"/listen/{song.pk}/{page}"


def test_a_published_song_is_there_for_strangers(alice: User, alices: Client, client) -> None:
    song = in_categories(a_song_with_files(alice), "Waltz")
    answer = alices.post(f"/songs/{song.pk}/publish", FORM)
    assert (answer.status_code, answer["Location"]) == (303, f"/songs/{song.pk}/")
    page = client.get(address(song)).content.decode()
    for shown in ("Elegy", "Alma", "Waltz", address(song, "cover"), address(song, "audio")):
        assert shown in page
    assert b"".join(client.get(address(song, "audio")).streaming_content)[:5] == b"sound"
    assert b"".join(client.get(address(song, "cover")).streaming_content) == b"a picture"
    assert address(song) in alices.get(f"/songs/{song.pk}/").content.decode()


def test_the_open_graph_names_absolute_addresses(alice: User, client) -> None:
    song = public(alice, "Waltz")
    page = client.get(address(song), HTTP_HOST="localhost").content.decode()
    for name, value in {
        "og:title": "Elegy",
        "og:description": "A song by Alma: Waltz",
        "og:url": f"http://localhost{address(song)}",
        "og:image": f"http://localhost{address(song, 'cover')}",
        "og:audio": f"http://localhost{address(song, 'audio')}",
    }.items():
        assert f'<meta property="{name}" content="{value}">' in page


def test_no_public_page_shows_a_word_that_the_listener_asked_with(alice: User, bob: User) -> None:
    song = public(alice, "Waltz")
    Song.objects.filter(pk=song.pk).update(title="")  # an old row, of which str() shows the words
    for browser in (Client(), as_(bob)):
        for page in (address(song), address(song, "report"), "/discover/", "/discover/feed.xml"):
            answer = browser.get(page)
            assert answer.status_code == 200
            assert SECRET not in answer.content.decode(), page
        assert SECRET not in browser.get(address(song, "audio"))["Content-Disposition"]
    assert SECRET not in Client().get("/").content.decode()


def test_the_publish_button_says_what_is_shown(alice: User, alices: Client) -> None:
    page = alices.get(f"/songs/{a_song(alice).pk}/").content.decode()
    assert "It does not show the words that you asked with" in page
    assert 'aria-describedby="what-is-shown"' in page


@pytest.mark.parametrize("withdrawn", [False, True])
def test_what_is_not_public_is_not_there_for_others(alice: User, bob: User, withdrawn) -> None:
    song = public(alice).song if withdrawn else a_song_with_files(alice)
    if withdrawn:
        answer = as_(alice).post(f"/songs/{song.pk}/withdraw")
        assert answer.status_code == 303
    for browser in (Client(), as_(bob), as_(alice)):
        assert {browser.get(address(song, page)).status_code for page in PAGES} == {404}
        found = {browser.post(address(song, page)).status_code for page in POSTS}
        assert found <= {404, 302}  # a stranger is asked to sign in before a like
    for page in (f"/songs/{song.pk}/audio", f"/songs/{song.pk}/cover"):
        assert (Client().get(page).status_code, as_(bob).get(page).status_code) == (404, 404)
        assert as_(alice).get(page).status_code == 200
    assert not Listing.objects.exists()


def test_only_its_own_listener_publishes_a_song(alice: User, bobs: Client, client) -> None:
    song = a_song(alice)
    for act in ("publish", "withdraw"):
        assert bobs.post(f"/songs/{song.pk}/{act}", FORM).status_code == 404
        answer = client.post(f"/songs/{song.pk}/{act}", FORM)
        assert (answer.status_code, "/accounts/login/" in answer["Location"]) == (302, True)
    assert not Publication.objects.exists()


def test_a_get_publishes_and_withdraws_nothing(alice: User, alices: Client) -> None:
    song = a_song(alice)
    assert alices.get(f"/songs/{song.pk}/publish").status_code == 200
    assert not Publication.objects.exists()
    publishing.publish(song, title="Elegy", byline="")
    assert alices.get(f"/songs/{song.pk}/withdraw").status_code == 405
    assert Publication.objects.get().is_public


@pytest.mark.parametrize("status", [SongStatus.QUEUED, SongStatus.FAILED])
def test_a_song_that_is_not_finished_cannot_be_published(alice: User, alices: Client, status):
    song = a_song(alice, status=status)
    answer = alices.post(f"/songs/{song.pk}/publish", FORM)
    assert answer.status_code == 422
    assert "Only a finished song can be published." in answer.content.decode()
    assert not Publication.objects.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"title": ""}, "A public song needs a title."),
        ({"title": "\u200b\t"}, "A public song needs a title."),
        ({"title": "x" * 81}, "That title has 81 characters; 80 are allowed."),
        ({"byline": "y" * 61}, "That name has 61 characters; 60 are allowed."),
    ],
)
def test_what_was_typed_comes_back_with_a_sentence(
    alice: User, alices: Client, given: dict[str, str], said: str
) -> None:
    song = a_song(alice)
    answer = alices.post(f"/songs/{song.pk}/publish", {**FORM, **given})
    page = answer.content.decode()
    assert (answer.status_code, said in page) == (422, True)
    assert "Alma" in page or "byline" in given
    assert not Publication.objects.exists()


@pytest.mark.parametrize("title", ["<script>alert(1)</script>", "🎸 أغنية", "a\r\nb"])
def test_any_title_is_shown_as_text(alice: User, alices: Client, client, title: str) -> None:
    song = a_song_with_files(alice)
    alices.post(f"/songs/{song.pk}/publish", {"title": title, "byline": title})
    for page in (address(song), "/discover/", "/discover/feed.xml", "/"):
        text = client.get(page).content.decode()
        assert "<script>alert" not in text
        assert title.split()[0] in text or "&lt;script&gt;" in text


def test_a_name_that_is_an_address_is_not_offered(db) -> None:
    user = User.objects.create_user("alice@example.com")
    page = as_(user).get(f"/songs/{a_song(user).pk}/").content.decode()
    assert 'name="byline" maxlength="60"' in page
    assert 'value="alice@example.com"' not in page


def test_a_song_that_is_published_again_keeps_its_likes_and_its_date(alice, bob) -> None:
    first = public(alice)
    likes.like(first, bob)
    publishing.withdraw(first.song)
    again = publishing.publish(first.song, title="Elegy II", byline="")
    assert again.published_at == Publication.objects.get().published_at == first.published_at
    assert likes.has_liked(again, bob)
    assert Song.objects.get().title == "Elegy II"


def test_a_deleted_song_leaves_the_lists_with_its_likes_and_reports(alice, bob, client) -> None:
    song = public(alice, "Waltz")
    likes.like(song, bob)
    reports.report(song, "a stranger", kind="spam", words="", reporter=None)
    assert delete_song(song.song)
    for model in (Publication, Listing, Like, Report):
        assert not model.objects.exists()
    assert client.get(address(song)).status_code == 404
    assert "Elegy" not in client.get("/discover/").content.decode()


def test_the_songs_of_a_closed_account_are_not_public(alice: User, client) -> None:
    song = public(alice, "Waltz")
    closing.close(alice)
    assert {client.get(address(song, page)).status_code for page in PAGES} == {404}
    for page in ("/", "/discover/", "/discover/?category=waltz", "/discover/feed.xml"):
        assert "Elegy" not in client.get(page).content.decode()


def test_a_song_that_is_made_again_is_listed_in_its_new_categories(alice: User) -> None:
    song = public(alice, "Waltz").song
    keep(song, Music(audio_key="new.mp3", cover_key="new.png", categories=["Polka"]))
    listed = Listing.objects.exclude(category=None).values_list("category__name", flat=True)
    assert list(listed) == ["Polka"]


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_publish_at_once_publish_once(alice: User) -> None:
    song = in_categories(a_song_with_files(alice), "Waltz")
    browsers = [as_(alice), as_(alice)]

    def press(browser: Client) -> Any:
        return browser.post(f"/songs/{song.pk}/publish", FORM).status_code

    assert at_once(*[lambda b=b: press(b) for b in browsers]) == [303, 303]
    assert Publication.objects.count() == 1
    assert Listing.objects.count() == 2  # among all, and in its category


@pytest.mark.parametrize("typed", ["a\x07b", "a\x0bb", "a\ufffeb", "a\u202eb"])
def test_a_title_that_no_feed_could_hold_is_cleaned_where_it_is_typed(
    alice: User, alices: Client, client: Client, typed: str
) -> None:
    song = public(alice, title="Elegy").song
    alices.post(f"/songs/{song.pk}/rename", {"title": typed})
    song.refresh_from_db()
    assert song.title == "a b"
    Song.objects.filter(pk=song.pk).update(title=typed)  # one that was there before
    feed = client.get("/discover/feed.xml")
    assert feed.status_code == 200
    assert typed not in feed.content.decode()


@pytest.mark.parametrize("unseen", ["\u202e\u200b", "\u3164", "\u2800"])
def test_a_title_of_which_nothing_can_be_read_is_none(
    alice: User, alices: Client, unseen: str
) -> None:
    song = public(alice, title="Elegy").song
    answer = alices.post(f"/songs/{song.pk}/rename", {"title": unseen})
    assert "A song needs a title." in answer.content.decode()
    song.refresh_from_db()
    assert song.title == "Elegy"


def test_a_name_that_shows_nothing_is_a_listener(alice: User, alices: Client) -> None:
    song = a_song_with_files(alice)
    alices.post(f"/songs/{song.pk}/publish", {**FORM, "byline": "\u3164\u2800"})
    assert Publication.objects.get().byline == ""
