"""Files of songs that were cancelled or failed while the endpoint made them: they are kept for a
week, in which a retry uses them, and are then removed. A later retry has the song made anew."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from jobs.api import cancel, rerun
from jobs.fetch.gateway import LeasedRequest, lease_requests, perform_now, store_responses
from jobs.models import Run
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from songs import functions
from songs.cancellation import cancel_song
from songs.models import Song, SongStatus, User
from songs.unmade import KEPT_FOR
from tests.songs.making import (
    LATER,
    REPLY,
    charges,
    endpoint,
    made,
    order,
    posts,
    replies,
    run_of,
    says_json,
    to_the_end,
)
from tests.songs.test_pipeline_cancelling import execute_all
from tests.support.cast import a_song

pytestmark = pytest.mark.django_db
AGAIN = {**REPLY, "s3_key": "again.mp3", "cover_image_s3_key": "again.png"}
FILES = [REPLY["s3_key"], REPLY["cover_image_s3_key"]]
FN = "remove-unused-files"


def keep(reply: dict[str, Any] = REPLY) -> None:
    """What the endpoint does before it answers."""
    for key in (reply["s3_key"], reply["cover_image_s3_key"]):
        default_storage.save(key, ContentFile(b"la"))


def kept(reply: dict[str, Any] = REPLY) -> list[bool]:
    keys = (reply["s3_key"], reply["cover_image_s3_key"])
    return [default_storage.exists(key) for key in keys]


def on_its_way(user: User) -> tuple[Song, LeasedRequest]:
    """A song whose request is at the endpoint."""
    song = order(user)
    execute_all(claim_due(10))
    [request] = lease_requests(10)
    return song, request


def comes(request: LeasedRequest) -> None:
    keep()
    store_responses([(request, perform_now(request))])


def a_week_later() -> None:
    for _ in range(2):
        drain()
        travel(KEPT_FOR + LATER)
    drain()


@pytest.fixture
def cancelled(settings, alice: User) -> Any:
    """A song that came after its listener had cancelled it, and the endpoint, which would make
    another one."""
    with endpoint(settings, says_json(REPLY), says_json(AGAIN)) as server:
        song, request = on_its_way(alice)
        assert cancel_song(song)
        drain()
        comes(request)
        travel(timedelta(minutes=5))
        drain()
        yield song, server


def test_the_files_of_a_cancelled_song_that_comes_later_are_removed_after_a_week(cancelled) -> None:
    song, _ = cancelled
    assert kept() == [True, True]
    a_week_later()
    assert kept() == [False, False]
    song.refresh_from_db()
    assert song.status == SongStatus.CANCELLED
    assert Run.objects.get(fn_id=FN).output == {"removed": 2}


def test_a_retry_within_the_week_has_the_song_that_was_made(cancelled, alice: User) -> None:
    song, server = cancelled
    rerun(run_of(song).id)
    to_the_end()
    a_week_later()
    song.refresh_from_db()
    assert (song.status, song.s3_key, kept()) == (SongStatus.PROCESSED, FILES[0], [True, True])
    assert (posts(server), charges(alice)) == (1, [("charge", -1)])


def test_a_retry_after_the_week_has_the_song_made_anew(cancelled, alice: User) -> None:
    song, server = cancelled
    a_week_later()
    rerun(run_of(song).id)
    to_the_end()
    song.refresh_from_db()
    assert (song.status, song.s3_key) == (SongStatus.PROCESSED, AGAIN["s3_key"])
    assert (posts(server), charges(alice)) == (2, [("charge", -1)])
    keys = [heard.headers["idempotency-key"] for heard in server.heard]
    assert keys[0] != keys[1]


def test_the_files_of_a_song_that_is_made_anew_and_cancelled_again_are_removed(
    cancelled, alice: User
) -> None:
    song, _ = cancelled
    a_week_later()
    rerun(run_of(song).id)
    for _ in range(4):  # step by step, up to the request
        execute_all(claim_due(10))
    [request] = lease_requests(10)
    song.refresh_from_db()
    assert cancel_song(song)
    keep(AGAIN)
    store_responses([(request, perform_now(request))])
    a_week_later()
    assert kept(AGAIN) == [False, False]
    assert charges(alice) == []


def test_an_endpoint_that_names_the_same_files_again_has_stored_them_again(
    settings, alice: User
) -> None:
    with endpoint(settings, says_json(REPLY)) as server:
        song, request = on_its_way(alice)
        cancel_song(song)
        comes(request)
        a_week_later()
        rerun(run_of(song).id)
        to_the_end()
        assert posts(server) == 2
    song.refresh_from_db()
    assert (song.status, song.s3_key) == (SongStatus.PROCESSED, FILES[0])


def test_a_rerun_from_the_start_leaves_no_files_of_the_cancelled_run(cancelled) -> None:
    song, _ = cancelled
    rerun(run_of(song).id, from_start=True)
    keep(AGAIN)
    to_the_end()
    a_week_later()
    song.refresh_from_db()
    assert song.s3_key == AGAIN["s3_key"]
    assert (kept(), kept(AGAIN)) == ([False, False], [True, True])


def test_a_run_that_an_operator_cancels_leaves_no_files_either(settings, alice: User) -> None:
    with endpoint(settings, replies()):
        song, request = on_its_way(alice)
        comes(request)
        cancel(run_of(song).id)
        a_week_later()
    assert kept() == [False, False]


def test_a_reply_that_could_not_be_kept_leaves_no_files(
    settings, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*given: Any) -> None:
        raise RuntimeError("a fault of the site")

    with endpoint(settings, replies()):
        monkeypatch.setattr(functions, "keep", breaks)
        keep()
        song = made(alice)
        a_week_later()
    assert (song.status, kept()) == (SongStatus.FAILED, [False, False])


def test_a_file_that_another_song_names_stays(settings, alice: User, bob: User) -> None:
    a_song(bob, s3_key=FILES[0])
    with endpoint(settings, replies()):
        song, request = on_its_way(alice)
        cancel_song(song)
        comes(request)
        a_week_later()
    assert kept() == [True, False]


def test_retention_in_the_meantime_leaves_no_files(cancelled) -> None:
    song, _ = cancelled
    run_of(song).delete()
    a_week_later()
    assert kept() == [False, False]


def test_a_song_whose_endpoint_never_named_a_file_costs_no_run_more(settings, alice: User) -> None:
    with endpoint(settings, says_json({"detail": "out of memory"}, 500)):
        made(alice)
    cancel_song(order(alice))
    drain()
    assert not Run.objects.filter(fn_id=FN).exists()
