"""A listener cancels a song: it ends with its run and costs nothing; one that has come stays."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction
from django.test import Client

from jobs.api import cancel as cancel_run
from jobs.execution.executor import execute
from jobs.fetch.gateway import lease_requests
from jobs.runs.claiming import claim_due
from jobs.testing import drain
from songs import credits
from songs.cancellation import cancel_song
from songs.failure_messages import CANCELLED
from songs.models import Song, SongStatus, User
from tests.songs.making import charges, endpoint, made, order, posts, run_of
from tests.songs.test_pipeline_cancelling import come_back, execute_all
from tests.support.cast import a_song

pytestmark = pytest.mark.django_db


def test_a_song_in_line_is_cancelled_with_its_run_and_costs_nothing(
    settings, alices: Client, alice: User
) -> None:
    with endpoint(settings) as server:
        song = order(alice)
        answer = alices.post(f"/songs/{song.pk}/cancel", follow=True)
        drain()
        assert posts(server) == 0
    song.refresh_from_db()
    assert (song.status, song.reason) == (SongStatus.CANCELLED, CANCELLED)
    assert run_of(song).status == "cancelled"
    assert charges(alice) == []
    assert credits.balance(alice) == credits.Balance(3, 0)
    assert "is cancelled. It cost you nothing." in answer.content.decode()


def test_a_song_in_the_making_is_cancelled_and_its_late_answer_changes_nothing(
    settings, alices: Client, alice: User
) -> None:
    with endpoint(settings):
        song = order(alice)
        execute_all(claim_due(10))
        [leased_request] = lease_requests(10)
        alices.post(f"/songs/{song.pk}/cancel")
        come_back(leased_request)
        drain()
    song.refresh_from_db()
    assert (song.status, song.s3_key, charges(alice)) == (SongStatus.CANCELLED, "", [])


def test_the_next_song_of_the_line_begins_when_one_is_cancelled(settings, alice: User) -> None:
    with endpoint(settings):
        first, second = order(alice), order(alice, "a march")
        assert cancel_song(first)
        drain()
    second.refresh_from_db()
    assert second.status == SongStatus.PROCESSED


def test_a_song_that_has_come_stays_and_stays_charged(
    settings, alices: Client, alice: User
) -> None:
    with endpoint(settings):
        song = made(alice)
    answer = alices.post(f"/songs/{song.pk}/cancel", follow=True)
    song.refresh_from_db()
    assert "had ended before it could be cancelled" in answer.content.decode()
    assert (song.status, charges(alice)) == (SongStatus.PROCESSED, [("charge", -1)])


def test_cancelling_twice_is_cancelling_once(settings, alices: Client, alice: User) -> None:
    song = order(alice)
    for _ in range(2):
        answer = alices.post(f"/songs/{song.pk}/cancel", follow=True)
        assert "It cost you nothing." in answer.content.decode()


def test_a_song_whose_run_an_operator_has_cancelled_is_cancelled(alice: User) -> None:
    """The hook that tells the song is late."""
    song = order(alice)
    cancel_run(run_of(song).id)
    assert cancel_song(song)


def test_a_song_without_a_run_can_be_cancelled_too(alice: User) -> None:
    song = a_song(alice, status=SongStatus.QUEUED)
    assert cancel_song(song)
    song.refresh_from_db()
    assert song.status == SongStatus.CANCELLED


@pytest.mark.parametrize("part", ["cancel", "undo"])
def test_strangers_and_other_listeners_cannot(
    client: Client, bobs: Client, alices: Client, alice: User, part: str
) -> None:
    song = order(alice)
    assert client.post(f"/songs/{song.pk}/{part}").status_code == 302
    assert bobs.post(f"/songs/{song.pk}/{part}").status_code in (303, 404)
    assert alices.get(f"/songs/{song.pk}/{part}").status_code == 405
    song.refresh_from_db()
    assert song.status == SongStatus.QUEUED


@pytest.mark.django_db(transaction=True)
def test_a_cancellation_and_a_finished_song_race_and_the_first_one_holds(
    settings, alice: User
) -> None:
    """A worker has finished the song and not committed: the listener waits, and finds it ready."""
    with endpoint(settings):
        song = order(alice)
        execute_all(claim_due(10))
        [leased_request] = lease_requests(10)
        come_back(leased_request)
        [claimed] = claim_due(10)
        outcomes: list[bool] = []

        def press() -> None:
            outcomes.append(cancel_song(song))
            connection.close()

        with transaction.atomic():
            credits.lock(alice)  # as the worker's step does
            button = threading.Thread(target=press)
            button.start()
            execute_in_this_transaction(claimed)
        button.join()
    song.refresh_from_db()
    assert (outcomes, song.status) == ([False], SongStatus.PROCESSED)
    assert charges(alice) == [("charge", -1)]


def execute_in_this_transaction(claimed) -> None:
    execute(claimed)


def test_the_page_offers_to_cancel_only_while_that_is_possible(alices: Client, alice: User) -> None:
    for status in SongStatus:
        song = a_song(alice, status=status)
        page = alices.get(f"/songs/{song.pk}/").content.decode()
        assert (f'action="/songs/{song.pk}/cancel"' in page) == song.is_in_the_making
    assert Song.objects.count() == len(SongStatus)
