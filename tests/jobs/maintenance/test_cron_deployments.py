"""What a trigger missed while it was not deployed, it has not missed."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from jobs.api import Context, TriggerCron
from jobs.errors import InvalidFunction
from jobs.maintenance import cron
from jobs.models import CronSchedule, Event, Run
from jobs.registry.cron_expression import timetable
from jobs.testing import travel
from tests.support.functions import registered

pytestmark = pytest.mark.django_db

NIGHTLY = TriggerCron(cron="0 3 * * *")
RARE = TriggerCron(cron="0 0 29 2 *")  # no tick of its own comes while a test runs
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def nothing(ctx: Context) -> None:
    return None


def deployed(line: TriggerCron = NIGHTLY):
    """The code of a cluster that has the trigger."""
    return registered(nothing, trigger=line)


def without():
    """The code of a cluster that has another one."""
    return registered(nothing, fn_id="other", trigger=RARE)


def runs() -> int:
    return Run.objects.filter(fn_id="test-function").count()


def rows():
    return CronSchedule.objects.filter(fn_id="test-function")


def is_ahead() -> bool:
    return rows().filter(next_at__gt=Now()).exists()


def begin(line: TriggerCron = NIGHTLY) -> None:
    with deployed(line):
        cron.sync()
        cron.tick()


@pytest.mark.parametrize("away", [3 * HOUR, 40 * HOUR, 10 * DAY], ids=str)
def test_a_trigger_that_was_not_deployed_while_clusters_lived_begins_with_its_next_tick(away):
    begin()
    with without():
        for _ in range(3):
            travel(away / 3)
            cron.tick()
    rows().filter(next_at__gt=Now()).update(next_at=Now() - timedelta(seconds=1))
    with deployed():
        cron.sync()
        assert cron.tick() == 0
    assert is_ahead()
    assert runs() == 0


def test_so_does_one_that_clusters_without_it_saw_nothing_of_until_they_were_started_anew():
    begin()
    with without():
        cron.sync()
        travel(DAY)
        cron.tick()
        cron.sync()
    with deployed():
        cron.sync()
        assert cron.tick() == 0
    assert runs() == 0


@pytest.mark.parametrize("overdue", [HOUR, 30 * HOUR], ids=str)
def test_what_was_missed_while_no_cluster_lived_is_given_late(overdue):
    begin()
    travel(40 * HOUR)
    rows().update(next_at=Now() - overdue)  # at whatever hour this test runs
    with without():
        cron.sync()  # the first that starts, of two versions
        cron.tick()
    with deployed():
        cron.sync()
        assert cron.tick() == 1
    assert runs() == 1


def test_a_restart_among_clusters_without_it_costs_no_tick():
    begin()
    with without():
        travel(timedelta(minutes=20))
        cron.tick()
        travel(timedelta(minutes=20))
        rows().update(next_at=Now() - timedelta(minutes=10))
        cron.tick()
    with deployed():
        cron.sync()
        assert cron.tick() == 1


def test_two_versions_side_by_side_give_every_tick():
    hourly = TriggerCron(cron="0 * * * *")
    begin(hourly)
    with without():
        cron.sync()
    for hours in range(1, 31):
        travel(HOUR)
        with without():
            cron.tick()
        with deployed(hourly):
            cron.tick()
        assert runs() == hours


def test_a_cluster_that_was_cut_off_for_hours_gives_its_tick_late():
    """It had the trigger all the time; clusters without it could not know."""
    begin()
    with without():
        for _ in range(3):
            travel(2 * HOUR)
            cron.tick()
    rows().update(next_at=Now() - HOUR)
    with deployed():
        assert cron.tick() == 1


def test_a_row_is_written_once_in_minutes_and_not_at_each_look(django_assert_num_queries):
    begin()
    CronSchedule.objects.exclude(fn_id="test-function").delete()
    with deployed():
        with django_assert_num_queries(1):
            cron.tick()
        travel(cron.RENEWAL)
        cron.tick()
        assert rows().filter(known_at__gt=Now() - timedelta(minutes=1)).exists()
        with django_assert_num_queries(1):
            cron.tick()


def test_a_row_that_errs_is_said_by_name_and_the_others_tick(monkeypatch, caplog):
    def read(line: str):
        if line == RARE.cron:
            raise InvalidFunction("no time zone is called so any more")
        return timetable(line)

    with deployed([RARE, NIGHTLY]):
        cron.sync()
        rows().update(next_at=Now() - timedelta(seconds=1))
        monkeypatch.setattr(cron, "timetable", read)
        with caplog.at_level(logging.ERROR, logger="jobs.engine"):
            assert cron.tick() == 1
            assert cron.tick() == 0
        assert [event.data["cron"] for event in Event.objects.all()] == [NIGHTLY.cron]
        (record,) = caplog.records  # not one at each look
        assert RARE.cron in record.getMessage()
        assert "test-function" in record.getMessage()
        monkeypatch.undo()
        assert cron.tick() == 1


def test_a_trigger_that_cannot_get_its_row_keeps_no_other_from_it(monkeypatch, caplog):
    def read(line: str):
        if line == RARE.cron:
            raise InvalidFunction("no time zone is called so any more")
        return timetable(line)

    monkeypatch.setattr(cron, "timetable", read)
    with deployed([RARE, NIGHTLY]):
        cron.sync()
    assert [row.cron for row in rows()] == [NIGHTLY.cron]
    assert RARE.cron in caplog.text


def test_a_row_in_a_zone_that_is_no_more_stops_nothing():
    gone = "TZ=Mars/Olympus_Mons 0 3 * * *"
    CronSchedule.objects.create(fn_id="test-function", cron=gone, next_at=Now() - HOUR)
    with deployed():
        cron.sync()
        rows().filter(cron=NIGHTLY.cron).update(next_at=Now())
        assert cron.tick() == 1
        rows().filter(cron=gone).update(next_at=Now() - DAY, unknown_since=Now() - DAY)
        cron.sync()
    assert [row.cron for row in rows()] == [NIGHTLY.cron]


def test_a_clock_that_was_far_ahead_does_not_keep_the_ticks_away():
    begin()
    rows().update(
        next_at=F("next_at") + 400 * DAY, last_at=Now() + 399 * DAY, known_at=Now() + 399 * DAY
    )
    with deployed():
        cron.tick()
    assert rows().filter(next_at__lte=Now() + DAY).exists()
    assert runs() == 0


def test_a_clock_that_is_set_back_a_little_does_not_bring_a_tick_twice():
    minutely = TriggerCron(cron="* * * * *")
    begin(minutely)
    upcoming = rows().get().next_at
    after_it = upcoming + timedelta(minutes=1)
    rows().update(last_at=upcoming, next_at=after_it, known_at=Now() - HOUR)
    with deployed(minutely):
        cron.tick()
    assert rows().get().next_at == after_it
