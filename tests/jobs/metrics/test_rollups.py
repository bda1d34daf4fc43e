"""What ended is counted once, whatever happens to the counting and to the runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction

from jobs.api import Event, rerun, send
from jobs.maintenance import retention
from jobs.metrics import ended_runs, rollups
from jobs.metrics.histograms import BOUNDS, Histogram, bucket_of, histogram
from jobs.metrics.rollups import roll_up
from jobs.metrics.series import charts
from jobs.metrics.spans import HOUR, SPANS, floor
from jobs.models import Rollup, RollupMark, Run, UndoneEnd
from jobs.testing import drain, travel
from tests.support.blocking import Uncommitted
from tests.support.ended import by_hand, by_minute, ended, minutes, rolled, seen
from tests.support.functions import registered, the_run
from tests.support.rows import make_event, now

OUTCOMES = ("completed", "completed", "failed", "cancelled", "skipped")


@pytest.fixture(autouse=True)
def all_the_time_it_needs(monkeypatch) -> None:
    monkeypatch.setattr(rollups, "PASS_SECONDS", 600.0)


def settle() -> None:
    """Until all of it is: other databases of this server have transactions, too."""
    until = floor(now(), minutes(1)) - minutes(1)
    for _ in range(600):
        roll_up()
        if RollupMark.objects.get().settled_to >= until:
            return
        time.sleep(0.1)
    raise AssertionError(f"{RollupMark.objects.values().get()} is not settled to {until}")


def die(mark: RollupMark) -> None:
    raise KeyboardInterrupt


@contextmanager
def another_transaction_ends_a_run(**fields: object) -> Iterator[None]:
    """It commits when the block ends."""
    begun, to_end = threading.Event(), threading.Event()
    event = make_event()

    def work() -> None:
        with transaction.atomic():
            ended(event=event, **fields)  # type: ignore[arg-type]
            begun.set()
            to_end.wait(30)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert begun.wait(30)
        yield
    finally:
        to_end.set()
        thread.join()


@pytest.mark.django_db
def test_rollups_equal_a_count_by_hand():
    for number in range(60):
        fields = {"fn_id": f"sing-{number % 3}", "wait": number / 10, "took": number}
        ended(minutes(2 + number % 7) + timedelta(seconds=number), OUTCOMES[number % 5], **fields)
    assert roll_up()
    assert by_minute() == by_hand()
    rows = Rollup.objects.filter(minutes=1, fn_id="sing-1", status="failed")
    hand = Run.objects.filter(fn_id="sing-1", status="failed")
    waits, times = Histogram(), Histogram()
    for row in rows:
        waits.merge(row.waits)
        times.merge(row.times)
    assert waits == histogram((run.started_at - run.created_at).total_seconds() for run in hand)
    assert times == histogram(run.duration.total_seconds() for run in hand)


@pytest.mark.django_db
def test_a_second_time_changes_nothing():
    ended()
    roll_up()
    before = list(Rollup.objects.values("fn_id", "at", "status", "runs", "waits", "times"))
    roll_up()
    assert list(Rollup.objects.values("fn_id", "at", "status", "runs", "waits", "times")) == before


@pytest.mark.django_db
def test_what_ends_in_a_minute_that_is_begun_is_added_to_it():
    minute = floor(now(), minutes(1)) - minutes(2)
    ended(now() - minute - timedelta(seconds=10))
    RollupMark.objects.create(
        rolled_to=minute, settled_to=minute, folded_to=floor(minute, HOUR), pending_to=None
    )
    roll_up()
    RollupMark.objects.update(rolled_to=minute + timedelta(seconds=20))
    ended(now() - minute - timedelta(seconds=30))
    roll_up()
    assert by_minute() == by_hand() == {("sing", minute, "completed"): 2}


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_end_is_committed_late_is_counted():
    ended(minutes(60))
    with another_transaction_ends_a_run(ago=minutes(3)):
        roll_up()
        roll_up()
        assert rolled() == {("sing", "completed"): 1}
    settle()
    assert rolled() == {("sing", "completed"): 2}
    assert by_minute() == by_hand()


@pytest.mark.django_db(transaction=True)
def test_a_minute_is_not_settled_while_a_transaction_of_then_is_open():
    ended(minutes(60))
    with another_transaction_ends_a_run(ago=minutes(3)):
        roll_up()
        roll_up()
        mark = RollupMark.objects.get()
        assert mark.settled_to < mark.pending_to <= mark.rolled_to
    settle()


@pytest.mark.django_db(transaction=True)
def test_what_two_clusters_count_at_once_is_counted_once():
    ended()
    with transaction.atomic():
        assert roll_up()
        done: list[bool] = []

        def work() -> None:
            done.append(roll_up())
            connection.close()

        other = threading.Thread(target=work)
        other.start()
        other.join()
        assert done == [False]
    assert rolled() == {("sing", "completed"): 1}


@pytest.mark.django_db(transaction=True)
def test_a_cluster_that_dies_while_it_counts_leaves_nothing_half_done(monkeypatch):
    ended()
    with monkeypatch.context() as patch:
        patch.setattr(RollupMark, "save", die)
        with pytest.raises(KeyboardInterrupt):
            roll_up()
    assert not Rollup.objects.exists()
    roll_up()
    assert rolled() == {("sing", "completed"): 1}


@pytest.mark.django_db
def test_the_gap_of_an_outage_is_filled():
    ended(minutes(2))
    roll_up()
    travel(timedelta(hours=5))
    for ago in (4.5, 3, 1, 0.2):
        ended(timedelta(hours=ago), status="failed")
    assert roll_up()
    assert by_minute() == by_hand()


@pytest.mark.django_db
def test_a_long_history_is_counted_a_piece_at_a_time(monkeypatch):
    for number in range(30):
        ended(minutes(100 - number))
    monkeypatch.setattr(rollups, "CHUNK", 4)
    monkeypatch.setattr(rollups, "PASS_SECONDS", 0.0)
    passes = 1
    while not roll_up():
        assert sum(rolled().values()) <= 5 * passes
        passes += 1
    assert passes >= 6
    assert by_minute() == by_hand()


@pytest.mark.django_db
def test_an_hour_has_the_sums_of_its_minutes():
    start = now() - floor(now(), HOUR) + HOUR * 3
    for number in range(40):
        ended(start - minutes(number), OUTCOMES[number % 5], took=number / 4)
    roll_up()
    assert rolled(60) == rolled(1)
    for status in OUTCOMES:
        small, large = Histogram(), Histogram()
        for row in Rollup.objects.filter(status=status):
            (small if row.minutes == 1 else large).merge(row.times)
        assert small == large, status


@pytest.mark.django_db
def test_minutes_go_after_a_day_and_hours_after_a_year():
    ended(minutes(5))
    travel(HOUR)
    roll_up()
    assert rolled(1) == rolled(60) == {("sing", "completed"): 1}
    travel(HOUR * 27)
    roll_up()
    assert not rolled(1)
    assert rolled(60) == {("sing", "completed"): 1}
    travel(timedelta(days=360))
    roll_up()
    assert rolled(60) == {("sing", "completed"): 1}
    travel(timedelta(days=10))
    roll_up()
    assert not rolled(60)


@pytest.mark.django_db(transaction=True)
def test_retention_takes_no_figures_away(settings):
    settings.JOBS = {**settings.JOBS, "RETENTION_DAYS": 1}
    ended(minutes(5), status="failed")
    roll_up()
    travel(timedelta(days=2))
    retention.delete_ended()
    assert not Run.objects.exists()
    settle()
    assert seen("7d") == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_retention_leaves_what_is_not_counted_after_an_outage_that_was_longer(settings):
    settings.JOBS = {**settings.JOBS, "RETENTION_DAYS": 1}
    ended(minutes(5))
    roll_up()
    with registered(lambda ctx: 1 / 0, retries=0):
        send(Event(name="test/go"))
        drain()
        rerun(the_run().id)  # the first end is an undone one
        drain()
    travel(timedelta(days=2))
    assert retention.delete_ended()["runs"] == 1
    settle()
    assert retention.delete_ended()["runs"] == 1
    assert not UndoneEnd.objects.exists()
    assert seen("7d") == (1, 2)


@pytest.mark.django_db(transaction=True)
def test_retention_leaves_what_another_cluster_is_counting(settings):
    settings.JOBS = {**settings.JOBS, "RETENTION_DAYS": 1}
    ended(minutes(5))
    roll_up()
    ended(timedelta(seconds=0))
    travel(timedelta(days=2))
    with Uncommitted(roll_up):
        assert retention.delete_ended()["runs"] == 1
    assert retention.delete_ended()["runs"] == 1
    assert seen("7d") == (2, 0)


@pytest.mark.django_db(transaction=True)
def test_a_minute_whose_runs_may_be_forgotten_is_not_counted_again(settings):
    settings.JOBS = {**settings.JOBS, "RETENTION_DAYS": 1 / 24 / 60}
    ended(minutes(5))
    roll_up()
    retention.delete_ended()
    assert not Run.objects.exists()
    settle()
    assert rolled() == {("sing", "completed"): 1}


@pytest.mark.django_db(transaction=True)
def test_a_failure_is_counted_where_it_was_though_a_person_retries_it():
    with registered(lambda ctx: 1 / 0, retries=0):
        send(Event(name="test/go"))
        drain()
        travel(HOUR)
        rerun(the_run().id)
        assert seen() == (0, 1)
        settle()
    assert rolled() == {("test-function", "failed"): 1}
    with registered(lambda ctx: "done"):
        drain()
    assert seen() == (1, 1)


@pytest.mark.django_db
def test_the_time_between_a_failure_and_a_persons_retry_is_not_the_runs():
    with registered(lambda ctx: 1 / 0, retries=0):
        send(Event(name="test/go"))
        drain()
        travel(HOUR * 8)
        rerun(the_run().id)
    with registered(lambda ctx: "done"):
        drain()
    run = the_run()
    assert run.duration < timedelta(minutes=1)
    (count,) = (
        c for c in ended_runs.counted(now() - HOUR, now()).values() if c.status == "completed"
    )
    assert count.times.p95 < 60
    assert count.waits.total == 0, "its wait was counted when it failed"
    assert UndoneEnd.objects.get().took < 60


@pytest.mark.django_db
def test_what_has_just_ended_is_in_the_charts_before_it_is_rolled_up():
    ended(minutes(2))
    roll_up()
    ended(timedelta(seconds=0))
    assert rolled() == {("sing", "completed"): 1}
    assert seen("1h") == seen("15m") == seen("24h") == seen("7d") == (2, 0)


@pytest.mark.django_db
@pytest.mark.parametrize("key", SPANS)
def test_every_bar_has_what_ended_in_its_time(key: str):
    span = SPANS[key]
    for number in range(1, 8):
        ended(span.length * number / 8, took=number)
    roll_up()
    bars = charts(span).all.bars
    assert [bar.until for bar in bars[:-1]] == [bar.at for bar in bars[1:]]
    for bar in bars:
        hand = Run.objects.filter(ended_at__gte=bar.at, ended_at__lt=bar.until).count()
        assert bar.completed == hand, bar
    assert sum(bar.completed for bar in bars) == 7


def test_a_percentile_is_within_a_fifth_of_the_true_one():
    for top in (0.004, 0.3, 42.0, 7_000.0):
        values = [top * (number + 1) / 1000 for number in range(1000)]
        made = histogram(values)
        for share in (0.5, 0.95):
            true = values[int(share * 1000) - 1]
            assert made.percentile(share) == pytest.approx(true, rel=0.2), (top, share)
    assert Histogram().p50 is None


def test_every_time_has_its_bucket():
    assert bucket_of(0) == 0
    assert bucket_of(BOUNDS[0]) == 1
    assert bucket_of(BOUNDS[-1] * 10) == len(BOUNDS)
    assert histogram([BOUNDS[-1] * 10]).p95 > BOUNDS[-1]
