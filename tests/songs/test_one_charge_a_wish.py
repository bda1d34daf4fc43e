"""A wish is paid once, whichever of its tries comes, and one of them comes: none is for nothing."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from jobs.api import cancel, pause, rerun
from jobs.execution.executor import execute
from jobs.runs.claiming import claim_due
from jobs.testing import drain
from songs import credits
from songs.failure_messages import ANOTHER
from songs.generation import NoSecondTry, try_again
from songs.models import CreditEntry, Song, SongStatus, User
from tests.songs.making import (
    FN,
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
BROKEN = answer(b"CUDA out of memory", 422)
PAID = [("charge", -1)]


def states(*songs: Song) -> list[str]:
    for song in songs:
        song.refresh_from_db()
    return [song.status for song in songs]


# --- a second try ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"from_start": True}, {"data": ...}], ids=repr)
@pytest.mark.parametrize("hook", ["late", "in time"])
def test_a_song_that_is_made_again_is_not_tried_again_and_says_so(
    settings, alice: User, alices: Client, how: dict, hook: str
) -> None:
    with endpoint(settings, BROKEN, replies()):
        song = made(alice)
        if hook == "late":
            pause(f"{FN}-retry")
        if "data" in how:
            how = {"data": run_of(song).event.data}
        rerun(run_of(song).id, **how)
        if hook == "in time":
            [told] = [claimed for claimed in claim_due(10) if claimed.fn_id == f"{FN}-retry"]
            execute(told)
        said = alices.post(f"/songs/{song.pk}/again", follow=True).content.decode()
        assert ("is already being made again" in said) or ("needs no second try" in said)
        assert "In line" in said
        assert "cost you nothing" not in said
        assert alices.get(f"/songs/{song.pk}.json").json()["status"] == "queued"
        assert "In line" in alices.get("/songs/").content.decode()
        assert Song.objects.count() == 1


def test_nor_is_it_deleted(settings, alice: User, alices: Client) -> None:
    with endpoint(settings, BROKEN, replies()):
        song = made(alice)
        pause(f"{FN}-retry")
        rerun(run_of(song).id)
        said = alices.post(f"/songs/{song.pk}/delete", follow=True).content.decode()
        assert "still being made" in said
        to_the_end()
    assert states(song) == [SongStatus.PROCESSED]


def test_what_has_become_of_the_song_since_its_page_was_read_counts(settings, alice: User) -> None:
    with endpoint(settings, BROKEN, replies()):
        song = made(alice)
        rerun(run_of(song).id)
        to_the_end()
        with pytest.raises(NoSecondTry, match="needs no second try"):
            try_again(song)
    assert Song.objects.count() == 1


# --- two tries, one wish --------------------------------------------------------------------------


def test_a_second_try_that_comes_is_the_wishes_only_charge(settings, alice: User) -> None:
    with endpoint(settings, BROKEN, replies()) as server:
        first = made(alice)
        second = try_again(first)
        to_the_end()
        assert states(first, second) == ["failed", "processed"]
        rerun(run_of(first).id, from_start=True)
        to_the_end()
        assert posts(server) == 2  # it was not even asked for
    assert states(first, second) == ["failed", "processed"]
    assert (charges(alice), first.reason) == (PAID, ANOTHER)


def test_when_the_first_try_comes_after_all_the_second_is_not_made(settings, alice: User) -> None:
    with endpoint(settings, BROKEN, replies()) as server:
        first = made(alice)
        second = try_again(first)
        rerun(run_of(first).id)  # older, so it is first in line
        to_the_end()
        assert posts(server) == 2
    assert states(first, second) == ["processed", "failed"]
    assert (charges(alice), second.reason) == (PAID, ANOTHER)


def test_an_answer_that_comes_after_the_other_try_is_not_kept(settings, alice: User) -> None:
    with endpoint(settings, BROKEN, replies()) as server:
        first = made(alice)
        second = try_again(first)
        drain_one(second)
        cancel(run_of(second).id)
        drain()
        rerun(run_of(first).id)
        to_the_end()
        rerun(run_of(second).id)
        to_the_end()
        assert posts(server) == 3
    assert states(first, second) == ["processed", "failed"]
    assert (charges(alice), second.reason, second.s3_key) == (PAID, ANOTHER, "")


def drain_one(song: Song) -> None:
    """Its request is about to go out."""
    for claimed in claim_due(10):
        execute(claimed)
    assert run_of(song).status == "waiting"


def test_a_try_of_a_wish_that_was_paid_and_deleted_is_a_wish_of_its_own(
    settings, alice: User, alices: Client
) -> None:
    with endpoint(settings, BROKEN, replies()):
        first = made(alice)
        second = try_again(first)
        to_the_end()
        alices.post(f"/songs/{second.pk}/delete")
        third = try_again(first)
        to_the_end()
    assert states(third) == ["processed"]
    assert third.wish == third.pk
    assert charges(alice) == PAID * 2


def test_a_chain_of_tries_is_one_wish_and_another_order_is_another(settings, alice: User) -> None:
    with endpoint(settings, BROKEN, BROKEN, replies()):
        first = made(alice)
        second = try_again(first)
        to_the_end()
        third = try_again(second)
        to_the_end()
        other = made(alice)
    assert {first.wish, second.wish, third.wish} == {first.pk}
    assert other.wish == other.pk
    assert charges(alice) == PAID * 2


def test_songs_and_entries_of_an_earlier_version_name_no_wish_and_are_paid_once(
    settings, alice: User
) -> None:
    with endpoint(settings, replies()):
        song = made(alice)
        Song.objects.update(wish=None)
        CreditEntry.objects.update(wish=None)
        rerun(run_of(song).id, from_start=True)
        to_the_end()
    assert run_of(song).status == "completed"
    assert charges(alice) == PAID


def test_the_database_itself_knows_one_charge_a_wish(alice: User) -> None:
    song = order(alice)
    credits.charge(song)
    entry = CreditEntry(user=alice, amount=-1, kind="charge", wish=song.pk)
    with pytest.raises(IntegrityError, match="one_charge_a_wish"), transaction.atomic():
        entry.save()
