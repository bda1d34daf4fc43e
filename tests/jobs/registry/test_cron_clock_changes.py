"""A line's ticks where clocks are set, beside a clock that is watched minute by minute.

The watched clock knows the rules and nothing else (timetable.py says them):

- a line that goes by elapsed time ticks in each minute in which the wall shows one of its times;
- a line that names its hour ticks when the wall shows one of its times, or is set past it, and
  what the wall shows for the second time has been.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from jobs.registry.cron_expression import timetable

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
AROUND = 2 * DAY  # before and after a change

# A day on which the clocks were set.
CHANGES = [
    ("Europe/Paris", datetime(2026, 3, 29)),
    ("Europe/Paris", datetime(2026, 10, 25)),
    ("America/Havana", datetime(2027, 3, 14)),  # midnight is left out
    ("America/Havana", datetime(2027, 11, 7)),  # 0:00 to 1:00 twice
    ("America/Santiago", datetime(2024, 9, 8)),
    ("America/Santiago", datetime(2024, 4, 7)),  # midnight comes twice
    ("America/Asuncion", datetime(2023, 10, 1)),
    ("America/Asuncion", datetime(2024, 3, 24)),
    ("America/Sao_Paulo", datetime(2018, 11, 4)),
    ("America/Sao_Paulo", datetime(2018, 2, 18)),
    ("Asia/Beirut", datetime(2024, 3, 31)),
    ("Asia/Beirut", datetime(2024, 10, 27)),
    ("Africa/Cairo", datetime(2024, 4, 26)),
    ("Africa/Cairo", datetime(2024, 10, 31)),
    ("Atlantic/Azores", datetime(2024, 3, 31)),
    ("Atlantic/Azores", datetime(2024, 10, 27)),
    ("Australia/Lord_Howe", datetime(2024, 10, 6)),  # half an hour
    ("Australia/Lord_Howe", datetime(2024, 4, 7)),
    ("Antarctica/Troll", datetime(2024, 3, 31)),  # two hours
    ("Antarctica/Troll", datetime(2024, 10, 27)),
    ("Africa/Casablanca", datetime(2024, 3, 10)),
    ("Africa/Casablanca", datetime(2024, 4, 14)),
    ("Pacific/Apia", datetime(2011, 12, 30)),  # the whole day is left out
    ("Pacific/Kwajalein", datetime(1993, 8, 21)),  # as well
    ("Asia/Pyongyang", datetime(2015, 8, 15)),  # half an hour back, and not for the summer
    ("America/Caracas", datetime(2016, 5, 1)),
    ("Asia/Kathmandu", datetime(1986, 1, 1)),  # a quarter of an hour
]

Shows = Callable[[datetime], bool]


def at(hours: set[int], minutes: set[int], days: Shows = lambda wall: True) -> Shows:
    return lambda wall: wall.hour in hours and wall.minute in minutes and days(wall)


def weekday(*numbers: int) -> Shows:
    return lambda wall: wall.isoweekday() % 7 in numbers


def last_of_month(wall: datetime) -> bool:
    return (wall + DAY).month != wall.month


EVERY, EVEN = set(range(24)), set(range(0, 24, 2))
BY_ELAPSED_TIME: dict[str, Shows] = {
    "* * * * *": at(EVERY, set(range(60))),
    "*/20 2 * * *": at({2}, {0, 20, 40}),
    "0 * * * *": at(EVERY, {0}),
    "30 * * * *": at(EVERY, {30}),
    "15,45 */2 * * *": at(EVEN, {15, 45}),
    "0 */2 * * 0": at(EVEN, {0}, weekday(0)),
    "0 */6 * * MON-FRI": at({0, 6, 12, 18}, {0}, weekday(1, 2, 3, 4, 5)),
    "*/30 0 * * *": at({0}, {0, 30}),
    "0 * L * *": at(EVERY, {0}, last_of_month),
    "0 */3 * * 0#2": at(set(range(0, 24, 3)), {0}, lambda w: weekday(0)(w) and 8 <= w.day <= 14),
}
BY_NAME: dict[str, Shows] = {
    "0 0 * * *": at({0}, {0}),
    "30 0 * * *": at({0}, {30}),
    "30 2 * * *": at({2}, {30}),
    "15,45 1-3 * * *": at({1, 2, 3}, {15, 45}),
    "0 0 * * 0": at({0}, {0}, weekday(0)),
    "0 12 * * 5": at({12}, {0}, weekday(5)),
    "59 23 * * 6": at({23}, {59}, weekday(6)),
    "0 9-17 * * MON-FRI": at(set(range(9, 18)), {0}, weekday(1, 2, 3, 4, 5)),
    "17 3 L * *": at({3}, {17}, last_of_month),
    "0 1 * * 0L": at({1}, {0}, lambda w: weekday(0)(w) and (w + 7 * DAY).month != w.month),
    "30 1 15,30 * 5": at({1}, {30}, lambda w: w.day in (15, 30) or weekday(5)(w)),
}


@functools.cache
def watched(zone: str, day: datetime, line: str) -> list[datetime]:
    """The moments around a day at which a line ticks, by a clock that is looked at each minute."""
    ticks, shown = [], None
    moment, end = day.replace(tzinfo=UTC) - AROUND, day.replace(tzinfo=UTC) + AROUND + DAY
    while moment <= end:
        wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
        if line in BY_ELAPSED_TIME:
            is_tick = BY_ELAPSED_TIME[line](wall)
        else:
            is_tick = any(BY_NAME[line](passed) for passed in _passed(shown, wall))
        if is_tick:
            ticks.append(moment)
        shown = wall if shown is None else max(shown, wall)
        moment += MINUTE
    return ticks


def _passed(shown: datetime | None, wall: datetime) -> list[datetime]:
    """The minutes of the wall since the latest that it has shown."""
    since = wall - MINUTE if shown is None else shown
    return [since + MINUTE * number for number in range(1, (wall - since) // MINUTE + 1)]


changes = st.sampled_from(CHANGES)
lines = st.sampled_from([*BY_ELAPSED_TIME, *BY_NAME])
seconds = st.floats(-AROUND.total_seconds() + 60, (AROUND + DAY).total_seconds() - 60)


@given(changes, lines, seconds)
@example(("America/Havana", datetime(2027, 3, 14)), "0 */2 * * 0", 4.5 * 3600)
@example(("Europe/Paris", datetime(2026, 10, 25)), "30 2 * * *", 1.25 * 3600)  # the second 2:15
def test_a_line_ticks_where_clocks_are_set_as_a_watched_clock_does(change, line, offset):
    zone, day = change
    moment = day.replace(tzinfo=UTC) + timedelta(seconds=offset)
    table = timetable(f"TZ={zone} {line}")
    ticks = watched(zone, day, line)
    later, earlier = [t for t in ticks if t > moment], [t for t in ticks if t <= moment]
    expected_after = later[0] if later else None
    expected_latest = earlier[-1] if earlier else None
    end, start = day.replace(tzinfo=UTC) + AROUND + DAY, day.replace(tzinfo=UTC) - AROUND
    after, latest = table.after(moment), table.latest(moment)
    assert (after if after <= end else None) == expected_after
    assert (latest if latest >= start else None) == expected_latest
