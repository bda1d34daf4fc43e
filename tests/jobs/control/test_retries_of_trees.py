"""A retry from the failed step takes along the ended runs that it waits for, or says which of them
to deal with first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from jobs.api import (
    Context,
    Event,
    InvalidFunction,
    InvalidTransition,
    NotAllowed,
    StepError,
    asked_by,
    bulk,
    cancel,
    rerun,
    send,
)
from jobs.control.permissions import EngineBackend
from jobs.control.retries import taken_along
from jobs.models import RegisteredFunction, Run, RunStatus, Step
from jobs.registry import catalog
from jobs.registry.rows import sync
from jobs.testing import drain
from tests.support.functions import Diary, at_once, go, registered, the_run

pytestmark = pytest.mark.django_db


def invokes(*children: str) -> Callable[[Context], Any]:
    """Side by side, if several."""

    def handler(ctx: Context) -> Any:
        def ask(child: str) -> Any:
            return ctx.step.invoke(f"ask-{child}", function=child, data={})

        if len(children) == 1:
            return ask(children[0])
        return list(ctx.step.parallel([lambda child=child: ask(child) for child in children]))

    return handler


class Shop:
    """Functions whose last step fails until it is mended."""

    def __init__(self) -> None:
        self.diary, self.is_mended = Diary(), False

    def sells(self, name: str) -> Callable[[Context], str]:
        def handler(ctx: Context) -> str:
            ctx.step.run("prepare", self.diary.write, f"prepare {name}")
            return ctx.step.run("sell", self.sell, name)

        return handler

    def sell(self, name: str) -> str:
        self.diary.write(f"sell {name}")
        if not self.is_mended:
            raise ValueError("not yet")
        return f"{name} sold"


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def functions() -> Iterator[Callable[..., Any]]:
    with ExitStack() as there:

        def add(handler: Callable[[Context], Any], fn_id: str = "test-function", **options: Any):
            trigger = {} if fn_id == "test-function" else {"trigger": []}
            options = {"retries": 0} | trigger | options
            there.enter_context(registered(handler, fn_id=fn_id, **options))

        yield add


def failed_parent() -> Run:
    go()
    drain()
    run = the_run()
    assert run.status == RunStatus.FAILED
    return run


def runs(fn_id: str) -> list[Run]:
    return list(Run.objects.filter(fn_id=fn_id).order_by("id"))


# --- taken along ----------------------------------------------------------------------------------


def test_all_branches_that_failed_go_on_with_one_retry(shop: Shop, functions: Any) -> None:
    functions(invokes("a", "b", "c"))
    for name in "abc":
        functions(shop.sells(name), name)
    parent = failed_parent()
    assert parent.error["steps"] == ["ask-a", "ask-b", "ask-c"]
    shop.is_mended = True
    rerun(parent.id)
    drain()
    assert the_run().output == ["a sold", "b sold", "c sold"]
    assert Run.objects.count() == 4


def test_branches_of_steps_too_and_those_of_a_parallel_inside(shop: Shop, functions: Any) -> None:
    def handler(ctx: Context) -> Any:
        def step(name: str) -> Any:
            return lambda: ctx.step.run(name, shop.sell, name)

        try:
            return ctx.step.parallel(
                [step("a"), lambda: ctx.step.parallel([step("b"), step("c")]), step("d")]
            )
        except StepError as error:
            raise RuntimeError("told otherwise") from error

    functions(handler)
    parent = failed_parent()
    assert parent.error["steps"] == ["a", "b", "c", "d"]
    shop.is_mended = True
    rerun(parent.id)
    drain()
    assert the_run().output == ["a sold", ["b sold", "c sold"], "d sold"]


def test_a_branch_whose_failure_was_caught_stays_remembered(shop: Shop, functions: Any) -> None:
    def handler(ctx: Context) -> Any:
        try:
            ctx.step.parallel(
                [
                    lambda: ctx.step.run("a", shop.sell, "a"),
                    lambda: ctx.step.run("b", shop.sell, "b"),
                ]
            )
        except StepError:
            return ctx.step.run("c", shop.sell, "c")

    functions(handler)
    parent = failed_parent()
    shop.is_mended = True
    rerun(parent.id)
    drain()
    assert the_run().output == "c sold"
    assert list(Step.objects.filter(status="failed").values_list("name", flat=True)) == ["a", "b"]


def test_a_child_that_was_retried_and_is_under_way_is_waited_for(
    shop: Shop, functions: Any
) -> None:
    functions(invokes("a"))
    functions(shop.sells("a"), "a")
    parent = failed_parent()
    shop.is_mended = True
    rerun(the_run("a").id)
    epoch = the_run("a").epoch
    rerun(parent.id)
    assert the_run("a").epoch == epoch
    drain()
    assert the_run().output == "a sold"
    assert shop.diary.entries.count("sell a") == 2


@pytest.mark.parametrize("is_done_first", [True, False])
def test_a_child_that_was_rerun_from_the_start_is_stood_for_by_its_rerun(
    shop: Shop, functions: Any, is_done_first: bool
) -> None:
    functions(invokes("a"))
    functions(shop.sells("a"), "a")
    parent = failed_parent()
    shop.is_mended = True
    again = rerun(the_run("a").id, from_start=True)
    if is_done_first:
        drain()
    rerun(parent.id)
    drain()
    parent.refresh_from_db()
    assert parent.output == "a sold"
    assert [run.status for run in runs("a")] == [RunStatus.FAILED, RunStatus.COMPLETED]
    assert str(Step.objects.get(run=parent).detail["run_id"]) == again
    assert Run.objects.get(id=again).invoked_by_id == parent.id


def test_a_rerun_of_a_grandchild_stands_for_it_too(shop: Shop, functions: Any) -> None:
    functions(invokes("b"))
    functions(invokes("a"), "b")
    functions(shop.sells("a"), "a")
    parent = failed_parent()
    shop.is_mended = True
    rerun(the_run("a").id, from_start=True)
    rerun(parent.id)
    drain()
    assert the_run().output == "a sold"
    assert len(runs("a")) == 2


def test_a_rerun_that_failed_itself_goes_on_and_the_first_run_stays(
    shop: Shop, functions: Any
) -> None:
    functions(invokes("a"))
    functions(shop.sells("a"), "a")
    parent = failed_parent()
    rerun(the_run("a").id, from_start=True)
    drain()
    shop.is_mended = True
    rerun(parent.id)
    drain()
    parent.refresh_from_db()
    assert parent.output == "a sold"
    assert [run.status for run in runs("a")] == [RunStatus.FAILED, RunStatus.COMPLETED]


def test_a_child_that_has_failed_since_it_was_seen_is_taken_along(
    shop: Shop, functions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again under its lock."""
    functions(invokes("a"))
    functions(shop.sells("a"), "a")
    parent = failed_parent()
    rerun(the_run("a").id)

    def seen_early(run: Run) -> Any:
        found = taken_along(run)
        drain()
        assert the_run("a").status == RunStatus.FAILED
        return found

    monkeypatch.setattr("jobs.control.reruns.taken_along", seen_early)
    shop.is_mended = False
    rerun(parent.id)
    shop.is_mended = True
    drain()
    assert the_run().output == "a sold"


@pytest.mark.django_db(transaction=True)
def test_trees_are_retried_while_their_runs_end_and_none_blocks_another(
    shop: Shop, functions: Any
) -> None:
    """Rows from below, as a worker takes them."""
    functions(invokes("b"))
    functions(invokes("a"), "b")
    functions(shop.sells("a"), "a")
    send([Event(name="test/go") for _ in range(12)])
    drain()
    parents, lowest = runs("test-function"), runs("a")
    shop.is_mended = True

    def retry_all(ended: list[Run]) -> None:
        for run in ended:
            with suppress(InvalidTransition):
                rerun(run.id)

    answers = at_once(
        lambda: retry_all(lowest),
        drain,
        lambda: retry_all(parents),
        drain,
        lambda: retry_all(parents),
    )
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    drain()
    retry_all(parents)
    drain()
    assert {run.status for run in runs("test-function")} == {RunStatus.COMPLETED}
    assert len(runs("a")) == 12


# --- what it may not take along -------------------------------------------------------------------


def may_only_retry(fn_id: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An account that may retry runs of one function."""
    rita = get_user_model().objects.create(username="rita", is_staff=True)
    codenames = ["view_run", "rerun_run", "cancel_run"]
    rita.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    usual = EngineBackend.has_perm

    def has_perm(backend: Any, user: Any, perm: str, obj: Any = None) -> bool:
        is_other = isinstance(obj, Run) and obj.fn_id not in (fn_id, "jobs-bulk")
        return not is_other and usual(backend, user, perm, obj)

    monkeypatch.setattr(EngineBackend, "has_perm", has_perm)
    return rita


def test_an_account_that_may_not_retry_the_child_is_told_of_it_and_nothing_changes(
    shop: Shop, functions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions(invokes("b"))
    functions(invokes("a"), "b")
    functions(shop.sells("a"), "a")
    parent = failed_parent()
    before = list(Run.objects.order_by("id").values())
    rita = may_only_retry("test-function", monkeypatch)
    with asked_by(rita), pytest.raises(NotAllowed, match="may retry that run do so first") as told:
        rerun(parent.id)
    assert told.value.run_id in {str(the_run("a").id), str(the_run("b").id)}
    assert f"waits for run {told.value.run_id}" in str(told.value)
    assert list(Run.objects.order_by("id").values()) == before


def test_a_bulk_retry_says_so_in_its_output(
    shop: Shop, functions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions(invokes("a"))
    functions(shop.sells("a"), "a")
    failed_parent()
    rita = may_only_retry("test-function", monkeypatch)
    with asked_by(rita):
        bulk("retry", fn_id="test-function")
    drain()
    output = the_run("jobs-bulk").output
    assert (output["done"], output["refused"]) == (0, 1)
    assert "may retry that run do so first" in output["reason"]


# --- functions that say resumable=False -----------------------------------------------------------


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_run_that_is_not_resumable_starts_anew_and_never_goes_on(
    shop: Shop, functions: Any, is_cancelled: bool
) -> None:
    functions(shop.sells("a"), resumable=False)
    run = go() if is_cancelled else failed_parent()
    if is_cancelled:
        cancel(run.id)
    before = list(Run.objects.values())
    for options in ({}, {"from_step": "sell"}, {"from_step": "sell", "data": {}}):
        with pytest.raises(InvalidTransition, match=r"resumable=False.*Rerun it from the start\."):
            rerun(run.id, **options)
    assert list(Run.objects.values()) == before
    shop.is_mended = True
    for again in (rerun(run.id, from_start=True), rerun(run.id, data={"n": 1})):
        drain()
        assert Run.objects.get(id=again).output == "a sold"
    assert shop.diary.entries.count("prepare a") == (2 if is_cancelled else 3)


def test_one_that_has_completed_may_be_rerun_from_a_step(shop: Shop, functions: Any) -> None:
    shop.is_mended = True
    functions(shop.sells("a"), resumable=False)
    run = go()
    drain()
    rerun(run.id, from_step="sell")
    drain()
    assert shop.diary.entries == ["prepare a", "sell a", "sell a"]


def test_its_steps_are_retried_as_any_functions(shop: Shop, functions: Any) -> None:
    functions(
        lambda ctx: ctx.step.run("often", shop.diary.fail_times, "often", 2),
        resumable=False,
        retries=2,
        backoff=[0],
    )
    go()
    drain()
    assert the_run().status == RunStatus.COMPLETED


def test_a_parent_says_to_rerun_such_a_child_first_and_then_waits_for_the_new_run(
    shop: Shop, functions: Any
) -> None:
    functions(invokes("a"))
    functions(shop.sells("a"), "a", resumable=False)
    parent = failed_parent()
    with pytest.raises(InvalidTransition, match="Rerun that one from the start first") as told:
        rerun(parent.id)
    assert told.value.run_id == str(the_run("a").id)
    shop.is_mended = True
    rerun(told.value.run_id, from_start=True)
    rerun(parent.id)
    drain()
    parent.refresh_from_db()
    assert parent.output == "a sold"
    assert shop.diary.entries == ["prepare a", "sell a"] * 2


def test_a_bulk_retry_refuses_them_and_says_why(shop: Shop, functions: Any) -> None:
    functions(shop.sells("a"), resumable=False)
    failed_parent()
    bulk("retry", fn_id="test-function")
    drain()
    output = the_run("jobs-bulk").output
    assert (output["done"], output["refused"]) == (0, 1)
    assert "resumable=False" in output["reason"]
    bulk("rerun", fn_id="test-function")
    drain()
    assert len(runs("test-function")) == 2


def test_a_process_that_does_not_know_the_function_goes_by_its_row(
    shop: Shop, functions: Any
) -> None:
    with registered(shop.sells("a"), resumable=False, retries=0):
        run = failed_parent()
        sync()
    assert not catalog.knows("test-function")
    with pytest.raises(InvalidTransition, match="resumable=False"):
        rerun(run.id)
    RegisteredFunction.objects.filter(fn_id="test-function").update(config={"resumable": True})
    assert rerun(run.id) == str(run.id)


@pytest.mark.parametrize("given", [None, 0, "no", []])
def test_what_is_neither_true_nor_false_is_refused(given: Any) -> None:
    one = registered(lambda ctx: None, resumable=given)
    with pytest.raises(InvalidFunction, match=r"resumable=.*True and False are allowed"), one:
        pass
