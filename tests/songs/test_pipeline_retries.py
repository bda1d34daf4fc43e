"""What heals by itself, and what a person's retry mends."""

from __future__ import annotations

import pytest

from jobs.api import rerun
from jobs.execution.executor import execute
from jobs.fetch.gateway import lease_requests, perform_now, store_responses
from jobs.models import Run
from jobs.runs.claimed_run import Claim
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from songs.failure_messages import REFUSED, TROUBLED
from songs.models import SongStatus, User
from tests.songs.making import (
    FN,
    LATER,
    REPLY,
    STEPS,
    charges,
    endpoint,
    made,
    order,
    posts,
    replies,
    run_of,
    to_the_end,
)
from tests.support.hostile_endpoint import answer

pytestmark = pytest.mark.django_db
BROKEN = answer(b"CUDA out of memory", 500)
FAILS, MENDED = [BROKEN] * 4, replies()


# --- what heals by itself -------------------------------------------------------------------------


def test_an_endpoint_that_fails_once_is_asked_again(settings, alice: User) -> None:
    with endpoint(settings, BROKEN, replies()) as server:
        song = made(alice)
        assert posts(server) == 2
    assert song.status == SongStatus.PROCESSED
    assert charges(alice) == [("charge", -1)]
    failed, mended = run_of(song).attempts.filter(step_name="call-modal-api")
    assert (failed.status, mended.status) == ("error", "completed")
    assert failed.error_class == "jobs.errors.FetchError"
    assert "answered 500: CUDA out of memory" in failed.error_message
    assert failed.retry_at is not None


def test_every_attempt_carries_the_same_idempotency_key_and_each_song_its_own(
    settings, alice: User
) -> None:
    with endpoint(settings, BROKEN, BROKEN, replies()) as server:
        made(alice)
        made(alice)
        keys = [heard.headers["idempotency-key"] for heard in server.heard]
        bodies = [heard.body for heard in server.heard]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert bodies[0] == bodies[1] == bodies[2] != bodies[3]


def test_an_endpoint_that_always_fails_is_asked_four_times_and_costs_nothing(
    settings, alice: User
) -> None:
    with endpoint(settings, BROKEN) as server:
        song = made(alice)
        assert posts(server) == 4
    run = run_of(song)
    assert (run.status, run.error["step"]) == ("failed", "call-modal-api")
    assert (song.status, song.reason) == (SongStatus.FAILED, TROUBLED)
    assert song.finished_at is not None
    assert charges(alice) == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_asked_for_again(settings, alice: User, status: int) -> None:
    with endpoint(settings, answer(b"no", status)) as server:
        song = made(alice)
        assert posts(server) == 1
    assert song.status == SongStatus.FAILED
    assert charges(alice) == []


def test_a_listener_whose_song_failed_is_not_kept_from_the_next(settings, alice: User) -> None:
    with endpoint(settings, answer(b"no", 422), replies()):
        failed, made_ = order(alice), order(alice)
        to_the_end()
    failed.refresh_from_db()
    made_.refresh_from_db()
    assert [failed.status, made_.status] == ["failed", "processed"]
    assert charges(alice) == [("charge", -1)]


# --- a person's retry -----------------------------------------------------------------------------


def test_a_retry_goes_on_from_the_failed_step_once_the_endpoint_is_mended(
    settings, alice: User
) -> None:
    with endpoint(settings, *FAILS, MENDED) as server:
        song = made(alice)
        assert rerun(run_of(song).id) == str(run_of(song).id)
        to_the_end()
        assert posts(server) == 5
        assert len({heard.headers["idempotency-key"] for heard in server.heard}) == 1
    song.refresh_from_db()
    assert (song.status, song.reason) == (SongStatus.PROCESSED, "")
    check = run_of(song).steps.get(name="check-credits")
    assert (check.attempts, charges(alice)) == (1, [("charge", -1)])


def test_a_retry_asks_at_the_address_of_today(settings, alice: User) -> None:
    with endpoint(settings, BROKEN) as old:
        song = made(alice)
    with endpoint(settings) as new:
        rerun(run_of(song).id)
        to_the_end()
        assert (posts(old), posts(new)) == (4, 1)
    song.refresh_from_db()
    assert song.is_processed


def test_a_retried_song_is_shown_as_queued_again_at_once(settings, alice: User) -> None:
    with endpoint(settings, BROKEN):
        song = made(alice)
        rerun(run_of(song).id)
        [hook] = [c for c in claim_due(10) if c.fn_id == f"{FN}-retry"]
        execute(hook)
    song.refresh_from_db()
    assert (song.status, song.reason, song.finished_at) == (SongStatus.QUEUED, "", None)
    assert song.is_in_the_making


def test_a_retry_that_was_faster_than_its_notice_stays_processed(settings, alice: User) -> None:
    with endpoint(settings, *FAILS, MENDED):
        song = made(alice)
        rerun(run_of(song).id)
        claims = {claimed.fn_id: claimed for claimed in claim_due(10)}
        execute(claims[FN])
        to_the_end_of(run_of(song))
        execute(claims[f"{FN}-retry"])
    song.refresh_from_db()
    assert song.status == SongStatus.PROCESSED


def to_the_end_of(run: Run) -> None:
    while Run.objects.get(pk=run.pk).status != "completed":
        drain()


def test_a_retry_that_failed_before_its_notice_stays_failed(settings, alice: User) -> None:
    with endpoint(settings, *FAILS, answer(b"no", 422)):
        song = made(alice)
        rerun(run_of(song).id)
        claims = {claimed.fn_id: claimed for claimed in claim_due(10)}
        execute(claims[FN])
        while run_of(song).status != "failed":
            drain()
        drain()
        execute(claims[f"{FN}-retry"])
    song.refresh_from_db()
    assert (song.status, song.reason) == (SongStatus.FAILED, REFUSED)


def test_the_notice_of_a_failure_that_comes_late_does_not_outweigh_the_retry(
    settings, alice: User
) -> None:
    with endpoint(settings, answer(b"no", 422), MENDED):
        song = order(alice)
        failure = slow_hook()
        rerun(run_of(song).id)
        retry = next(c for c in claim_due(10) if c.fn_id == f"{FN}-retry")
        execute(failure)
        execute(retry)
        song.refresh_from_db()
        assert song.is_in_the_making
        travel(LATER)
        to_the_end()
    song.refresh_from_db()
    assert song.is_processed


def execute_all(claims: list[Claim]) -> None:
    for claimed in claims:
        execute(claimed)


def slow_hook() -> Claim:
    """A worker has taken the song's failure, and is not yet at it."""
    execute_all(claim_due(10))
    leased_requests = lease_requests(10)
    store_responses(
        [(leased_request, perform_now(leased_request)) for leased_request in leased_requests]
    )
    execute_all(claim_due(10))
    [hook] = claim_due(10)
    return hook


def test_a_retry_that_fails_again_says_so_again(settings, alice: User) -> None:
    with endpoint(settings, BROKEN):
        song = made(alice)
        rerun(run_of(song).id)
        to_the_end()
    song.refresh_from_db()
    assert (song.status, song.reason, charges(alice)) == (SongStatus.FAILED, TROUBLED, [])


def test_an_answer_that_was_no_song_is_mended_from_the_start(settings, alice: User) -> None:
    with endpoint(settings, answer(b"<html>"), replies()) as server:
        song = made(alice)
        rerun(run_of(song).id, from_start=True)
        to_the_end()
        assert posts(server) == 2
    song.refresh_from_db()
    assert song.status == SongStatus.PROCESSED
    assert charges(alice) == [("charge", -1)]


def test_from_the_start_the_song_is_shown_as_being_made(settings, alice: User) -> None:
    with endpoint(settings, answer(b"<html>"), BROKEN, replies()):
        song = made(alice)
        rerun(run_of(song).id, from_start=True)
        drain()
        song.refresh_from_db()
        assert (song.status, song.reason) == (SongStatus.PROCESSING, "")
        to_the_end()
    song.refresh_from_db()
    assert song.is_processed


def test_a_song_that_is_there_stays_there_while_it_is_made_anew(settings, alice: User) -> None:
    with endpoint(settings, replies(), BROKEN):
        song = made(alice)
        rerun(run_of(song).id, from_start=True)
        to_the_end()
        assert run_of(song).status == "failed"
    song.refresh_from_db()
    assert (song.status, song.reason) == (SongStatus.PROCESSED, "")
    assert song.s3_key == REPLY["s3_key"]


@pytest.mark.django_db(transaction=True)  # the files go when it commits
def test_a_song_that_was_made_anew_leaves_no_files_of_the_old_one(
    settings, alice: User, tmp_path
) -> None:
    old, cover = (settings.MEDIA_ROOT / name for name in ("old.mp3", "old.png"))
    settings.MEDIA_ROOT.mkdir()
    for file in (old, cover):
        file.write_bytes(b"music")
    first = replies(s3_key="old.mp3", cover_image_s3_key="old.png")
    with endpoint(settings, first, replies()):
        song = made(alice)
        assert old.exists()
        rerun(run_of(song).id, from_start=True)
        to_the_end()
    song.refresh_from_db()
    assert song.s3_key == REPLY["s3_key"]
    assert not old.exists()
    assert not cover.exists()


def test_the_steps_of_a_mended_song_are_still_five(settings, alice: User) -> None:
    with endpoint(settings, BROKEN, BROKEN, replies()):
        song = made(alice)
    assert [step.name for step in run_of(song).steps.order_by("position")] == STEPS
