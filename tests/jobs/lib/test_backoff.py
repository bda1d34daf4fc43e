"""When to try again: Inngest's table, and what overrides it. Pure arithmetic.

after failure   1     2     3    4    5    6     7     8     9    10, 11 …
seconds         15    30    60   120  300  600   1200  2400  3600 7200      plus 0–30 of jitter
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.api import InvalidStep, NonRetriableError, RetryAfterError, StepError
from jobs.lib.backoff import delay, header_seconds

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
TABLE = [15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200, 7200, 7200]
ERROR = ValueError("no")


@pytest.mark.parametrize(("attempt", "seconds"), list(enumerate(TABLE)))
def test_the_default_delays_are_inngests_table_plus_its_jitter(attempt, seconds):
    delays = [delay(ERROR, attempt, retries=20) for _ in range(200)]

    assert all(seconds <= d <= seconds + 30 for d in delays)
    assert max(delays) - min(delays) > 10


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 1), (1, 5), (2, 5), (9, 5)])
def test_a_table_of_ones_own_has_no_jitter_and_its_last_entry_repeats(attempt, seconds):
    assert delay(ERROR, attempt, retries=20, table=[1, 5]) == seconds


@given(retries=st.integers(0, 20))
def test_there_are_as_many_retries_as_were_asked_for(retries):
    assert delay(ERROR, retries, retries) is None
    assert retries == 0 or delay(ERROR, retries - 1, retries) is not None


@pytest.mark.parametrize(
    "error",
    [NonRetriableError("no"), StepError("one", {}), InvalidStep("no")],
    ids=lambda error: type(error).__name__,
)
def test_some_errors_are_final_at_once(error):
    assert delay(error, 0, retries=20) is None


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (90, 90),
        (0.2, 1),
        (1.2, 2),
        (0, 1),
        (-5, 1),
        (10**9, 86_400),
        (timedelta(minutes=2), 120),
        (timedelta(days=3), 86_400),
        (NOW + timedelta(seconds=30), 30),
        (NOW - timedelta(hours=1), 1),
    ],
)
def test_retry_after_replaces_the_table_between_a_second_and_a_day(asked, seconds):
    assert delay(RetryAfterError("later", asked), 0, retries=1, now=NOW) == seconds


class Property(Exception):
    @property
    def retry_after(self) -> float:
        raise KeyError("of the author's")


UNREADABLE = [
    *("soon", "5", b"5", [], {}, object(), True, 1 + 2j),
    *(float("inf"), float("-inf"), float("nan"), datetime(2026, 1, 1)),
]


@pytest.mark.parametrize("asked", UNREADABLE, ids=lambda asked: type(asked).__name__)
def test_a_retry_after_that_is_no_time_is_ignored(asked):
    error = ValueError("an author's")
    error.retry_after = asked
    assert delay(error, 0, retries=1, table=[7], now=NOW) == 7
    assert delay(RetryAfterError("later", asked), 0, retries=1, table=[7], now=NOW) == 7


def test_a_retry_after_that_cannot_even_be_read_is_ignored():
    assert delay(Property(), 0, retries=1, table=[7], now=NOW) == 7


def test_retry_after_grants_no_attempt_beyond_the_last():
    assert delay(RetryAfterError("later", 5), 3, retries=3, now=NOW) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30),
        ("Thu, 01 Jan 2026 11:00:00 GMT", -3600),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        (", , ,", None),
        ("Fri, 31 Dec 99999999999 23:59:59 GMT", None),
        (f"Fri, 31 Dec {'9' * 5000} 23:59:59 GMT", None),
        ("Wed, 21 Oct 2026 07:28:00 +99999999999999999", None),
        ("9" * 5000, 86_400),
    ],
)
def test_a_retry_after_header_is_seconds_or_an_http_date(value, seconds):
    assert header_seconds(value, NOW) == seconds
