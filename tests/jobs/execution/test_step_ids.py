"""What a step is called: ids repeat safely in loops, and wrong ones get a sentence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.api import Context, InvalidStep
from tests.support.functions import Diary, ran

pytestmark = pytest.mark.django_db


def names(run) -> list[str]:
    return [step.name for step in run.steps.order_by("position")]


def test_a_repeated_id_is_numbered():
    diary = Diary()

    def handler(ctx: Context) -> list[str]:
        return [ctx.step.run("send", diary.write, letter) for letter in "abc"]

    run = ran(handler)
    assert names(run) == ["send", "send:1", "send:2"]
    assert run.output == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["a", "a", "a:1"], ["a", "a:1", "a:1:1"]),
        (["a", "a:1", "a", "a"], ["a", "a:1", "a:2", "a:3"]),
        (["a:1", "a", "a"], ["a:1", "a", "a:2"]),
        (["a", "b", "a", "b"], ["a", "b", "a:1", "b:1"]),
    ],
)
def test_an_id_that_looks_like_an_index_collides_with_none(ids, expected):
    diary = Diary()

    def handler(ctx: Context) -> list[str]:
        return [ctx.step.run(id, diary.write, f"{n} {id}") for n, id in enumerate(ids)]

    run = ran(handler)
    assert names(run) == expected
    assert run.output == [f"{n} {id}" for n, id in enumerate(ids)]


@pytest.mark.parametrize("id", ["", "  ", "x" * 181, "a\0b", None, 7])
def test_an_id_that_cannot_be_one_fails_the_run_with_a_sentence(id):
    run = ran(lambda ctx: ctx.step.run(id, str))

    assert (run.status, run.error["name"]) == ("failed", "InvalidStep")
    assert "1 to 180 characters" in run.error["message"]


def test_an_id_for_two_kinds_of_step_is_refused_and_what_was_done_stays():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("rest", diary.write, "rest")
        ctx.step.sleep("rest", 60)

    run = ran(handler, retries=3)
    assert (run.status, run.error["name"]) == ("failed", "InvalidStep")
    assert "“rest” is used for step.run and for step.sleep" in run.error["message"]
    assert names(run) == ["rest"]
    assert diary.entries == ["rest"]


def test_an_id_for_two_kinds_of_step_is_refused_in_different_branches_too():
    def handler(ctx: Context) -> None:
        ctx.step.parallel([lambda: ctx.step.run("x", str), lambda: ctx.step.sleep("x", 60)])

    run = ran(handler)
    assert "“x” is used for step.run and for step.sleep" in run.error["message"]


def test_a_step_inside_a_step_is_refused():
    def handler(ctx: Context) -> None:
        ctx.step.run("outer", lambda: ctx.step.run("inner", str))

    run = ran(handler)
    assert run.status == "failed"
    assert "“inner” was asked for inside step “outer”; steps cannot nest" in run.error["message"]
    assert names(run) == ["outer"]


def test_a_step_cannot_be_asked_for_when_its_execution_is_over():
    """Nothing would remember it."""
    kept, called = [], []
    ran(lambda ctx: kept.append(ctx))
    with pytest.raises(InvalidStep, match="Step “late” was asked for with the `ctx` of an exec"):
        kept[0].step.run("late", called.append, 1)
    assert called == []


def test_what_is_no_function_is_refused():
    run = ran(lambda ctx: ctx.step.run("one", "text"))

    assert "takes a function, not str" in run.error["message"]


@pytest.mark.parametrize("options", [{"id": 7}, {"fn": 8}])
def test_a_body_may_have_arguments_of_any_name(options):
    run = ran(lambda ctx: ctx.step.run("one", lambda **kwargs: kwargs, **options))

    assert run.output == options


def test_the_thousand_and_first_step_fails_the_run():
    def handler(ctx: Context) -> None:
        for _ in range(1001):
            ctx.step.run("one", int)

    run = ran(handler)
    assert run.status == "failed"
    assert "limit of 1000 steps" in run.error["message"]
    assert run.steps.count() == 1000


def test_the_function_may_catch_a_step_that_was_asked_for_wrongly():
    def handler(ctx: Context) -> str:
        try:
            ctx.step.sleep("nap", timedelta(days=367))
        except InvalidStep as error:
            return str(error)
        return ""

    assert "0 s to 366 days" in ran(handler).output
