"""Whatever dies while a song is made, and at whichever commit: one song, one charge, one apology.

Alice orders two songs, which take turns. Their way is gone undisturbed, and its commits are
counted; then again for each of them, and the cluster dies just before it, or just after it.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from jobs.models import Attempt, Run
from songs.models import SongStatus, User
from tests.songs.making import FN, charges, endpoint, order, posts, replies
from tests.support.cast import listener
from tests.support.commit_boundaries import (
    Cluster,
    a_minute_later,
    deaths,
    forget_everything,
    story,
    to_the_end,
)
from tests.support.hostile_endpoint import Adversary, Manner, Peer, answer, redirect

pytestmark = pytest.mark.django_db(transaction=True)

ENGINE = {
    "claiming.look",
    "executor.suspend",
    "outbox.lease_requests",
    "outbox.store_responses",
}
sides = pytest.mark.parametrize("before", [True, False], ids=["before", "after"])


class Studio:
    """The endpoint, and one life after the other: a new listener each, who orders two songs."""

    def __init__(self, settings: Any, *manners: Manner) -> None:
        self.server: Adversary = endpoint(settings, *manners)
        self.alice: User
        self._lives = count(1)

    def begin(self) -> None:
        forget_everything()
        self.server.heard.clear()
        self.alice = listener(f"alice {next(self._lives)}")
        self.songs = [order(self.alice, "a waltz"), order(self.alice, "a march")]

    def undisturbed(self, *, one_by_one: bool = False) -> Cluster:
        self.begin()
        cluster = Cluster(one_by_one=one_by_one)
        assert to_the_end(cluster)
        return cluster

    def story(self) -> dict[str, Any]:
        self.alice.refresh_from_db()
        for song in self.songs:
            song.refresh_from_db()
        made = [(s.status, s.reason, s.categories.count()) for s in self.songs]
        files = len({song.s3_key for song in self.songs} - {""})
        ledger = (self.alice.credits, charges(self.alice))
        return story() | {"songs": made, "files": files, "ledger": ledger}

    def took_turns(self) -> bool:
        first, second = Run.objects.filter(fn_id=FN).order_by("id")
        return bool(first.ended_at <= second.started_at)

    def different_orders(self) -> int:
        return len({heard.headers["idempotency-key"] for heard in self.server.heard})


def first_303_then_the_song(settings: Any) -> Studio:
    """Each POST is told where the answer will be; who asks there gets it."""

    def manner(peer: Peer) -> bool | None:
        asked = studio.server.heard[-1]
        says = redirect("/make?result=1") if asked.method == "POST" else replies()
        return says(peer)

    studio = Studio(settings, manner)
    return studio


@sides
@pytest.mark.parametrize("one_by_one", [True, False], ids=["one by one", "together"])
def test_whatever_dies_while_two_songs_are_made_each_is_there_once_and_paid_once(
    settings, before, one_by_one
):
    studio = first_303_then_the_song(settings)
    with studio.server:
        boundaries = studio.undisturbed(one_by_one=one_by_one).boundaries(before=before)
        whole = studio.story()
        assert (whole["songs"], whole["files"]) == ([(SongStatus.PROCESSED, "", 2)] * 2, 2)
        assert whole["ledger"] == (1, [("charge", -1)] * 2)

        died_at = []
        for dead in deaths(studio.begin, boundaries, one_by_one=one_by_one):
            assert a_minute_later(Cluster())
            assert studio.story() == whole
            assert studio.took_turns()
            # The one call that a death explains: the song was ordered, where it will be was not
            # written down yet. It is asked for under the same key.
            unwritten = before and dead.commits[-1] == "outbox.remember_result_url"
            assert posts(studio.server) == 2 + unwritten
            assert studio.different_orders() == 2
            died_at.append(dead.commits[-1])
    assert len(died_at) == len(boundaries) >= (20 if one_by_one else 14)
    assert set(died_at) >= ENGINE | {"executor.complete", "outbox.remember_result_url"}


@sides
def test_whatever_dies_while_a_song_fails_there_is_one_apology_and_no_charge(settings, before):
    studio = Studio(settings, answer(b"not like this", 422))
    with studio.server:
        boundaries = studio.undisturbed().boundaries(before=before)
        whole = studio.story()
        assert [song[0] for song in whole["songs"]] == [SongStatus.FAILED] * 2
        assert whole["ledger"] == (3, [])

        died_at = []
        for dead in deaths(studio.begin, boundaries):
            assert a_minute_later(Cluster())
            assert studio.story() == whole
            assert Run.objects.filter(fn_id=f"{FN}-failure", status="completed").count() == 2
            assert studio.took_turns()
            died_at.append(dead.commits[-1])
    assert len(died_at) == len(boundaries) >= 14
    assert set(died_at) >= ENGINE | {"executor.retry_or_fail"}


@sides
def test_a_worker_that_dies_at_any_commit_costs_an_attempt_and_not_a_song(settings, before):
    studio = first_303_then_the_song(settings)
    with studio.server:
        boundaries = studio.undisturbed(one_by_one=True).boundaries(before=before)
        whole = studio.story()
        workers = [b for b in boundaries if b.place.startswith(("executor.", "step_runner."))]
        for dead in deaths(studio.begin, workers, one_by_one=True):
            dead.record_lost_worker()
            assert to_the_end(Cluster())
            assert studio.story() == whole
            assert posts(studio.server) == 2
            assert Attempt.objects.filter(status="error").count() <= 1
    assert len(workers) >= 10
