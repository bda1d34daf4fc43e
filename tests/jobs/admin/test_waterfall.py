from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.admin.timeline import read_story
from jobs.admin.waterfall import axis, draw, place
from jobs.models import Run
from tests.support import rows

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_time_runs_evenly_when_something_works() -> None:
    pieces = axis(at(0), at(10), [(at(0), at(10))])

    assert [round(place(at(second), pieces)) for second in (0, 2.5, 5, 10)] == [0, 25, 50, 100]


def test_a_long_wait_is_folded_and_the_work_stays_readable() -> None:
    hour = 3600
    pieces = axis(at(0), at(hour + 20), [(at(0), at(10)), (at(hour + 10), at(hour + 20))])

    # 20 s of work, and a fold as long as 0.4 of it: 10 + 8 + 10 = 28
    assert [piece.folded for piece in pieces] == [False, True, False]
    assert round(pieces[1].width, 2) == round(8 / 28 * 100, 2)
    assert round(place(at(hour + 15), pieces), 2) == round(23 / 28 * 100, 2)


def test_a_short_wait_is_drawn_as_long_as_it_was() -> None:
    pieces = axis(at(0), at(21), [(at(0), at(10)), (at(11), at(21))])

    assert not any(piece.folded for piece in pieces)
    assert round(place(at(10.5), pieces), 6) == 50


def test_what_lies_outside_is_drawn_at_the_ends() -> None:
    pieces = axis(at(0), at(10), [(at(-5), at(30))])

    assert (place(at(-1), pieces), place(at(99), pieces)) == (0, 100)


def test_a_run_made_this_very_moment_can_be_drawn() -> None:
    assert axis(at(0), at(0), []) == ()
    assert place(at(0), ()) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("make", [rows.completed_run, rows.failed_run, rows.backing_off_run])
def test_every_bar_lies_within_the_drawing(make: object) -> None:
    run: Run = make()  # type: ignore[operator]
    drawing = draw(read_story(run, rows.now()))

    marks = [mark for row in drawing.rows for mark in row.marks]
    assert len(marks) > 3
    for mark in marks:
        x, width = float(mark.x[:-1]), float(mark.width[:-1])
        assert 0 <= x <= 100
        assert width > 0
        assert x + width <= 100.2
