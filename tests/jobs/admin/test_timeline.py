from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.admin import timeline
from jobs.admin.bars import BarKind
from jobs.models import Run
from tests.support import rows

pytestmark = pytest.mark.django_db


def seconds(delta: timedelta) -> float:
    return round(delta.total_seconds(), 3)


def told(run: Run) -> timeline.Story:
    return timeline.tell(Run.objects.get(pk=run.pk), rows.now())


def test_a_song_is_told_step_by_step() -> None:
    story = told(rows.completed_run())

    assert [lane.name for lane in story.lanes] == [
        *("check-credits", "set-processing", "call-modal-api", "update-song", "deduct-credits")
    ]
    assert seconds(story.queued.duration) == 0.8
    assert [seconds(lane.duration) for lane in story.lanes] == [0.02, 0.01, 21.3, 0.12, 0.03]
    assert {bar.kind for lane in story.lanes for bar in lane.bars} == {BarKind.DONE}


def test_time_in_which_nothing_worked_is_told_apart_from_work() -> None:
    story = told(rows.completed_run())

    assert seconds(story.busy_time) == 21.48  # 0.02 + 0.01 + 21.3 + 0.12 + 0.03
    assert seconds(story.waited) == 0.42  # 21.9 - 21.48


def test_backoff_lies_between_the_attempts_that_it_parted() -> None:
    story = told(rows.failed_run())

    lane = next(lane for lane in story.lanes if lane.name == "call-modal-api")
    error, backoff = BarKind.ERROR, BarKind.BACKOFF
    assert [bar.kind for bar in lane.bars] == [
        error,
        backoff,
        error,
        backoff,
        error,
        backoff,
        error,
    ]
    assert [seconds(bar.duration) for bar in lane.bars] == [2, 15, 3, 30, 2.5, 60, 1.4]
    assert len(lane.errors) == 4


def test_the_function_itself_has_a_lane_for_its_own_errors() -> None:
    story = told(rows.failed_run())

    lane = story.lanes[-1]
    assert (lane.title, lane.step, lane.status) == ("the function itself", None, "error")


def test_a_backoff_that_goes_on_reaches_to_now() -> None:
    run = rows.backing_off_run()
    present = rows.now()

    story = timeline.tell(run, present)

    last = story.lanes[-1].bars[-1]
    assert (last.kind, last.end) == (BarKind.BACKOFF, present)


def test_work_that_goes_on_reaches_to_now() -> None:
    present = rows.now()
    run = rows.make_run(status="running", started_at=present - timedelta(seconds=5))
    rows.make_step(run, "compose", present - timedelta(seconds=4), None)

    (lane,) = timeline.tell(run, present).lanes

    assert [(bar.kind, seconds(bar.duration)) for bar in lane.bars] == [(BarKind.OPEN, 4)]


def test_a_request_that_went_well_at_once_is_work_from_when_it_was_sent() -> None:
    start = rows.now() - timedelta(minutes=1)
    run = rows.make_run(start, status="completed", started_at=start, ended_at=rows.now())
    rows.make_step(run, "call-modal-api", start, 30, kind="fetch")
    rows.make_fetch(run, start + timedelta(seconds=10), 20, 200)

    (lane,) = told(run).lanes

    assert [(bar.kind, seconds(bar.duration)) for bar in lane.bars] == [(BarKind.DONE, 20)]


def test_a_sleep_is_a_wait_and_not_work() -> None:
    start = rows.now() - timedelta(hours=1)
    run = rows.make_run(start, status="waiting", reason="sleep", started_at=start)
    rows.make_step(run, "until-morning", start, None, kind="sleep", status="waiting")

    story = told(run)

    assert story.lanes[0].bars[0].kind == BarKind.WAIT
    assert story.busy == []


def test_the_night_before_a_person_retried_is_no_backoff() -> None:
    run = rows.failed_run(at=rows.now() - timedelta(hours=9))
    rows.make_attempt(run, "call-modal-api", rows.now() - timedelta(minutes=1), 20)

    lane = next(lane for lane in told(run).lanes if lane.name == "call-modal-api")

    assert [bar.kind for bar in lane.bars[-2:]] == [BarKind.WAIT, BarKind.DONE]


def test_a_run_that_nobody_has_started_is_only_queued() -> None:
    run = rows.make_run(rows.now() - timedelta(minutes=1), reason="turn")

    story = told(run)

    assert story.lanes == ()
    assert story.queued.duration >= timedelta(minutes=1)
    assert story.waited == timedelta()


def test_a_long_run_costs_as_many_queries_as_a_short_one(
    django_assert_num_queries: pytest.FixtureRequest,
) -> None:
    run = rows.make_run(status="running", started_at=rows.now())
    for number in range(40):
        rows.make_step(run, f"step-{number}", rows.now(), 1)
        rows.make_attempt(run, f"step-{number}", rows.now(), 1)

    with django_assert_num_queries(4):  # type: ignore[operator]
        assert len(timeline.tell(run, rows.now()).lanes) == 40


def test_only_the_last_log_lines_are_told_and_the_rest_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timeline, "MOST_LOG_LINES", 3)
    run = rows.make_run()
    for number in range(5):
        rows.make_line(run, rows.now(), f"line {number}")

    story = told(run)

    assert [line.message for line in story.log_lines] == ["line 2", "line 3", "line 4"]
    assert story.earlier_lines == 2
