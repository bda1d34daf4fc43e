"""A word about a song that comes late is written only if it is still so: a listener is never told
that a song failed, and offered another try, while it is being made."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from jobs.api import cancel, pause, replay_skipped, rerun, resume
from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.models import Run
from jobs.runs.claimed_run import Claim
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from songs.models import Song, SongStatus, User
from tests.songs.making import (
    FN,
    LATER,
    charges,
    endpoint,
    made,
    order,
    replies,
    run_of,
    to_the_end,
)
from tests.support.hostile_endpoint import answer

pytestmark = pytest.mark.django_db
BROKEN = answer(b"CUDA out of memory", 422)
HOOKS = [f"{FN}-{moment}" for moment in ("failure", "cancel", "retry")]


def without_hooks() -> dict[str, Claim]:
    """Do what is due, but for the song's hooks: workers have taken them and are not yet at them."""
    held = {}
    while claims := claim_due(10):
        for claimed in claims:
            if claimed.fn_id in HOOKS:
                held[claimed.fn_id] = claimed
            else:
                execute(claimed)
    return held


def try_again(browser: Client, song: Song) -> None:
    browser.post(f"/songs/{song.pk}/again")


@pytest.mark.parametrize("how", [{}, {"from_start": True}], ids=["its failed step", "the start"])
def test_a_failure_that_is_replayed_after_the_retry_leaves_the_song_in_the_making(
    settings, alice: User, alices: Client, how: dict[str, Any]
) -> None:
    with endpoint(settings, BROKEN, replies()):
        pause(f"{FN}-failure")
        song = made(alice)
        rerun(run_of(song).id, **how)
        without_hooks()  # the request is in flight
        resume(f"{FN}-failure")
        replayed = replay_skipped(f"{FN}-failure")
        for hook in claim_due(10):
            execute(hook)
        song.refresh_from_db()
        assert song.is_in_the_making
        assert (replayed, replayed.left_out) == ([], 1)
        try_again(alices, song)
        to_the_end()
    song.refresh_from_db()
    assert (song.status, Song.objects.count()) == (SongStatus.PROCESSED, 1)
    assert charges(alice) == [("charge", -1)]


def test_a_failure_that_is_merely_slow_writes_nothing_over_the_retry(settings, alice: User) -> None:
    with endpoint(settings, BROKEN, replies()):
        song = order(alice)
        failure = hook_of_the_failure()
        rerun(run_of(song).id)
        without_hooks()
        execute(failure)
        song.refresh_from_db()
        assert (song.status, song.reason) == (SongStatus.PROCESSING, "")


def hook_of_the_failure() -> Claim:
    hooks: dict[str, Claim] = {}
    while not hooks:
        hooks = without_hooks()
        answer_what_is_in_flight()
    return hooks[f"{FN}-failure"]


def answer_what_is_in_flight() -> None:
    leased_requests = gateway.lease_requests(10)
    gateway.store_responses(
        [
            (leased_request, gateway.perform_now(leased_request))
            for leased_request in leased_requests
        ]
    )


def test_a_cancellation_that_is_slow_writes_nothing_over_the_retry(settings, alice: User) -> None:
    with endpoint(settings):
        song = order(alice)
        cancel(run_of(song).id)
        [cancellation] = without_hooks().values()
        rerun(run_of(song).id)
        without_hooks()
        execute(cancellation)
        song.refresh_from_db()
        assert (song.status, song.reason) == (SongStatus.PROCESSING, "")


def test_a_retry_that_is_told_after_the_song_was_cancelled_writes_nothing(
    settings, alice: User
) -> None:
    with endpoint(settings, BROKEN):
        song = made(alice)
        rerun(run_of(song).id)
        [retry] = without_hooks().values()
        cancel(run_of(song).id)
        drain()
        execute(retry)
    song.refresh_from_db()
    assert song.status == SongStatus.CANCELLED


def test_the_failure_of_one_rerun_is_no_word_while_another_one_stands_in_line(
    settings, alice: User, alices: Client
) -> None:
    with endpoint(settings, BROKEN, BROKEN, replies()):
        song = made(alice)
        failed = run_of(song)
        rerun(failed.id, from_start=True)
        rerun(failed.id, from_start=True)
        while not Run.objects.filter(rerun_of=failed, status="failed").exists():
            for claimed in claim_due(10):
                execute(claimed)
            answer_what_is_in_flight()
        claims = claim_due(10)
        for hook in claims:
            if hook.fn_id in HOOKS:
                execute(hook)
        song.refresh_from_db()
        assert song.is_in_the_making
        travel(LATER)
        to_the_end()
    song.refresh_from_db()
    assert song.is_processed
    assert charges(alice) == [("charge", -1)]
