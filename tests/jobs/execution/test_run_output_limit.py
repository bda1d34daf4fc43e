"""The steps of one run leave no more than JOBS["RUN_OUTPUT_LIMIT"] bytes together."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobs import conf
from jobs.api import Context, Event, StepError, rerun, send
from jobs.models import Attempt, Run, Step
from jobs.testing import Answer, drain, travel
from songs.models import Category
from tests.support.functions import Diary, go, ran, registered, the_run

pytestmark = pytest.mark.django_db

LIMIT = 1_000
HALF = "x" * (LIMIT // 2 - 2)  # with its quotes
SENTENCE = (
    "The output of step “{}” has {} bytes of JSON, and those of the run's other steps have {}; at "
    'most 1,000 are allowed for all of them together (JOBS["RUN_OUTPUT_LIMIT"]). Keep what is '
    "large in a file or in a table of your own, and return its name or its id."
)


@pytest.fixture(autouse=True)
def limit(settings) -> None:
    settings.JOBS = {**settings.JOBS, "RUN_OUTPUT_LIMIT": LIMIT}


def left() -> dict[str, tuple[str, int | None]]:
    """What each step is, and how many bytes it has left."""
    return {step.name: (step.status, step.output_bytes) for step in the_run().steps.all()}


def test_as_much_as_is_allowed_fits_and_a_byte_more_is_an_error_of_its_step():
    def handler(ctx: Context) -> None:
        ctx.step.run("one", lambda: HALF)
        ctx.step.run("two", lambda: HALF)
        ctx.step.run("nothing", lambda: None)
        ctx.step.run("three", lambda: 1)

    run = ran(handler)
    assert run.status == "failed"
    assert run.error["message"].endswith(SENTENCE.format("three", 1, "1,000"))
    assert left() == {
        "one": ("completed", 500),
        "two": ("completed", 500),
        "nothing": ("completed", 0),
        "three": ("failed", None),
    }


def test_it_is_not_tried_again_and_the_function_may_go_another_way():
    diary = Diary()

    def handler(ctx: Context) -> str:
        ctx.step.run("one", lambda: HALF)
        try:
            ctx.step.run("much", lambda: diary.write("much") and HALF + "y")
        except StepError as error:
            return ctx.step.run("little", str, error.name)
        return "all of it"

    run = ran(handler, retries=4)
    assert (run.status, run.output) == ("completed", "InvalidOutput")
    assert diary.entries == ["much"]
    attempt = Attempt.objects.get()
    assert (attempt.step_name, attempt.error_class) == ("much", "jobs.errors.InvalidOutput")
    assert attempt.error_message == SENTENCE.format("much", 501, 500)


def test_what_was_remembered_before_a_wait_counts_after_it():
    def handler(ctx: Context) -> None:
        ctx.step.run("one", lambda: HALF)
        ctx.step.sleep("nap", 60)
        ctx.step.run("two", lambda: HALF)
        ctx.step.run("three", lambda: 1)

    with registered(handler):
        go()
        drain()
        travel(timedelta(minutes=1))
        drain()
    assert left()["two"] == ("completed", 500)
    assert left()["three"] == ("failed", None)


def test_bytes_are_counted_as_they_are_stored():
    run = ran(lambda ctx: ctx.step.run("one", lambda: {"größe": ["🎵", 1.5, None]}))
    assert run.steps.get().output_bytes == len('{"größe": ["🎵", 1.5, null]}'.encode())


@pytest.mark.parametrize(("atomic", "made"), [(True, 0), (False, 1)])
def test_the_work_of_an_atomic_body_is_undone_and_another_body_has_acted_once(atomic, made):
    def body() -> str:
        Category.objects.create(name="Jazz", folded="jazz")
        return HALF * 3

    run = ran(lambda ctx: ctx.step.run("much", body, atomic=atomic), retries=4)
    assert run.status == "failed"
    assert Category.objects.count() == made
    assert left() == {"much": ("failed", None)}


def test_an_error_leaves_nothing_that_counts(endpoint):
    endpoint.answers(Answer(500, body="y" * LIMIT), Answer(body="fine"))
    diary = Diary()

    def handler(ctx: Context) -> str:
        ctx.step.run("late", diary.fail_times, "late", 1)
        return ctx.step.fetch("call", endpoint.url).text

    with registered(handler, retries=1):
        go()
        for _ in range(3):
            drain()
            travel(timedelta(seconds=2))
    assert (the_run().status, the_run().output) == ("completed", "fine")


def test_of_answers_that_land_together_those_are_refused_that_are_too_much(endpoint):
    endpoint.answers(*[Answer(body="y" * 200)] * 3)

    def handler(ctx: Context) -> list[Any]:
        def ask(number: int) -> str:
            try:
                return str(ctx.step.fetch(f"call-{number}", endpoint.url).status_code)
            except StepError as error:
                return error.message

        return list(ctx.step.parallel([lambda n=n: ask(n) for n in range(3)]))

    run = ran(handler, retries=4)
    assert len(endpoint.asked) == 3
    assert run.output[:2] == ["200", "200"]
    size = Step.objects.get(name="call-0").output_bytes
    assert run.output[2] == SENTENCE.format("call-2", size, 2 * size)
    third = Step.objects.get(name="call-2")
    assert (third.status, third.output, third.output_bytes) == ("failed", None, None)


def test_so_is_what_an_invoked_run_returns():
    def caller(ctx: Context) -> str:
        ctx.step.run("one", lambda: HALF)
        try:
            return str(ctx.step.invoke("ask", function="callee"))
        except StepError as error:
            return error.message

    with registered(lambda ctx: HALF + "y", fn_id="callee", trigger=[]), registered(caller):
        go()
        drain()
    assert the_run().output == SENTENCE.format("ask", 501, 500)


def test_so_is_an_event_that_was_waited_for():
    def handler(ctx: Context) -> str:
        ctx.step.run("one", lambda: HALF)
        try:
            ctx.step.wait_for_event("paid", event="test/paid", timeout=60)
        except StepError as error:
            return error.message
        return "paid"

    with registered(handler):
        go()
        drain()
        send(Event(name="test/paid", data={"receipt": HALF}))
        drain()
    assert the_run().output.startswith("The output of step “paid” has ")
    assert left()["paid"] == ("failed", None)


def test_a_rerun_from_a_step_carries_what_it_remembers():
    def handler(ctx: Context) -> None:
        ctx.step.run("one", lambda: HALF)
        ctx.step.run("two", lambda: HALF)
        ctx.step.run("three", lambda: None)

    with registered(handler):
        run = go()
        drain()
        again = Run.objects.get(id=rerun(run.id, from_step="three"))

        def adds(ctx: Context) -> None:
            handler(ctx)
            ctx.step.run("four", lambda: 1)

    with registered(adds):
        drain()
    assert left()["two"] == ("completed", 500)
    again.refresh_from_db()
    assert again.error["message"].endswith(SENTENCE.format("four", 1, "1,000"))


def test_a_run_that_holds_more_already_reads_it_and_adds_nothing(settings):
    def handler(ctx: Context) -> list[int]:
        found = [len(ctx.step.run(f"step-{n}", lambda: HALF)) for n in range(6)]
        ctx.step.sleep("nap", 60)
        ctx.step.run("nothing", lambda: None)
        try:
            ctx.step.run("more", lambda: 1)
        except StepError:
            found.append(0)
        return found

    settings.JOBS = {**settings.JOBS, "RUN_OUTPUT_LIMIT": 10 * LIMIT}
    with registered(handler):
        go()
        drain()
        settings.JOBS = {**settings.JOBS, "RUN_OUTPUT_LIMIT": LIMIT}
        travel(timedelta(minutes=1))
        drain()
    assert (the_run().status, the_run().output) == ("completed", [len(HALF)] * 6 + [0])


def test_what_a_function_returns_in_the_end_is_no_part_of_it():
    def handler(ctx: Context) -> str:
        return ctx.step.run("one", lambda: HALF) * 2

    assert ran(handler).status == "completed"


def test_unless_it_is_set_it_is_inngests(settings):
    settings.JOBS = {}
    assert conf.run_output_limit() == 32 * 1024 * 1024
