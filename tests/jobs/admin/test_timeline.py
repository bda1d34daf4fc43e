from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.admin import timeline, waterfall
from jobs.admin.bars import BarKind
from jobs.models import Run
from tests.support import rows

pytestmark = pytest.mark.django_db


def seconds(delta: timedelta) -> float:
    return round(delta.total_seconds(), 3)


def told(run: Run) -> timeline.Story:
    return timeline.read_story(Run.objects.get(pk=run.pk), rows.now())


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


def test_what_a_rerun_remembers_is_no_work_of_its_own() -> None:
    first = rows.completed_run(rows.now() - timedelta(hours=1))
    begun = rows.now() - timedelta(seconds=30)
    ended = {"status": "completed", "ended_at": begun + timedelta(seconds=10), "turns_held": 0}
    again = rows.make_run(begun, rerun_of=first, started_at=begun, **ended)
    first.steps.filter(position__lt=3).update(run=again)  # as records.copy_steps writes them
    rows.make_step(again, "update-song", begun + timedelta(seconds=8), 2)

    story = told(again)

    assert [lane.is_copied for lane in story.lanes] == [True, True, True, False]
    assert seconds(story.busy_time) == 2
    assert seconds(story.waited) == 8


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

    story = timeline.read_story(run, present)

    last = story.lanes[-1].bars[-1]
    assert (last.kind, last.end) == (BarKind.BACKOFF, present)


def test_work_that_goes_on_reaches_to_now() -> None:
    present = rows.now()
    run = rows.make_run(status="running", started_at=present - timedelta(seconds=5))
    rows.make_step(run, "compose", present - timedelta(seconds=4), None)

    (lane,) = timeline.read_story(run, present).lanes

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


def test_a_run_that_no_worker_has_started_is_only_queued() -> None:
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
        assert len(timeline.read_story(run, rows.now()).lanes) == 40


def test_the_latest_log_lines_are_told_and_an_earlier_window_of_them_when_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timeline, "MAX_LOG_LINES", 3)
    run = rows.make_run()
    for number in range(1, 6):
        rows.make_line(run, rows.now(), f"line {number}")

    story = told(run)
    assert [line.message for line in story.log_lines] == ["line 3", "line 4", "line 5"]
    assert (story.lines.words, story.lines.earlier, story.lines.later) == ("3–5 of 5", 3, None)

    before = timeline.read_story(run, rows.now(), last_line=story.lines.earlier)
    assert [line.message for line in before.log_lines] == ["line 1", "line 2", "line 3"]
    assert (before.lines.words, before.lines.earlier, before.lines.later) == ("1–3 of 5", None, 5)


def a_run_of_steps(count: int) -> Run:
    """Each of a second, one after the other, the first attempt of each an error."""
    begun = rows.now() - timedelta(hours=1)
    run = rows.make_run(begun, status="running", started_at=begun)
    for number in range(count):
        at = begun + timedelta(seconds=number)
        rows.make_step(run, f"step-{number + 1}", at, 1, position=number, attempts=2)
        rows.make_attempt(run, f"step-{number + 1}", at, 0.4, status="error")
        rows.make_attempt(run, f"step-{number + 1}", at + timedelta(seconds=0.5), 0.4)
    return run


def test_a_long_run_tells_its_latest_steps_and_each_earlier_one_when_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timeline, "MAX_STEPS", 4)
    run = a_run_of_steps(10)

    seen, ends_with = [], None
    while True:
        story = timeline.read_story(run, rows.now(), last_step=ends_with)
        seen.append([lane.name for lane in story.lanes])
        assert all(len(lane.attempts) == 2 for lane in story.lanes)
        assert len(waterfall.draw(story).rows) == 4 + story.steps.from_start
        if (ends_with := story.steps.earlier) is None:
            break

    assert seen == [
        ["step-7", "step-8", "step-9", "step-10"],
        ["step-3", "step-4", "step-5", "step-6"],
        ["step-1", "step-2", "step-3", "step-4"],
    ]
    assert story.steps.later == 8
    assert story.waited == timedelta()  # not known without all steps


def test_an_earlier_window_is_drawn_from_its_first_step_to_its_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timeline, "MAX_STEPS", 4)
    run = a_run_of_steps(10)

    start, end = timeline.read_story(run, rows.now(), last_step=6).span

    assert start == run.created_at + timedelta(seconds=2)
    assert end - start < timedelta(seconds=5)


@pytest.mark.parametrize(("asked", "last"), [(0, 1), (1, 1), (3, 3), (9, 9), (10**8, 10)])
def test_a_number_beyond_the_steps_shows_the_nearest_window(
    monkeypatch: pytest.MonkeyPatch, asked: int, last: int
) -> None:
    monkeypatch.setattr(timeline, "MAX_STEPS", 4)

    assert timeline.read_story(a_run_of_steps(10), rows.now(), last_step=asked).steps.last == last


def test_attempts_that_do_not_fit_are_named_and_shown_where_their_step_ends_the_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timeline, "MAX_ATTEMPTS", 4)
    run = a_run_of_steps(5)

    story = told(run)
    assert [(lane.number, lane.unseen) for lane in story.lanes] == [
        *((1, 2), (2, 2), (3, 2)),
        *((4, 0), (5, 0)),
    ]

    for number in range(1, 6):
        *_, lane = timeline.read_story(run, rows.now(), last_step=number).lanes
        assert (lane.number, lane.unseen) == (number, 0)
