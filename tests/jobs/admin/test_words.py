from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.admin.words import figure, is_stalled, situation, span
from jobs.models import Run

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.00001, "<1 ms"),
        (0.43, "430 ms"),
        (0.9999, "1.0 s"),
        (21.94, "21.9 s"),
        (59.97, "1 min"),
        (184, "3 min 4 s"),
        (7500, "2 h 5 min"),
        (86_400 * 3 + 3600 * 4, "3 d 4 h"),
        (-5, "0 ms"),
    ],
)
def test_a_duration_has_the_precision_that_its_size_deserves(seconds: float, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (
            Run(status="waiting", reason="backoff", attempt=2, due_at=NOW + timedelta(seconds=12)),
            "backing off before retry 2/3, in 12 s",
        ),
        (Run(status="queued", reason="turn", due_at=None), "its turn"),
        (Run(status="waiting", reason="fetch", due_at=None), "HTTP in flight"),
        (
            Run(status="waiting", reason="sleep", due_at=NOW + timedelta(hours=2)),
            "sleeping, in 2 h",
        ),
        (Run(status="queued", reason="", due_at=NOW), "due"),
        (Run(status="queued", reason="", due_at=NOW - timedelta(minutes=5)), "due for 5 min"),
        (Run(status="completed", reason="", due_at=None), ""),
    ],
)
def test_a_run_says_why_it_is_where_it_is(run: Run, words: str) -> None:
    assert situation(run, NOW, retries=3) == words


def test_a_run_is_stalled_once_its_lease_has_run_out() -> None:
    assert is_stalled(Run(lease_until=NOW - timedelta(seconds=1)), NOW)
    assert not is_stalled(Run(lease_until=NOW + timedelta(seconds=1)), NOW)
    assert not is_stalled(Run(), NOW)


def test_a_large_number_is_read_by_its_thousands() -> None:
    assert [figure(number) for number in (0, 999, 1_703, -98_000)] == [
        "0",
        "999",
        "1,703",
        "−98,000",
    ]
    assert figure(None) == figure("") == "–"
