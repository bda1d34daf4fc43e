"""Ordering a song: one form is one song, one song one event, and no listener overspends."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from jobs.models import Event, Run
from songs import credits
from songs.generation import NoCreditsLeft, order_one, try_again
from songs.models import Song, SongStatus, User
from tests.support.cast import a_song, listener, wishes


def order(user: User, **changes: Any) -> Song:
    wanted = {
        "full_described_song": "a waltz for two cats",
        "guidance_scale": 15.0,
        "audio_duration": 60.0,
        "instrumental": False,
        "form_token": uuid.uuid4(),
    }
    return order_one(user, **{**wanted, **changes})


def test_a_wish_becomes_a_queued_song_and_its_event(alice: User) -> None:
    song = order(alice)
    event = Event.objects.get(id=song.event_id)
    assert (song.status, song.title) == (SongStatus.QUEUED, "A waltz for two cats")
    assert event.name == "generate-song-event"
    assert event.data == {"songId": str(song.id), "userId": alice.pk}
    assert Run.objects.filter(event=event, fn_id="generate-song-event").count() == 1


def test_song_and_event_vanish_together_when_the_transaction_does(alice: User) -> None:
    with transaction.atomic():
        order(alice)
        transaction.set_rollback(True)
    assert not Song.objects.exists()
    assert not Event.objects.exists()


def test_each_song_gets_a_seed_of_its_own(alice: User) -> None:
    seeds = {order(alice).seed for _ in range(3)}
    assert len(seeds) == 3
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_second_click_makes_one_song(alices: Client) -> None:
    form = wishes()
    first, second = (alices.post("/songs/", form) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first["Location"] == second["Location"]
    assert Song.objects.count() == Event.objects.count() == 1


def test_a_form_that_came_back_and_was_changed_is_a_new_wish(alices: Client) -> None:
    form = wishes()
    first = alices.post("/songs/", form)
    second = alices.post("/songs/", {**form, "full_described_song": "a march for two dogs"})
    assert first["Location"] != second["Location"]
    assert Song.objects.count() == 2


def test_the_same_token_of_two_listeners_is_two_songs(alices: Client, bobs: Client) -> None:
    form = wishes()
    alices.post("/songs/", form)
    bobs.post("/songs/", form)
    assert Song.objects.count() == 2


def test_no_more_songs_than_credits_can_be_in_the_making(alice: User) -> None:
    for _ in range(3):
        order(alice)
    with pytest.raises(NoCreditsLeft, match="All 3 of your credits are spoken for"):
        order(alice)
    assert Song.objects.count() == 3


def test_without_credits_nothing_is_stored(penny: User) -> None:
    with pytest.raises(NoCreditsLeft, match="You have no credits left"):
        order(penny)
    assert not Song.objects.exists()
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_tabs_cannot_overspend() -> None:
    somebody = listener("somebody", credits_=1)
    start = threading.Barrier(8)
    outcomes: list[str] = []

    def tab() -> None:
        start.wait()
        try:
            order(somebody)
            outcomes.append("song")
        except NoCreditsLeft:
            outcomes.append("refused")
        finally:
            connection.close()

    tabs = [threading.Thread(target=tab) for _ in range(8)]
    for thread in tabs:
        thread.start()
    for thread in tabs:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 7 + ["song"]
    assert credits.balance(somebody) == credits.Balance(credits=1, spoken_for=1)


@pytest.mark.django_db(transaction=True)
def test_a_double_click_in_two_threads_makes_one_song() -> None:
    somebody = listener("somebody")
    token = uuid.uuid4()
    start = threading.Barrier(4)
    songs: list[uuid.UUID] = []

    def click() -> None:
        start.wait()
        songs.append(order(somebody, form_token=token).id)
        connection.close()

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()
    assert len(songs) == 4
    assert len(set(songs)) == 1


def test_a_failed_song_can_be_tried_again_once(alice: User) -> None:
    failed = a_song(alice, status=SongStatus.FAILED)
    first, second = try_again(failed), try_again(failed)
    assert first == second != failed
    assert first.full_described_song == failed.full_described_song
    assert first.status == SongStatus.QUEUED


def test_the_button_try_again_leads_to_the_new_song(alices: Client, alice: User) -> None:
    failed = a_song(alice, status=SongStatus.FAILED)
    answer = alices.post(f"/songs/{failed.pk}/again")
    assert answer.status_code == 303
    assert answer["Location"] != f"/songs/{failed.pk}/"
    assert Song.objects.in_the_making().count() == 1


def test_a_song_that_is_there_is_not_tried_again(alices: Client, alice: User) -> None:
    song = a_song(alice)
    answer = alices.post(f"/songs/{song.pk}/again")
    assert answer["Location"] == f"/songs/{song.pk}/"
    assert Song.objects.count() == 1


def test_trying_again_without_a_free_credit_says_so(alices: Client, alice: User) -> None:
    failed = a_song(alice, status=SongStatus.FAILED)
    for _ in range(3):
        a_song(alice, status=SongStatus.QUEUED)
    page = alices.post(f"/songs/{failed.pk}/again", follow=True)
    assert "are spoken for by songs in the making" in page.content.decode()
    assert Song.objects.count() == 4
