"""The ledger as a whole: one look says whether it is right, and the totals of a span are right."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from songs import credits, ledger_check, ledger_totals
from songs.models import CreditEntry, EntryKind, LedgerCheck, LedgerHour, User
from songs.upkeep import check_ledger
from tests.support.cast import a_song, listener
from tests.support.functions import ran

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)


def back(entry: CreditEntry, by: timedelta) -> None:
    """Let the entry be older."""
    CreditEntry.objects.filter(pk=entry.pk).update(at=F("at") - by)


def test_a_ledger_that_sums_to_its_balances_is_right(alice: User, bob: User) -> None:
    credits.charge(a_song(alice))
    found = ledger_check.check()
    assert found.is_right
    assert (found.entries, found.booked, found.outstanding, found.holders) == (3, 5, 5, 2)
    assert ledger_check.in_words(found) == "All 3 entries sum to all balances: 5 credits."


def test_a_balance_without_an_entry_is_found_and_named(alice: User, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(credits=7)
    found = ledger_check.check()
    assert not found.is_right
    assert (found.booked, found.outstanding, found.wrong, found.examples) == (6, 10, 1, [bob.pk])
    assert "1 account has a balance that is not the sum" in ledger_check.in_words(found)


def test_two_wrong_balances_that_cancel_each_other_out_are_wrong(alice: User, bob: User) -> None:
    User.objects.filter(pk=alice.pk).update(credits=2)
    User.objects.filter(pk=bob.pk).update(credits=4)
    found = ledger_check.check()
    assert found.booked == found.outstanding
    assert not found.is_right


def test_an_empty_site_is_right() -> None:
    assert ledger_check.check().is_right


def test_two_looks_within_a_minute_are_one(alice: User) -> None:
    assert ledger_check.check_now() == ledger_check.check_now()
    LedgerCheck.objects.update(checked_at=F("checked_at") - timedelta(minutes=2))
    ledger_check.check_now()
    assert LedgerCheck.objects.count() == 2


def test_only_the_newest_checks_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_check, "MAX_KEPT", 2)
    made = [ledger_check.check() for _ in range(4)]
    assert list(LedgerCheck.objects.all()) == [made[3], made[2]]


def test_a_ledger_that_is_wrong_fails_the_run_that_checks_it(alice: User) -> None:
    run = ran(check_ledger.handler)
    assert (run.status, run.output) == (
        "completed",
        "All 1 entries sum to all balances: 3 credits.",
    )

    User.objects.filter(pk=alice.pk).update(credits=4)
    run = ran(check_ledger.handler)
    assert run.status == "failed"
    assert "1 account has a balance that is not the sum of its entries" in run.error["message"]
    assert not LedgerCheck.objects.first().is_right


def test_each_entry_has_the_balance_after_it(alice: User) -> None:
    credits.charge(a_song(alice))
    credits.grant(alice, 5, why="x")
    credits.grant(alice, -2, why="x")
    balances = list(alice.credit_entries.order_by("id").values_list("balance", flat=True))
    assert balances == [3, 2, 7, 5]


def test_a_waived_song_leaves_the_balance_at_zero() -> None:
    penny = listener("penny", credits_=0)
    assert credits.charge(a_song(penny)).balance == 0


# --- totals ---


def test_the_totals_of_a_span_are_those_of_its_entries(alice: User) -> None:
    song = a_song(alice)
    credits.charge(song)
    credits.charge(a_song(listener("penny", credits_=0)))
    credits.refund(song, why="x", by=None)
    back(credits.grant(alice, 50, why="long ago"), 2 * HOUR)
    found = ledger_totals.totals(HOUR)
    assert (found.granted, found.charged, found.waived, found.refunded) == (3, 1, 1, 1)


@pytest.mark.parametrize("hours_ago", [0, 1, 3, 7, 23])
def test_kept_hours_and_newer_entries_are_counted_once(alice: User, hours_ago: int) -> None:
    entry = credits.grant(alice, 5, why="x")
    CreditEntry.objects.exclude(pk=entry.pk).delete()
    back(entry, hours_ago * HOUR)
    assert ledger_totals.totals(DAY).granted == 5
    for _ in range(2):
        ledger_check.check()
        assert ledger_totals.totals(DAY).granted == 5
    assert ledger_totals.totals(timedelta(days=7)).granted == 5


def test_an_entry_that_was_committed_late_is_in_its_hour(alice: User) -> None:
    CreditEntry.objects.all().delete()
    back(credits.grant(alice, 5, why="x"), 3 * HOUR)
    ledger_check.check()
    back(credits.grant(alice, 2, why="x"), 4 * HOUR)
    ledger_check.check()
    assert sum(LedgerHour.objects.values_list("amount", flat=True)) == 7
    assert ledger_totals.totals(DAY).granted == 7


def test_hours_in_which_nothing_moved_do_not_matter(alice: User) -> None:
    CreditEntry.objects.all().delete()
    back(credits.grant(alice, 5, why="x"), 20 * HOUR)
    ledger_check.check()
    back(credits.grant(alice, 2, why="x"), 2 * HOUR)
    assert ledger_totals.totals(DAY).granted == 7


def test_a_span_reads_a_limited_number_of_entries(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_totals, "MAX_READ", 2)
    assert not ledger_totals.totals(HOUR).is_capped
    for _ in range(3):
        credits.grant(alice, 1, why="x")
    found = ledger_totals.totals(HOUR)
    assert found.is_capped
    assert found.entries[EntryKind.GRANT] == 3


def test_totals_of_any_span_are_one_statement(alice: User) -> None:
    ledger_check.check()
    for span, _ in ledger_totals.SPANS.values():
        with CaptureQueriesContext(connection) as captured:
            ledger_totals.totals(span)
        assert len(captured) == 1


def test_a_long_span_begins_with_a_whole_hour() -> None:
    since = ledger_totals.totals(DAY).since
    assert (since.minute, since.second) == (0, 0)
    assert DAY <= timezone.now() - since < DAY + HOUR
