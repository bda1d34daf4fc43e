"""What an author gets wrong most on a first day: the message says what was meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from jobs.api import (
    Context,
    Event,
    JobsError,
    bulk,
    cancel,
    create_function,
    pause,
    replay_skipped,
    rerun,
    result,
    resume,
    runs_of,
    send,
    status,
)
from jobs.models import RegisteredFunction, Run
from jobs.testing import ran, the_run, tick

pytestmark = pytest.mark.django_db

MEANT = "Did you mean “ship-order”?"


def fine(ctx: Context) -> None: ...


def invoked(fn_id: str) -> None:
    error = ran(lambda ctx: ctx.step.invoke("ask", function=fn_id), retries=0).error
    raise JobsError(error["message"])


ASK: dict[str, Callable[[str], Any]] = {
    "invoke": invoked,
    "pause": pause,
    "resume": resume,
    "replay_skipped": replay_skipped,
    "bulk": lambda fn_id: bulk("retry", fn_id=fn_id),
    "the_run": the_run,
    "tick": tick,
}


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
def test_an_unknown_function_is_told_with_the_id_that_was_meant(ask):
    create_function(fn_id="ship-order")(fine)
    with pytest.raises((JobsError, AssertionError), match="“shp-order”") as told:
        ask("shp-order")
    assert MEANT in str(told.value)


@pytest.mark.parametrize("ask", [pause, the_run], ids=["pause", "the_run"])
def test_a_handler_in_place_of_an_id_is_told_with_the_id(ask):
    create_function(fn_id="ship-order")(fine)
    with pytest.raises((JobsError, AssertionError), match=r"Give the id of its function.*“ship-"):
        ask(fine)


def test_a_function_that_this_process_does_not_know_may_be_meant():
    RegisteredFunction.objects.create(fn_id="ship-order", name="Ship", config={})
    with pytest.raises(JobsError, match=r"There is no function “shp-order”\. Did you mean “ship-"):
        pause("shp-order")


@pytest.mark.parametrize("ask", [status, result, cancel, rerun])
def test_an_events_id_in_place_of_a_runs_is_told_with_the_call_that_takes_it(ask):
    (event_id,) = send(Event(name="test/nothing"))
    with pytest.raises(JobsError, match=r"this is an event's id\. runs_of\(event_id\) has"):
        ask(event_id)


def test_a_runs_id_in_place_of_an_events_is_told_with_the_calls_that_take_it():
    run = ran(fine)
    with pytest.raises(JobsError, match=r"this is a run's id\. status\(run_id\) and result\("):
        runs_of(run.id)


def test_the_list_that_send_returns_is_no_id():
    ids = send(Event(name="test/nothing"))
    with pytest.raises(JobsError, match=r"send\(\) returns a list of ids.*give one of them"):
        runs_of(ids)


# --- steps ----------------------------------------------------------------------------------------


def double(number: int) -> int:
    return number * 2


def told_by(handler: Any, **options: Any) -> str:
    """The message of a run that has failed at its first attempt."""
    run = ran(handler, retries=3, **options)
    assert run.attempts.count() == 1
    return str(run.error["message"])


WRONG = {
    "too few": lambda ctx: ctx.step.run("a", double),
    "too many": lambda ctx: ctx.step.run("a", double, 2, 3),
    "an option of create_function": lambda ctx: ctx.step.run("a", double, 2, retries=3),
}


@pytest.mark.parametrize("handler", WRONG.values(), ids=WRONG)
def test_arguments_that_a_body_does_not_take_are_told_at_once_with_its_signature(handler):
    said = told_by(handler)
    assert "step.run(“a”) calls double(" in said
    assert "which is double(number: 'int') -> 'int'" in said
    assert "tests/jobs/laws/test_what_was_meant.py:" in said


def test_a_type_error_of_the_body_is_its_own():
    run = ran(lambda ctx: ctx.step.run("a", double, None), retries=0)
    assert "TypeError: unsupported operand type" in run.error["message"]
    run = ran(lambda ctx: ctx.step.run("a", sum, 5), retries=0)
    assert "TypeError: 'int' object is not iterable" in run.error["message"]
    run = ran(lambda ctx: ctx.step.run("a", lambda: double()), retries=0)  # type: ignore[call-arg]
    assert "TypeError: double() missing 1 required" in run.error["message"]


MISUSED = {
    "an option that there is not": (
        lambda ctx: ctx.step.fetch("a", "https://a.test", header={}),
        "step.fetch() got an unexpected keyword argument 'header'. Did you mean “headers”? It "
        "takes id, url, method, json, data, headers, timeout, accept.",
    ),
    "no id": (
        lambda ctx: ctx.step.sleep(60),
        "step.sleep() missing 1 required positional argument: 'duration'. It takes id, duration.",
    ),
    "options by place": (
        lambda ctx: ctx.step.wait_for_event("a", "shop/order"),
        "step.wait_for_event() takes 2 positional arguments but 3 were given. It takes id, event, ",
    ),
    "in a branch": (
        lambda ctx: ctx.step.parallel([lambda: ctx.step.sleep(60)]),
        "It takes id, duration.",
    ),
    "more than the signature says": (
        lambda ctx: ctx.step.run("a"),
        "step.run() missing 1 required positional argument: 'fn'. It takes id, fn, *args, returns, "
        "atomic, **kwargs.",
    ),
    "a step that there is not": (
        lambda ctx: ctx.step.sleepp("a", 60),
        "ctx.step has no “sleepp”. Did you mean “sleep”?",
    ),
}


@pytest.mark.parametrize(("handler", "sentence"), MISUSED.values(), ids=MISUSED)
def test_a_step_that_is_called_wrongly_is_told_at_once_with_what_it_takes(handler, sentence):
    run = ran(handler, retries=3)
    assert (run.status, run.error["name"], run.attempts.count()) == ("failed", "InvalidStep", 1)
    assert sentence in run.error["message"]
    assert "tests/jobs/laws/test_what_was_meant.py" in run.error["stack"]


def test_a_type_error_that_only_sounds_like_it_is_tried_again():
    class Steps:
        def fetch(self) -> None: ...

    run = ran(lambda ctx: Steps().fetch(1), retries=3)  # type: ignore[call-arg]
    assert (run.status, run.reason) == ("waiting", "backoff")


def test_what_a_function_returned_in_place_of_the_function_is_told_with_the_right_form():
    said = told_by(lambda ctx: ctx.step.run("a", double(2)))
    assert "step.run(“a”) takes a function, not int. Given is 4." in said
    assert "step.run(id, write, order), not step.run(id, write(order))" in said


def test_the_id_behind_the_function_is_told_with_the_right_order():
    said = told_by(lambda ctx: ctx.step.run(double, "a"))
    assert "The step's id comes first: step.run('a', double, …)." in said
    said = told_by(lambda ctx: ctx.step.run(double, 2))
    assert "The step's id comes first: step.run('double', double, …)." in said


def test_results_in_place_of_branches_are_told_with_the_right_form():
    def handler(ctx: Context) -> Any:
        return ctx.step.parallel([ctx.step.run("a", double, 1), ctx.step.run("b", double, 2)])

    said = str(ran(handler, retries=3).error["message"])
    assert "entry 0 is 2, of type int" in said
    assert "parallel([lambda: f(1), lambda: f(2)]), not parallel([f(1), f(2)])" in said


def test_a_branch_that_takes_an_argument_is_told_with_its_signature():
    said = told_by(lambda ctx: ctx.step.parallel([double]))
    assert "Entry 0 of step.parallel() calls double(), which is double(number" in said


def made() -> dict[str, Any]:
    return {"lines": [1, {2}]}


def song() -> Any:
    return object()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (made, r"it\['lines'\]\[1\] is of type set; a set has no order, so make it a list"),
        (
            song,
            "it is of type object; texts, numbers, .* pydantic's models are allowed",
        ),
        (Run.objects.first, "it is of type Run; keep the row's key, and read the row in"),
        (Run.objects.all, r"it is of type RunQuerySet; keep what is read .* list\(rows.values"),
        (lambda: iter([1]), r"it is of type list_iterator; make it a list: list\(…\)"),
    ],
    ids=["a set", "an object", "a row", "rows", "a generator"],
)
def test_an_output_that_cannot_be_kept_names_step_place_and_what_is_allowed(body, sentence):
    said = told_by(lambda ctx: ctx.step.run("one", body))
    assert re.search(f"The output of step “one” is not JSON: {sentence}", said)
    assert "It was returned by " in said


def made_wrong(ctx: Context) -> Any:
    return {1}


def test_an_output_of_the_function_itself_names_its_place():
    said = told_by(made_wrong)
    assert "The output of “test-function” is not JSON: it is of type set" in said
    line = made_wrong.__code__.co_firstlineno
    assert f"made_wrong, tests/jobs/laws/test_what_was_meant.py:{line}." in said


# --- hooks and handlers ---------------------------------------------------------------------------


def test_a_hook_by_its_name_is_told_as_the_option_that_it_is():
    with pytest.raises(JobsError, match=r"“ship-order” \(.*\): on_failure .*'h0', of type str"):
        create_function(fn_id="ship-order", on_failure="h0")(fine)  # type: ignore[arg-type]


def test_a_handler_of_a_wrong_arity_is_told_with_both_signatures():
    def both(order, context): ...

    with pytest.raises(JobsError, match=r"def both\(ctx\), not def both\(order, context\)"):
        create_function(fn_id="ship-order")(both)


OPTIONS = {
    "retry": "retries",
    "triggers": "trigger",
    "onfailure": "on_failure",
    "backof": "backoff",
}


@pytest.mark.parametrize(("given", "meant"), OPTIONS.items(), ids=OPTIONS)
def test_a_misspelt_option_is_told_with_the_one_that_was_meant(given, meant):
    with pytest.raises(JobsError, match=f"no option “{given}”. Did you mean “{meant}”?"):
        create_function(fn_id="ship-order", **{given: 3})(fine)


def test_an_option_like_none_is_told_with_all():
    with pytest.raises(JobsError, match=r"no option “colour”\. Known are fn_id, trigger, name"):
        create_function(fn_id="ship-order", colour="red")(fine)  # type: ignore[arg-type]
