"""An event names a song and its user. Another listener's song is never touched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jobs.api import Event, rerun, send
from jobs.execution.executor import execute
from jobs.fetch.gateway import lease_requests, perform_now, store_responses
from jobs.models import Run
from jobs.runs.claiming import claim_due
from songs.leaving import close_account
from songs.links import Links, runs_about
from songs.models import Song, SongStatus, User
from tests.songs.making import FN, charges, endpoint, made, order, run_of, to_the_end
from tests.support.cast import a_song
from tests.support.hostile_endpoint import Adversary

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(settings) -> Iterator[Adversary]:
    with endpoint(settings) as server:
        yield server


def sent(data: dict[str, Any]) -> Run:
    [event_id] = send(Event(name=FN, data=data))
    to_the_end()
    return Run.objects.get(fn_id=FN, event_id=event_id)


def facts(song: Song) -> dict[str, Any]:
    return Song.objects.values().get(pk=song.pk)


# --- whose song it is -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [SongStatus.QUEUED, SongStatus.FAILED, SongStatus.PROCESSED])
def test_an_event_that_names_another_listeners_song_fails_at_once_and_writes_nothing(
    server, alice: User, bob: User, status: str
) -> None:
    song = a_song(bob, status=status)
    before = facts(song)
    run = sent({"songId": str(song.pk), "userId": alice.pk})
    assert (run.status, run.error["step"]) == ("failed", "check-credits")
    assert f"userId {alice.pk} has no songId '{song.pk}'" in run.error["message"]
    assert run.attempts.count() == 1
    assert facts(song) == before
    assert server.heard == charges(alice) == charges(bob) == []
    assert Run.objects.get(fn_id=f"{FN}-failure").status == "completed"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"songId": None, "userId": None},
        {"songId": "abc", "userId": 1},
        {"songId": 5, "userId": 1},
        {"songId": ["x"], "userId": {"a": 1}},
        {"songId": "{SONG}", "userId": True},
        {"songId": "{SONG}", "userId": "1 OR 1=1"},
        {"songId": "{SONG}", "userId": 2**80},
        {"songId": "00000000-0000-4000-8000-000000000000", "userId": 1},
        {"songId": "x" * 5000, "userId": 1},
    ],
    ids=lambda data: repr(data)[:40],
)
def test_an_event_that_names_no_song_fails_at_once_in_a_sentence(
    server, alice: User, data: dict[str, Any]
) -> None:
    song = a_song(alice, status=SongStatus.QUEUED)
    given = {name: str(song.pk) if value == "{SONG}" else value for name, value in data.items()}
    run = sent(given)
    assert run.status == "failed"
    assert "There is no song: userId " in run.error["message"]
    assert len(run.error["message"]) < 400
    assert Run.objects.get(fn_id=f"{FN}-failure").status == "completed"
    assert facts(song)["status"] == SongStatus.QUEUED
    assert links_of(given) == links_of({"event": {"data": given}})


def test_an_event_that_comes_twice_makes_one_charge(server, alice: User) -> None:
    song = order(alice)
    sent({"songId": str(song.pk), "userId": alice.pk})
    song.refresh_from_db()
    assert song.is_processed
    assert charges(alice) == [("charge", -1)]


# --- a song or a listener that goes away meanwhile ------------------------------------------------


def test_a_song_that_is_deleted_while_it_is_made_charges_nobody(server, alice: User) -> None:
    song = order(alice)
    fetching_begins()
    song.delete()
    run = answer_comes(song)
    assert (run.status, run.error["step"]) == ("failed", "update-song")
    assert "was deleted while it was being made. It is not charged" in run.error["message"]
    assert run.attempts.filter(step_name="update-song").count() == 1
    assert charges(alice) == []
    assert Run.objects.get(fn_id=f"{FN}-failure").status == "completed"


def test_a_listener_who_leaves_meanwhile_leaves_a_run_that_is_cancelled(
    server, alice: User
) -> None:
    song = order(alice)
    fetching_begins()
    close_account(alice)
    run = run_of(song)
    assert (run.status, run.error["name"]) == ("cancelled", "Cancelled")
    assert not Song.objects.exists()


def test_a_song_that_is_deleted_before_its_turn_is_not_ordered(server, alice: User) -> None:
    song = order(alice)
    song.delete()
    to_the_end()
    assert run_of(song).status == "failed"
    assert server.heard == charges(alice) == []


def test_a_song_that_was_deleted_can_be_rerun_without_harm(server, alice: User) -> None:
    song = made(alice)
    song.delete()
    rerun(run_of(song).id, from_start=True)
    to_the_end()
    assert run_of(song).status == "failed"
    assert charges(alice) == [("charge", -1)]


def fetching_begins() -> None:
    for claimed in claim_due(10):
        execute(claimed)


def answer_comes(song: Song) -> Run:
    [leased_request] = lease_requests(10)
    store_responses([(leased_request, perform_now(leased_request))])
    to_the_end()
    return run_of(song)


# --- from a run to its song -----------------------------------------------------------------------


def links_of(data: Any) -> Links:
    """What a superuser is told of a run with this event."""
    [links] = runs_about(User(is_superuser=True, is_active=True), [data])
    return links


def test_a_run_links_to_its_song_and_its_listener(server, alice: User, olgas: Client) -> None:
    song = made(alice)
    links = links_of(run_of(song).event.data)
    assert links == [
        ("A waltz for two cats", reverse("admin:songs_song_change", args=[song.pk])),
        ("alice", reverse("admin:songs_user_change", args=[alice.pk])),
    ]
    page = olgas.get(reverse("admin:jobs_run_change", args=[run_of(song).pk])).content.decode()
    for _, url in links:
        assert f'href="{url}"' in page
        assert olgas.get(url).status_code == 200


def test_a_failures_run_links_to_the_song_that_it_is_about(settings, server, alice: User) -> None:
    server.__exit__()  # no server answers any more
    song = made(alice)
    hook = Run.objects.get(fn_id=f"{FN}-failure")
    assert [label for label, _ in links_of(hook.event.data)] == [
        song.title,
        "alice",
    ]


def test_a_deleted_songs_run_links_to_its_listener(alice: User) -> None:
    links = links_of({"songId": "00000000-0000-4000-8000-000000000000", "userId": alice.pk})
    assert [label for label, _ in links] == ["alice"]


def test_a_run_that_is_about_something_else_links_nowhere(db) -> None:
    for data in ({}, {"songId": 5}, {"event": None}, {"event": {"data": []}}, [], None, "text"):
        assert links_of(data) == []
