"""A song is charged once, in the commit in which it is there; never for a failure, never for a
cancellation."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.db.models import Sum

from jobs.api import rerun
from jobs.execution.executor import execute
from jobs.fetch.gateway import lease_requests, perform_now, store_responses
from jobs.models import Run
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from songs import credits
from songs.failure_messages import NO_CREDITS
from songs.models import CreditEntry, Song, SongStatus, User
from tests.songs.making import (
    FN,
    LATER,
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
from tests.support.cast import listener
from tests.support.deaths import DIED, die_at_commit
from tests.support.functions import in_a_child
from tests.support.hostile_endpoint import Adversary, answer

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def server(settings) -> Iterator[Adversary]:
    with endpoint(settings) as server:
        yield server


def balance(user: User) -> int:
    user.refresh_from_db()
    booked = user.credit_entries.aggregate(sum=Sum("amount", default=0))["sum"]
    assert user.credits == booked
    return booked


def spend_everything(user: User) -> None:
    user.refresh_from_db()
    credits.grant(user, -user.credits, why="taken back")


def taken(user: User) -> list[tuple[str, int]]:
    return [entry for entry in charges(user) if entry[0] in ("charge", "waived")]


def test_a_song_costs_one_credit_and_the_ledger_names_it(server, alice: User) -> None:
    song = made(alice)
    assert balance(alice) == 2
    entry = CreditEntry.objects.get(song=song)
    assert (entry.user, entry.amount, entry.why) == (alice, -1, "A waltz for two cats")


def test_the_credit_is_taken_when_the_song_is_there_and_not_before(server, alice: User) -> None:
    song = order(alice)
    advance()
    assert balance(alice) == 3
    song.refresh_from_db()
    assert song.status == SongStatus.PROCESSING
    to_the_end()
    song.refresh_from_db()
    assert (song.status, balance(alice)) == (SongStatus.PROCESSED, 2)
    assert CreditEntry.objects.get(song=song).at >= song.finished_at


def advance() -> None:
    """What workers do, without a gateway."""
    while claims := claim_due(10):
        for claimed in claims:
            execute(claimed)


def test_a_song_without_a_credit_is_not_ordered_and_says_so(server, alice: User) -> None:
    song = order(alice)
    spend_everything(alice)
    to_the_end()
    song.refresh_from_db()
    run = run_of(song)
    assert (song.status, song.reason) == (SongStatus.NO_CREDITS, NO_CREDITS)
    assert (run.status, run.output) == ("completed", {"success": False, "reason": "no credits"})
    assert [step.name for step in run.steps.order_by("position")] == ["check-credits", "no-credits"]
    assert song.finished_at is not None
    assert server.heard == taken(alice) == []


def test_a_song_that_found_no_credit_can_be_made_once_there_is_one(server, alice: User) -> None:
    song = order(alice)
    spend_everything(alice)
    to_the_end()
    credits.grant(alice, 1, why="a gift")
    rerun(run_of(song).id, from_start=True)
    to_the_end()
    song.refresh_from_db()
    assert (song.status, song.reason, balance(alice)) == (SongStatus.PROCESSED, "", 0)


def test_a_balance_that_went_to_zero_meanwhile_is_waived(server, alice: User) -> None:
    song = order(alice)
    advance()
    spend_everything(alice)
    to_the_end()
    song.refresh_from_db()
    assert song.is_processed
    assert (taken(alice), balance(alice)) == ([("waived", 0)], 0)
    assert run_of(song).steps.get(name="deduct-credits").output == {"kind": "waived", "amount": 0}


def test_a_song_that_is_made_anew_is_not_charged_twice(server, alice: User) -> None:
    song = made(alice)
    rerun(run_of(song).id, from_start=True)
    to_the_end()
    assert posts(server) == 2
    assert run_of(song).status == "completed"
    assert (taken(alice), balance(alice)) == ([("charge", -1)], 2)


def test_a_song_that_is_paid_for_needs_no_second_credit_to_be_made_anew(
    server, alice: User
) -> None:
    song = made(alice)
    spend_everything(alice)
    rerun(run_of(song).id, from_start=True)
    to_the_end()
    assert posts(server) == 2
    assert run_of(song).output == {"success": True}
    assert (taken(alice), balance(alice)) == ([("charge", -1)], 0)


def test_ten_reruns_side_by_side_are_one_charge(server, alice: User) -> None:
    song = made(alice)
    run = run_of(song)
    for _ in range(10):
        rerun(run.id, from_start=True)
    to_the_end()
    assert posts(server) == 11
    assert (taken(alice), balance(alice)) == ([("charge", -1)], 2)


def test_a_charge_that_cannot_be_written_keeps_the_song_back_and_both_are_tried_again(
    server, alice: User, monkeypatch
) -> None:
    charge, tries = credits.charge, []

    def once_broken(song: Song) -> CreditEntry:
        tries.append(1)
        entry = charge(song)
        if len(tries) == 1:
            raise OSError("the lights went out")
        return entry

    monkeypatch.setattr(credits, "charge", once_broken)
    song = order(alice)
    drain()
    song.refresh_from_db()
    assert (song.status, song.s3_key, taken(alice), balance(alice)) == ("processing", "", [], 3)
    to_the_end()
    song.refresh_from_db()
    assert (song.status, taken(alice), balance(alice)) == ("processed", [("charge", -1)], 2)
    assert posts(server) == 1


# --- death ----------------------------------------------------------------------------------------


def drain_and_die(at_commit: int, *, before: bool) -> None:
    """Do what is due; the process ends at this commit, without any clean-up."""
    die_at_commit(at_commit, before=before)
    while advance_and_fly():
        pass


def advance_and_fly() -> bool:
    """A worker and a gateway, without the sweeps that have commits of their own."""
    claims, leased_requests = claim_due(10), lease_requests(10)
    for claimed in claims:
        execute(claimed)
    if leased_requests:
        store_responses(
            [(leased_request, perform_now(leased_request)) for leased_request in leased_requests]
        )
    return bool(claims or leased_requests)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_process_that_dies_at_any_commit_makes_one_song_and_one_charge(
    server, before: bool
) -> None:
    deaths = 0
    code = DIED
    while code == DIED:
        somebody = listener(f"listener {deaths}")
        song = order(somebody)
        code = in_a_child(lambda at=deaths + 1: drain_and_die(at, before=before))
        to_the_end()
        song.refresh_from_db()
        assert song.is_processed
        assert (taken(somebody), balance(somebody)) == ([("charge", -1)], 2)
        assert [step.name for step in run_of(song).steps.order_by("position")] == STEPS
        deaths += code == DIED
    assert code == 0
    assert deaths >= 2  # a worker's; test_every_commit_boundary has those of single statements too


def test_a_process_that_dies_while_it_charges_leaves_neither_charge_nor_song(
    server, alice: User, monkeypatch
) -> None:
    charge, mine = credits.charge, os.getpid()

    def deadly(song: Song) -> CreditEntry:
        entry = charge(song)
        if os.getpid() != mine:
            os._exit(DIED)
        return entry

    monkeypatch.setattr(credits, "charge", deadly)
    song = order(alice)
    assert in_a_child(drain) == DIED
    song.refresh_from_db()
    assert (song.status, taken(alice), balance(alice)) == ("processing", [], 3)
    travel(LATER)
    to_the_end()
    song.refresh_from_db()
    assert (song.status, taken(alice), balance(alice)) == ("processed", [("charge", -1)], 2)
    assert posts(server) == 1


def test_a_failure_is_never_charged_however_far_it_came(settings, alice: User) -> None:
    with endpoint(settings, answer(b"", 500), answer(b"", 422), replies(s3_key="../x.mp3")):
        for _ in range(3):
            made(alice)
    assert not Song.objects.processed().exists()
    assert Run.objects.filter(fn_id=FN, status="failed").count() == 3
    assert (taken(alice), balance(alice)) == ([], 3)
