"""Law 11: every attempt leaves its class, message, traceback and times."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.api import Context, NonRetriableError, rerun
from jobs.models import Run
from jobs.testing import Answer, drain, travel
from tests.support.functions import Diary, go, ran, registered

pytestmark = pytest.mark.django_db


class OutOfCredits(Exception):
    pass


def charge(song: int) -> None:
    local_password = "hunter2hunter2"
    raise OutOfCredits(f"song {song}, {len(local_password)}")


def test_a_failed_attempt_tells_what_went_wrong_and_where():
    run = ran(lambda ctx: ctx.step.run("charge", charge, 7))

    attempt = run.attempts.get()
    assert (attempt.step_name, attempt.number, attempt.status) == ("charge", 0, "error")
    assert attempt.error_class == "tests.jobs.execution.test_law_11_attempts.OutOfCredits"
    assert attempt.error_message == "song 7, 14"
    assert attempt.started_at <= attempt.ended_at < attempt.retry_at


def test_the_traceback_begins_with_the_authors_frame_and_shows_no_variables():
    run = ran(lambda ctx: ctx.step.run("charge", charge, 7))

    trace = run.attempts.get().traceback
    frames = [line for line in trace.splitlines() if line.startswith("  File")]
    assert "test_law_11_attempts.py" in frames[0]
    assert frames[0].endswith("in charge")
    assert "raise OutOfCredits" in trace
    assert "hunter2hunter2" not in "".join(trace.split("raise OutOfCredits")[1:])


def test_an_error_between_steps_leaves_its_trace_too():
    def handler(ctx: Context) -> None:
        ctx.step.run("one", str)
        charge(8)

    attempt = ran(handler).attempts.get(status="error")
    assert (attempt.step_name, attempt.error_message) == ("", "song 8, 14")
    assert "in charge" in attempt.traceback


def test_a_step_that_goes_well_when_first_called_tells_so_in_its_own_row():
    run = ran(lambda ctx: ctx.step.run("one", str))
    step = run.steps.get()

    assert (step.status, step.attempts, run.attempts.count()) == ("completed", 1, 0)
    assert run.started_at < step.started_at <= step.ended_at <= run.ended_at


def test_a_request_that_is_answered_at_once_tells_so_in_its_steps_row_and_its_own(endpoint):
    with registered(lambda ctx: ctx.step.fetch("call", endpoint.url).ok):
        go()
        drain()
    run = Run.objects.get()
    step, request = run.steps.get(), run.fetches.get()

    assert (step.status, step.attempts, run.attempts.count()) == ("completed", 1, 0)
    assert step.started_at <= request.sent_at <= request.ended_at <= step.ended_at


@pytest.mark.parametrize("answer", [Answer(503), Answer(404)])
def test_a_request_that_had_to_be_made_again_tells_of_every_time(endpoint, answer):
    """By the policy, or by a person who has given the step all its attempts again."""
    endpoint.answers(answer)
    with registered(lambda ctx: ctx.step.fetch("call", endpoint.url).ok):
        run = go()
        drain()
        if answer.status == 404:
            rerun(run.id)
        travel(timedelta(minutes=5))
        drain()

    assert [attempt.status for attempt in run.attempts.all()] == ["error", "completed"]
    assert Run.objects.get().status == "completed"


def test_one_that_had_to_be_called_again_tells_of_every_call():
    calls = []

    def goes_well_in_the_end() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("not yet")

    with registered(lambda ctx: ctx.step.run("one", goes_well_in_the_end)):
        go()
        drain()
        travel(timedelta(minutes=5))
        drain()
    first, second = Run.objects.get().attempts.all()

    assert (first.status, first.error_class) == ("error", "ValueError")
    assert (second.number, second.status, second.error_class) == (1, "completed", "")
    assert second.traceback == ""
    assert second.worker == "drain"


def test_the_cause_of_an_error_is_told_with_it():
    def wrapped() -> None:
        try:
            charge(9)
        except OutOfCredits as error:
            raise NonRetriableError("no song") from error

    trace = ran(lambda ctx: ctx.step.run("one", wrapped)).attempts.get(step_name="one").traceback
    assert "song 9, 14" in trace
    assert "direct cause" in trace


@pytest.mark.parametrize("length", [5_000, 100_000])
def test_a_very_long_message_is_cut_and_says_so(length):
    def shouts() -> None:
        raise ValueError("a" * length)

    attempt = ran(lambda ctx: ctx.step.run("one", shouts)).attempts.get()
    assert len(attempt.error_message) == 4_000
    assert attempt.error_message.endswith("…")
    assert len(attempt.traceback) < 41_000


@pytest.mark.parametrize("message", ["nul \0 inside", "half \ud800 a character", ""])
def test_a_message_that_postgresql_cannot_store_is_stored_readable(message):
    def says() -> None:
        raise ValueError(message)

    attempt = ran(lambda ctx: ctx.step.run("one", says)).attempts.get()
    assert attempt.error_class == "ValueError"
    assert attempt.error_message in (
        r"nul \0 inside",
        r"half \ud800 a character",
        "",
    )


def test_an_error_whose_text_cannot_be_had_leaves_a_trace_all_the_same():
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def mute() -> None:
        raise Mute

    attempt = ran(lambda ctx: ctx.step.run("one", mute)).attempts.get()
    assert attempt.error_class.endswith("Mute")


def test_every_attempt_is_kept():
    diary = Diary()
    run = ran(lambda ctx: ctx.step.run("one", diary.fail_times, "one", 9), retries=0)

    assert run.attempts.filter(step_name="one").count() == 1
    assert run.error["stack"].startswith("Traceback")
