"""What is accepted can be run: JSON is nested at most 512 levels deep, wherever it comes in.

A worker reads it, a hook's event wraps it, a page indents it: each a few calls deeper than the
sender was.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from jobs.api import (
    Context,
    Event,
    InvalidEvent,
    InvalidOutput,
    NonRetriableError,
    Response,
    bulk,
    rerun,
    send,
)
from jobs.lib.json_values import MAX_LEVELS, to_json
from jobs.models import Event as EventRow
from jobs.models import Run
from jobs.testing import drain, travel
from tests.jobs.admin.panel import FN, page_of
from tests.support.functions import go, ran, registered, the_run

DEEP = [MAX_LEVELS + 1, 600, 973, 100_000]


def nested(levels: int) -> Any:
    """Lists in a list, the innermost one empty."""
    value: list = []
    for _ in range(levels - 1):
        value = [value]
    return value


def deepest() -> dict[str, Any]:
    """Event data of as many levels as are allowed."""
    return {"a": nested(MAX_LEVELS - 1)}


def test_as_many_levels_as_are_allowed_are_remembered_and_one_more_is_not():
    assert to_json(nested(MAX_LEVELS), "it") == nested(MAX_LEVELS)
    with pytest.raises(InvalidOutput, match="is nested 513 levels deep; at most 512 are allowed"):
        to_json(nested(MAX_LEVELS + 1), "it")


@pytest.mark.parametrize(
    "value",
    [
        [[]] * 500,
        ["[" * 500],
        ['"[{' * 500, "\\", '\\"' + "[" * 500],
        {"[" * 500: [{}, []]},
        [{"a": [{"b": []}]}] * 200,
    ],
    ids=["side by side", "in a text", "behind escaped quotes", "in a name", "many flat ones"],
)
def test_what_is_wide_is_not_deep(value):
    assert to_json(value, "it") == value


@pytest.mark.django_db
@pytest.mark.parametrize("levels", DEEP)
def test_an_event_that_is_too_deep_is_refused_and_nothing_is_written(levels):
    with registered(lambda ctx: "fine"), pytest.raises(InvalidEvent, match="levels"):
        send([Event(name="test/go"), Event(name="test/go", data={"a": nested(levels)})])
    assert (EventRow.objects.count(), Run.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_the_deepest_event_is_run_and_its_failure_reaches_the_hook():
    told = []

    def fails(ctx: Context) -> None:
        ctx.step.sleep("nap", 1)
        ctx.step.run("fails", int, ctx.event.data)

    with registered(fails, retries=0, on_failure=lambda ctx: told.append(ctx.event.data)):
        go(deepest())
        drain()
        travel(timedelta(seconds=2))
        drain()
    assert the_run().attempts.get().step_name == "fails"
    (data,) = told
    assert data["event"]["data"] == data["events"][0]["data"] == deepest()


@pytest.mark.django_db
def test_the_pages_of_the_deepest_event_can_be_opened(admin_client):
    run = ran(lambda ctx: ctx.step.run("one", deepest), deepest())
    assert (run.status, run.output) == ("completed", deepest())
    event = EventRow.objects.get(name="test/go")
    pages = [
        page_of(run),
        reverse("admin:jobs_event_change", args=[event.pk]),
        reverse("admin:jobs_run_edit", args=[run.pk]),
        reverse("admin:jobs_run_changelist"),
        reverse("admin:jobs_event_changelist"),
    ]
    assert [admin_client.get(page).status_code for page in pages] == [200] * len(pages)


@pytest.mark.django_db
@pytest.mark.parametrize("levels", DEEP)
def test_a_steps_output_that_is_too_deep_is_its_last_error(levels):
    run = ran(lambda ctx: ctx.step.run("deep", nested, levels), retries=3)
    assert run.status == "failed"
    (attempt,) = run.attempts.all()
    assert (attempt.step_name, attempt.error_class) == ("deep", "jobs.errors.InvalidOutput")
    assert "levels" in attempt.error_message


@pytest.mark.django_db
@pytest.mark.parametrize("levels", DEEP)
def test_so_is_what_a_function_returns(levels):
    run = ran(lambda ctx: nested(levels), retries=3)
    assert run.status == "failed"
    (attempt,) = run.attempts.all()
    assert attempt.error_class == "jobs.errors.InvalidOutput"


STEPS = {
    "a request's body": (
        lambda ctx, deep: ctx.step.fetch("s", ctx.event.data["url"], method="POST", json=deep),
        "jobs.errors.InvalidStep",
    ),
    "an invoked function's data": (
        lambda ctx, deep: ctx.step.invoke("s", function="test-function", data={"a": deep}),
        "jobs.errors.InvalidEvent",
    ),
    "an event of a step's": (
        lambda ctx, deep: ctx.step.send_event("s", Event(name="test/x", data={"a": deep})),
        "jobs.errors.InvalidEvent",
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("levels", DEEP)
@pytest.mark.parametrize(("step", "error"), STEPS.values(), ids=STEPS)
def test_what_a_step_gives_out_is_no_deeper_either(endpoint, step, error, levels):
    run = ran(lambda ctx: step(ctx, nested(levels)), {"url": endpoint.url}, retries=3)
    assert run.status == "failed"
    (attempt,) = run.attempts.all()
    assert attempt.error_class == error
    assert "levels" in attempt.error_message
    assert (endpoint.asked, Run.objects.count()) == ([], 1)


@pytest.mark.django_db
@pytest.mark.parametrize("levels", DEEP)
def test_a_rerun_and_a_bulk_action_take_nothing_deeper(levels):
    with registered(lambda ctx: None):
        go()
        drain()
        with pytest.raises(InvalidEvent, match="levels"):
            rerun(the_run().id, data={"a": nested(levels)})
    with pytest.raises(InvalidEvent, match="levels"):
        bulk("cancel", fn_id="test-function", why=nested(levels))
    assert Run.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("panel_function")
@pytest.mark.parametrize("levels", [MAX_LEVELS, 600, 973, 100_000])
def test_the_form_says_it_beside_the_field(admin_client, levels):
    send(Event(name="test/x"))
    run = Run.objects.create(fn_id=FN, event=EventRow.objects.get())
    Run.objects.filter(pk=run.pk).update(status="completed", ended_at=run.created_at, due_at=None)
    text = '{"a": ' + "[" * levels + "]" * levels + "}"
    response = admin_client.post(
        reverse("admin:jobs_run_edit", args=[run.pk]), {"event_data": text}
    )
    assert response.status_code == 422
    (problem,) = response.context["form"].errors["event_data"]
    assert "levels deep; at most 512" in problem or "nested too deep" in problem
    assert Run.objects.count() == 1


@pytest.mark.parametrize("levels", DEEP)
def test_an_answer_that_is_too_deep_is_no_json_for_a_function(levels):
    text = "[" * levels + "]" * levels
    answer = Response({"url": "http://songs.example", "status_code": 200, "body": text})
    with pytest.raises(NonRetriableError, match=f"nested {levels} levels deep; at most 512"):
        answer.json()
    fits = json.dumps(nested(MAX_LEVELS))
    assert Response({"status_code": 200, "body": fits}).json() == nested(MAX_LEVELS)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 2_000_000 + "]" * 2_000_000,
        "[" * 600 + '\\"' * 1_500_000,
        "[" * 600 + '"' * 3_000_001,
        "[" * 600 + '"' + "\\" * 3_000_001,
    ],
    ids=["deep", "escaped quotes", "quotes", "backslashes"],
)
def test_an_answer_of_four_megabytes_is_read_in_one_pass(text):
    """One pass for each level, or each quote, took hours of a worker's time."""
    with pytest.raises(NonRetriableError, match=r"levels deep; at most 512|is not JSON"):
        Response({"url": "http://songs.example", "status_code": 200, "body": text}).json()
