"""A listener's credits are the sum of the ledger, and a song is charged once."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from songs import credits
from songs.models import CreditEntry, EntryKind, SongStatus, User
from tests.support.cast import a_song, listener

pytestmark = pytest.mark.django_db


def booked(user: User) -> int:
    return user.credit_entries.aggregate(sum=Sum("amount", default=0))["sum"]


def balance(user: User) -> int:
    return User.objects.get(pk=user.pk).credits


def test_a_grant_moves_the_balance_and_writes_who_and_why(alice: User, olga: User) -> None:
    entry = credits.grant(alice, 5, why="for the broken night", by=olga)
    assert balance(alice) == 8
    assert (entry.amount, entry.by, entry.why) == (5, olga, "for the broken night")


def test_a_made_song_costs_one_credit(alice: User) -> None:
    song = a_song(alice)
    entry = credits.charge(song)
    assert balance(alice) == 2
    assert (entry.kind, entry.amount, entry.song) == (EntryKind.CHARGE, -1, song)


def test_a_song_is_charged_once_however_often_it_is_asked(alice: User) -> None:
    song = a_song(alice)
    entries = {credits.charge(song).pk for _ in range(3)}
    assert len(entries) == 1
    assert balance(alice) == 2


def test_the_database_refuses_a_second_charge_for_a_song(alice: User) -> None:
    song = a_song(alice)
    credits.charge(song)
    with pytest.raises(IntegrityError), transaction.atomic():
        CreditEntry.objects.create(user=alice, song=song, amount=0, kind=EntryKind.WAIVED)


def test_a_charge_on_an_empty_balance_is_waived() -> None:
    penny = listener("penny", credits_=0)
    entry = credits.charge(a_song(penny))
    assert (entry.kind, entry.amount) == (EntryKind.WAIVED, 0)
    assert balance(penny) == 0


def test_a_waived_song_stays_waived_when_credits_come_later() -> None:
    penny = listener("penny", credits_=0)
    song = a_song(penny)
    first = credits.charge(song)
    credits.grant(penny, 5, why="later")
    assert credits.charge(song) == first
    assert balance(penny) == 5


def test_taking_back_more_than_there_is_is_refused_with_the_figures(alice: User) -> None:
    with pytest.raises(credits.NotEnoughCredits, match="alice has 3 credits; 4 cannot be taken"):
        credits.grant(alice, -4, why="too much")
    assert balance(alice) == booked(alice) == 3


@pytest.mark.parametrize("amount", [0, credits.LARGEST_BALANCE, 2**40])
def test_an_amount_that_cannot_be_booked_is_refused(alice: User, amount: int) -> None:
    with pytest.raises(ValueError, match="cannot be granted"):
        credits.grant(alice, amount, why="odd")
    assert balance(alice) == 3


def test_songs_in_the_making_have_spoken_for_a_credit_each(alice: User) -> None:
    a_song(alice, status=SongStatus.QUEUED)
    a_song(alice, status=SongStatus.PROCESSING)
    a_song(alice, status=SongStatus.FAILED)
    a_song(alice)
    assert credits.balance(alice) == credits.Balance(credits=3, spoken_for=2)
    assert credits.available(alice) == 1


def test_saving_a_listener_never_writes_the_balance_back(alice: User) -> None:
    opened_before = User.objects.get(pk=alice.pk)
    credits.charge(a_song(alice))
    opened_before.email = "new@example.com"
    opened_before.save()
    alice.refresh_from_db()
    assert (alice.email, alice.credits) == ("new@example.com", 2)


def test_the_ledger_outlives_the_song(alice: User) -> None:
    song = a_song(alice, "a waltz for two cats")
    credits.charge(song)
    song.delete()
    assert balance(alice) == booked(alice) == 2
    assert alice.credit_entries.get(kind=EntryKind.CHARGE).why == "A waltz for two cats"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(st.integers(-6, 6), st.sampled_from(["new song", "same song"]))))
def test_credits_equal_the_sum_of_the_ledger_whatever_happens(moves: list[int | str]) -> None:
    with transaction.atomic():
        user = listener("somebody")
        song = a_song(user)
        for move in moves:
            if isinstance(move, str):
                song = a_song(user) if move == "new song" else song
                credits.charge(song)
            else:
                grant_if_possible(user, move)
            assert balance(user) == booked(user) >= 0
        transaction.set_rollback(True)


def grant_if_possible(user: User, amount: int) -> None:
    before = balance(user)
    try:
        credits.grant(user, amount, why="random")
    except ValueError:
        assert amount == 0 or before + amount < 0
