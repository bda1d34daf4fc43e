"""A cancelled song stays cancelled, whatever comes back of it later, and costs nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobs.api import cancel, rerun
from jobs.execution.executor import execute
from jobs.fetch.gateway import LeasedRequest, lease_requests, store_responses
from jobs.platform.http.exchange import RequestOutcome
from jobs.runs.claimed_run import Claim
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from songs.failure_messages import CANCELLED
from songs.models import SongStatus, User
from tests.songs.making import (
    LATER,
    REPLY,
    charges,
    endpoint,
    order,
    posts,
    replies,
    run_of,
    to_the_end,
)
from tests.support.hostile_endpoint import answer

pytestmark = pytest.mark.django_db
BROKEN = answer(b"CUDA out of memory", 500)


def test_a_cancelled_song_says_so_and_costs_nothing(settings, alice: User) -> None:
    with endpoint(settings, BROKEN) as server:
        song = order(alice)
        drain()
        cancel(run_of(song).id)
        to_the_end()
        travel(LATER)
        drain()
        assert posts(server) == 1
    song.refresh_from_db()
    assert (song.status, song.reason) == (SongStatus.CANCELLED, CANCELLED)
    assert song.finished_at is not None
    assert charges(alice) == []


def test_an_answer_that_comes_after_the_cancellation_changes_nothing(settings, alice: User) -> None:
    with endpoint(settings):
        song = order(alice)
        execute_all(claim_due(10))
        [leased_request] = lease_requests(10)
        cancel(run_of(song).id)
        drain()
        come_back(leased_request)
        drain()
    song.refresh_from_db()
    assert (song.status, song.s3_key, charges(alice)) == (SongStatus.CANCELLED, "", [])


def execute_all(claims: list[Claim]) -> None:
    for claimed in claims:
        execute(claimed)


def come_back(leased_request: LeasedRequest) -> None:
    body: dict[str, Any] = {"status_code": 200, "headers": {}, "body": json.dumps(REPLY)}
    store_responses([(leased_request, RequestOutcome(response=body, head={"status_code": 200}))])


def test_a_worker_that_was_thought_dead_cannot_bring_back_a_cancelled_song(
    settings, alice: User
) -> None:
    with endpoint(settings):
        song = order(alice)
        execute_all(claim_due(10))
        [leased_request] = lease_requests(10)
        come_back(leased_request)
        [slow] = claim_due(10)
        travel(LATER)
        cancel(run_of(song).id)
        drain()
        execute(slow)
        drain()
    song.refresh_from_db()
    assert (song.status, song.s3_key, charges(alice)) == (SongStatus.CANCELLED, "", [])


def test_a_cancelled_song_can_be_retried_by_a_person(settings, alice: User) -> None:
    with endpoint(settings, BROKEN, replies()):
        song = order(alice)
        drain()
        cancel(run_of(song).id)
        drain()
        rerun(run_of(song).id)
        to_the_end()
    song.refresh_from_db()
    assert (song.status, song.reason) == (SongStatus.PROCESSED, "")
    assert charges(alice) == [("charge", -1)]
