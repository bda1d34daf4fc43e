"""What a cron line means, and what is said of one that means nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.api import InvalidFunction, TriggerCron, TriggerEvent, create_function
from jobs.registry import catalog
from jobs.registry.cron_expression import timetable

PARIS = ZoneInfo("Europe/Paris")
DAILY_IN_A_GAP = "TZ=Europe/Paris 30 2 * * *"


def ticks(line: str, start: datetime, count: int) -> list[str]:
    found, moment = [], start
    for _ in range(count):
        moment = timetable(line).after(moment)
        found.append(f"{moment:%m-%d %H:%M}Z")
    return found


def test_a_line_is_read_in_utc():
    start = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
    assert ticks("0 12 * * 5", start, 2) == ["06-05 12:00Z", "06-12 12:00Z"]


def test_a_line_is_read_in_its_time_zone():
    start = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
    assert ticks("TZ=Europe/Paris 0 12 * * 5", start, 2) == ["06-05 10:00Z", "06-12 10:00Z"]


def test_a_tick_comes_after_the_moment_not_at_it():
    noon = datetime(2026, 6, 5, 12, 0, tzinfo=UTC)
    assert timetable("0 12 * * *").after(noon) == noon + timedelta(days=1)
    assert timetable("0 12 * * *").latest(noon) == noon


def test_an_hour_that_the_clocks_leave_out_ticks_when_they_change():
    evening = datetime(2026, 3, 28, 12, tzinfo=PARIS)
    assert ticks(DAILY_IN_A_GAP, evening, 2) == ["03-29 01:00Z", "03-30 00:30Z"]


def test_an_hour_that_the_clocks_repeat_ticks_once():
    evening = datetime(2026, 10, 24, 12, tzinfo=PARIS)
    assert ticks(DAILY_IN_A_GAP, evening, 2) == ["10-25 00:30Z", "10-26 01:30Z"]


def test_a_tick_of_the_first_pass_does_not_come_again_in_the_second():
    second_pass = datetime(2026, 10, 25, 2, 15, fold=1, tzinfo=PARIS)
    assert ticks(DAILY_IN_A_GAP, second_pass, 1) == ["10-26 01:30Z"]


def test_a_line_without_a_fixed_hour_goes_by_elapsed_time():
    autumn = datetime(2026, 10, 24, 23, 45, tzinfo=UTC)
    hourly = "TZ=Europe/Paris 30 * * * *"
    assert ticks(hourly, autumn, 3) == ["10-25 00:30Z", "10-25 01:30Z", "10-25 02:30Z"]


LINES = [
    *("* * * * *", "0 */6 * * *", "17 3 L * *", "0 9-17 * * MON-FRI", DAILY_IN_A_GAP),
    *("TZ=Australia/Lord_Howe 45 1 * * *", "TZ=Europe/Paris */20 2 * * *"),
    *("TZ=America/Sao_Paulo 0 0 * * *", "TZ=Europe/Dublin 30 1 * * 0"),
]


@given(
    st.sampled_from(LINES),
    st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),
)
def test_the_next_tick_is_always_later_and_the_latest_never_is(line: str, moment: datetime):
    table = timetable(line)
    after = table.after(moment)
    assert table.latest(moment) <= moment < after
    assert table.latest(after) == after


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("61 * * * *", "its minute cannot be read"),
        ("* * * *", "it has 4 fields"),
        ("* * * * * *", "it has 6 fields"),
        ("@daily", "it has 1 field."),
        ("", "it has 0 fields"),
        ("0 12 * * funday", "its day-of-week cannot be read"),
        ("0 0 32 1 *", "its day-of-month cannot be read"),
        ("0 0 32 13 *", "its day-of-month cannot be read"),
        ("0 0 30 2 *", "no month that it names has such a day, so it would never tick."),
        ("0 0 31 2,4,JUN *", "no month that it names has such a day, so it would never tick."),
        ("0 0 31 13 *", "its month cannot be read"),
        ("TZ=Europe/Pariss 0 12 * * *", "did you mean “Europe/Paris”?"),
        ("TZ= 0 12 * * *", "no time zone is called “”"),
        ("TZ=../../etc/passwd 0 12 * * *", "no time zone is called"),
        ("0 12 * * * " + "*" * 300, "at most 255 characters"),
        (["0 12 * * *"], "a text of at most 255"),
        (None, "a text of at most 255"),
    ],
)
def test_a_line_that_means_nothing_is_refused_at_registration(line, said: str):
    def handler(ctx):
        return None

    with pytest.raises(InvalidFunction) as refusal:
        create_function(fn_id="never", trigger=TriggerCron(cron=line))(handler)
    assert "“never”" in str(refusal.value)
    assert said in str(refusal.value)
    assert not catalog.knows("never")


def test_a_trigger_that_is_none_is_refused():
    with pytest.raises(InvalidFunction, match="TriggerEvent and TriggerCron are allowed"):
        create_function(fn_id="never", trigger=[TriggerEvent(event="a"), "0 12 * * *"])(print)
    assert not catalog.knows("never")
