"""A person's rerun: from the failed step, from any step, from the start, with other data."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.api import (
    Concurrency,
    Context,
    InvalidEvent,
    InvalidStep,
    InvalidTransition,
    NonRetriableError,
    StepError,
    UnknownRun,
    cancel,
    rerun,
)
from jobs.execution.executor import execute
from jobs.fetch import outbox
from jobs.models import Run, Step
from jobs.runs.claiming import claim_due
from jobs.testing import Answer, drain, travel
from tests.support.functions import Diary, go, nap, registered, the_run, three_steps
from tests.support.received_bytes import received

pytestmark = pytest.mark.django_db


def breaks_once(diary: Diary, at: str = "second"):
    """Three steps, of which one fails for good the first time."""

    def handler(ctx: Context) -> str:
        for id in ("first", "second", "third"):
            if id == at:
                ctx.step.run(id, diary.fail_times, id, 1, NonRetriableError("broken"))
            else:
                ctx.step.run(id, diary.write, id)
        return str(ctx.event.data.get("name", ""))

    return handler


def test_from_the_failed_step_the_same_run_goes_on_and_repeats_nothing():
    diary = Diary()
    with registered(breaks_once(diary)):
        run = go()
        drain()
        assert rerun(run.id) == str(run.id)
        run.refresh_from_db()
        assert (run.status, run.error, run.ended_at) == ("queued", None, None)
        drain()
    run.refresh_from_db()
    assert run.status == "completed"
    assert diary.entries == ["first", "second", "second", "third"]
    assert (run.steps_done, run.steps.count()) == (3, 3)
    assert Run.objects.filter(fn_id="test-function").count() == 1


def test_an_error_between_steps_is_tried_again_with_its_memory():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("first", diary.write, "first")
        diary.fail_times("between", 1)

    with registered(handler, retries=0):
        run = go()
        drain()
        rerun(run.id)
        drain()
    assert the_run().status == "completed"
    assert diary.entries == ["first", "between", "between"]


def test_the_function_gets_all_its_attempts_again():
    diary = Diary()
    with registered(lambda ctx: diary.fail_times("between", 3), retries=1):
        run = go()
        for _ in range(2):
            drain()
            travel(timedelta(seconds=2))
        rerun(run.id)
        for _ in range(2):
            drain()
            travel(timedelta(seconds=2))
    assert (the_run().status, len(diary.entries)) == ("completed", 4)


def test_the_failed_step_gets_all_its_attempts_again():
    diary = Diary()
    with registered(lambda ctx: ctx.step.run("one", diary.fail_times, "one", 3), retries=1):
        run = go()
        for _ in range(2):
            drain()
            travel(timedelta(seconds=2))
        rerun(run.id)
        for _ in range(2):
            drain()
            travel(timedelta(seconds=2))
    assert (the_run().status, len(diary.entries)) == ("completed", 4)


def test_a_failure_that_the_function_put_in_other_words_can_be_retried_too():
    diary = Diary()

    def handler(ctx: Context) -> None:
        try:
            ctx.step.run("one", diary.fail_times, "one", 1, NonRetriableError("broken"))
        except StepError as error:
            raise NonRetriableError("no song today") from error

    with registered(handler):
        run = go()
        drain()
        rerun(run.id)
        drain()
    assert the_run().status == "completed"


def test_a_cancelled_run_goes_on_where_it_was():
    diary = Diary()
    with registered(nap(diary)):
        run = go()
        drain()
        cancel(run.id)
        rerun(run.id)
        drain()
        assert the_run().reason == "sleep"
        travel(timedelta(hours=1))
        drain()
    assert (the_run().status, diary.entries) == ("completed", ["before", "after"])


def test_a_run_that_was_cancelled_while_it_backed_off_goes_on_at_once_with_all_its_attempts():
    diary = Diary()
    with registered(
        lambda ctx: ctx.step.run("one", diary.fail_times, "one", 2), retries=1, backoff=[3600]
    ):
        run = go()
        drain()
        cancel(run.id)
        rerun(run.id)
        drain()
        assert diary.entries == ["one", "one"]
        travel(timedelta(hours=1))
        drain()
    assert (the_run().status, len(diary.entries)) == ("completed", 3)


def test_a_request_that_was_in_flight_when_its_run_was_cancelled_is_not_paid_twice(endpoint):
    endpoint.answers(Answer(body={"song": 1}))
    with registered(lambda ctx: ctx.step.fetch("make", endpoint.url, method="POST").json()):
        run = go()
        execute(*claim_due(1))
        (leased_request,) = outbox.lease_requests(1)
        cancel(run.id)
        outbox.store_responses([(leased_request, outbox.perform_now(leased_request))])
        rerun(run.id)
        drain()
    assert (the_run().status, the_run().output) == ("completed", {"song": 1})
    assert len(endpoint.asked) == 1


def test_a_run_that_is_retried_before_its_request_is_answered_waits_for_it(endpoint):
    with registered(lambda ctx: ctx.step.fetch("make", endpoint.url, method="POST").json()):
        run = go()
        execute(*claim_due(1))
        (leased_request,) = outbox.lease_requests(1)
        cancel(run.id)
        rerun(run.id)
        drain()
        assert (the_run().status, the_run().reason) == ("waiting", "fetch")
        outbox.store_responses([(leased_request, outbox.perform_now(leased_request))])
        drain()
    assert the_run().status == "completed"
    assert len(endpoint.asked) == 1


def test_a_request_that_was_not_sent_before_the_cancellation_is_sent_after_the_retry(endpoint):
    with registered(lambda ctx: ctx.step.fetch("make", endpoint.url).json()):
        run = go()
        execute(*claim_due(1))
        cancel(run.id)
        rerun(run.id)
        drain()
    assert (the_run().status, len(endpoint.asked)) == ("completed", 1)


def test_from_the_start_a_new_run_does_everything_anew():
    diary = Diary()
    with registered(three_steps(diary)):
        run = go({"a": 1})
        drain()
        again = Run.objects.get(id=rerun(run.id, from_start=True))
        drain()
    again.refresh_from_db()
    assert (again.rerun_of_id, again.event_id, again.status) == (run.id, run.event_id, "completed")
    assert diary.entries == ["first", "second", "third"] * 2


def test_from_a_step_a_new_run_remembers_what_came_before_it():
    diary = Diary()
    with registered(three_steps(diary)):
        run = go()
        drain()
        again = Run.objects.get(id=rerun(run.id, from_step="second"))
        assert again.steps_done == 1
        drain()
    again.refresh_from_db()
    assert (again.status, again.steps_done) == ("completed", 3)
    assert diary.entries == ["first", "second", "third", "second", "third"]
    run.refresh_from_db()
    assert (run.status, run.steps.count()) == ("completed", 3)


def test_what_it_remembers_is_copied_inside_the_database():
    def handler(ctx: Context) -> int:
        sizes = [len(ctx.step.run(f"step-{n}", lambda: "x" * 100_000)) for n in range(5)]
        return sum(sizes)

    with registered(handler):
        run = go()
        drain()
        with received() as seen:
            again = rerun(run.id, from_step="step-4")
        copied = ("name", "status", "position", "output", "output_bytes", "ended_at", "detail")
        old, new = (
            list(Step.objects.filter(run_id=of).order_by("position", "id").values(*copied))
            for of in (run.id, again)
        )
        drain()
    assert new == old[:4]
    assert seen.bytes < 10_000
    assert the_run().output == 500_000


def test_with_other_data_a_new_run_has_an_event_of_its_own():
    with registered(breaks_once(Diary())):
        run = go({"name": "old"}, id="mine")
        drain()
        again = Run.objects.get(id=rerun(run.id, data={"name": "new"}))
        drain()
    again.refresh_from_db()
    assert (again.output, again.event.data, again.rerun_of_id) == ("new", {"name": "new"}, run.id)
    assert again.event_id != run.event_id
    run.refresh_from_db()
    assert run.event.data == {"name": "old"}


def test_other_data_can_mean_another_line():
    per_user = [Concurrency(limit=1, key="event.data.user")]
    with registered(nap(Diary()), concurrency=per_user):
        run = go({"user": "ann"})
        cancel(run.id)
        go({"user": "ann"})
        rerun(run.id, data={"user": "bob"})
        drain()
    assert Run.objects.filter(reason="sleep").count() == 2


def test_a_run_that_goes_on_stands_in_line_like_any_other():
    with registered(nap(Diary()), concurrency=[Concurrency(limit=1)]):
        first, second = go(), go()
        drain()
        cancel(first.id)
        drain()
        rerun(first.id)
        drain()
        first.refresh_from_db()
        second.refresh_from_db()
    assert (first.reason, second.reason) == ("turn", "sleep")


REFUSED = {
    "a completed run has no failed step": ("completed", {}, InvalidTransition, "is completed"),
    "a waiting run goes on by itself": ("waiting", {}, InvalidTransition, "is waiting"),
    "a waiting run from the start": (
        "waiting",
        {"from_start": True},
        InvalidTransition,
        "Cancel it first",
    ),
    "an unknown step": (
        "completed",
        {"from_step": "zeroth"},
        InvalidStep,
        "no step “zeroth”; it has “before”, “nap”, “after”",
    ),
    "two ways at once": (
        "completed",
        {"from_step": "after", "from_start": True},
        InvalidTransition,
        "not both",
    ),
    "data that is no object": ("completed", {"data": [1]}, InvalidEvent, "JSON object"),
    "data that is no json": ("completed", {"data": {"a": {1}}}, InvalidEvent, "not JSON"),
}


@pytest.mark.parametrize(
    ("status", "options", "error", "sentence"), REFUSED.values(), ids=list(REFUSED)
)
def test_what_cannot_be_rerun_is_told_and_stays_as_it_was(status, options, error, sentence):
    with registered(nap(Diary())):
        run = go()
        drain()
        if status == "completed":
            travel(timedelta(hours=1))
            drain()
        before = list(Run.objects.values())
        with pytest.raises(error, match=sentence):
            rerun(run.id, **options)
    assert list(Run.objects.values()) == before


def test_an_id_that_is_none_is_told():
    with pytest.raises(UnknownRun, match="There is no run"):
        rerun("0190-nothing")
