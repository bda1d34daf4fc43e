"""Likes and plays: once for each listener, and counted without making listeners wait for one
another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from songs.deletion import delete_song
from songs.models import CountChange, Like, Listing, Play, Publication, User
from songs.sharing import likes, plays, tally
from songs.sharing.chores import keep_categories_and_plays, tally_reactions
from songs.sharing.counts import Counts, counts_of
from tests.songs.conftest import as_
from tests.songs.sharing.sharing import back, public
from tests.support.blocking import Uncommitted
from tests.support.cast import listener
from tests.support.functions import at_once, ran

pytestmark = pytest.mark.django_db
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def song(alice: User) -> Publication:
    return public(alice, "Waltz")


def counts(song: Publication) -> Counts:
    return counts_of([Publication.objects.get(pk=song.pk)])[song.pk]


def like(browser: Client, song: Publication, **form: str) -> Any:
    return browser.post(f"/listen/{song.pk}/like", form)


def play(browser: Client, song: Publication, **extra: str) -> int:
    return browser.post(f"/listen/{song.pk}/play", **extra).status_code


# --- likes ---


def test_a_listener_likes_a_song_once_and_may_take_that_back(song, bobs: Client) -> None:
    for _ in range(2):
        answer = like(bobs, song)
        assert (answer.status_code, answer["Location"]) == (303, f"/listen/{song.pk}/")
    assert counts(song).likes == 1
    for _ in range(2):
        like(bobs, song, like="no")
    assert counts(song).likes == 0
    assert not Like.objects.exists()


def test_the_button_says_whether_it_is_liked(song, bobs: Client, alices: Client, client) -> None:
    like(bobs, song)
    page = bobs.get(f"/listen/{song.pk}/").content.decode()
    assert 'aria-pressed="true"' in page
    assert 'name="like" value="no"' in page
    assert (
        'aria-pressed="false"' in as_(listener("carla")).get(f"/listen/{song.pk}/").content.decode()
    )
    assert 'name="like"' not in alices.get(f"/listen/{song.pk}/").content.decode()
    stranger = client.get(f"/listen/{song.pk}/").content.decode()
    assert f"/accounts/login/?next=/listen/{song.pk}/" in stranger


def test_htmx_gets_the_row_with_the_heart(song, bobs: Client) -> None:
    answer = bobs.post(f"/listen/{song.pk}/like", HTTP_HX_REQUEST="true")
    text = answer.content.decode()
    assert (answer.status_code, 'aria-pressed="true"' in text) == (200, True)
    assert "<html" not in text


def test_a_stranger_is_asked_to_sign_in_and_a_listener_cannot_like_the_own_song(
    song, alices: Client, client
) -> None:
    answer = like(client, song)
    assert (answer.status_code, "/accounts/login/" in answer["Location"]) == (302, True)
    like(alices, song)
    assert counts(song).likes == 0


def test_a_get_likes_and_plays_nothing(song, bobs: Client) -> None:
    for act in ("like", "play"):
        for method in (bobs.get, bobs.head, bobs.options):
            assert method(f"/listen/{song.pk}/{act}").status_code == 405
    for page in ("", "audio", "cover"):
        bobs.get(f"/listen/{song.pk}/{page}")
    assert counts(song) == Counts(likes=0, plays=0)


def test_the_likes_of_an_account_that_is_deleted_are_no_longer_counted(song, bob: User) -> None:
    likes.like(song, bob)
    tally.add_changes()
    carla = User.objects.create(username="carla", password=make_password(None))
    likes.like(song, carla)
    assert counts(song).likes == 2
    carla.delete()
    assert counts(song).likes == 1


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_are_one_like_and_one_way_back(song, bob: User) -> None:
    for form in ({"like": "yes"}, {"like": "no"}):
        browsers = [as_(bob), as_(bob)]
        jobs = [lambda b=b, f=form: like(b, song, **f).status_code for b in browsers]
        assert at_once(*jobs) == [303, 303]
        assert counts(song).likes == (form["like"] == "yes")


@pytest.mark.django_db(transaction=True)
def test_no_listener_waits_for_another_one_s_like_or_play(song, bob: User) -> None:
    carla = listener("carla")

    def all_at_bobs() -> None:
        likes.like(song, bob)
        plays.count_play(song, "bob")

    with Uncommitted(all_at_bobs):
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        likes.like(song, carla)
        plays.count_play(song, "carla")
        tally.add_changes()  # and the tally waits for no listener
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert counts(song) == Counts(likes=2, plays=2)


# --- plays ---


def test_a_play_is_counted_once_in_half_an_hour(song, client) -> None:
    assert [play(client, song) for _ in range(3)] == [204, 204, 204]
    assert counts(song).plays == 1
    row = Play.objects.get()
    back(row, HALF_AN_HOUR - timedelta(minutes=1))
    play(client, song)
    assert counts(song).plays == 1
    back(row, timedelta(minutes=2))
    play(client, song)
    assert counts(song).plays == 2


def test_a_listener_and_each_network_is_a_hearer_of_its_own(song, bobs: Client, client) -> None:
    play(client, song, REMOTE_ADDR="192.0.2.7")
    play(bobs, song, REMOTE_ADDR="192.0.2.7")
    play(bobs, song, REMOTE_ADDR="192.0.2.8")  # the same account elsewhere
    play(client, song, REMOTE_ADDR="2001:db8::1")
    play(client, song, REMOTE_ADDR="2001:db8::2")  # the same household
    play(client, song, REMOTE_ADDR="2001:db8:0:1::1")
    assert counts(song).plays == 4


def test_the_plays_of_the_song_s_own_listener_are_not_counted(song, alices: Client) -> None:
    assert play(alices, song) == 204
    assert counts(song).plays == 0


def test_no_row_of_a_play_tells_an_address(song, client) -> None:
    play(client, song, REMOTE_ADDR="192.0.2.7")
    assert "192.0.2" not in Play.objects.get().hearer


def test_a_play_needs_the_token_of_a_page(song) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert play(strict, song) == 403
    page = strict.get(f"/listen/{song.pk}/").content.decode()
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    assert play(strict, song, HTTP_X_CSRFTOKEN=token) == 204
    assert counts(song).plays == 1


@pytest.mark.django_db(transaction=True)
def test_plays_at_once_of_one_hearer_are_one(song) -> None:
    found = at_once(*[lambda: plays.count_play(song, "bob")] * 4)
    assert sorted(found) == [False, False, False, True]
    assert counts(song).plays == 1


# --- the tally ---


def test_the_tally_changes_where_counts_stand_and_no_count(song, bob: User) -> None:
    likes.like(song, bob)
    plays.count_play(song, "a")
    before, cold = counts(song), song.heat
    run = ran(tally_reactions.handler)
    assert (run.status, run.output) == ("completed", "2 changes added")
    row = Publication.objects.get()
    assert Counts(row.likes, row.plays) == before == counts(song) == Counts(likes=1, plays=1)
    assert row.heat > cold
    assert set(Listing.objects.values_list("heat", flat=True)) == {row.heat}
    assert not CountChange.objects.exists()


def test_the_tally_drops_what_belongs_to_a_deleted_song(song, bob: User) -> None:
    likes.like(song, bob)
    song.song.delete()
    assert tally.add_changes() == 1
    assert not CountChange.objects.exists()


def test_a_run_of_the_tally_takes_all_there_is_in_portions(song, monkeypatch) -> None:
    monkeypatch.setattr(tally, "BATCH", 3)
    for number in range(7):
        plays.count_play(song, f"{number}")
    run = ran(tally_reactions.handler)
    assert run.output == "7 changes added"
    assert run.steps.count() == 3
    assert Publication.objects.get().plays == 7


def test_a_tally_that_is_rolled_back_counts_nothing_twice(song, bob: User) -> None:
    likes.like(song, bob)
    with transaction.atomic():
        tally.add_changes()
        transaction.set_rollback(True)
    tally.add_changes()
    assert (Publication.objects.get().likes, counts(song).likes) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_two_tallies_at_once_count_each_change_once(song) -> None:
    for number in range(20):
        plays.count_play(song, f"{number}")
    found = at_once(tally.add_changes, tally.add_changes)
    assert sum(found) == 20
    assert Publication.objects.get().plays == 20


def test_a_deletion_locks_in_the_order_of_the_tally(song) -> None:
    """The song's row first, then its places; else the two could deadlock."""
    with CaptureQueriesContext(connection) as captured:
        delete_song(song.song)
    said = [query["sql"] for query in captured]
    locks = [n for n, sql in enumerate(said) if "songs_publication" in sql and "FOR UPDATE" in sql]
    places = [n for n, sql in enumerate(said) if sql.startswith('DELETE FROM "songs_listing"')]
    assert locks[0] < places[0]


def test_old_plays_are_forgotten(song, client) -> None:
    play(client, song)
    run = ran(keep_categories_and_plays.handler)
    assert run.output == "1 categories changed, 0 old plays forgotten"
    back(Play.objects.get(), timedelta(days=1, minutes=1))
    run = ran(keep_categories_and_plays.handler)
    assert run.output == "0 categories changed, 1 old plays forgotten"
    assert counts(song).plays == 1
