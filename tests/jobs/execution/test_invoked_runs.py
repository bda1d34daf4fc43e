"""What an invoked run does when its parent is cancelled or retried, or its function is paused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction

from jobs.api import (
    Concurrency,
    Context,
    Event,
    InvalidTransition,
    StepError,
    Timeouts,
    UnknownRun,
    bulk,
    cancel,
    pause,
    replay_skipped,
    rerun,
    resume,
    send,
)
from jobs.maintenance.sweeper import sweep
from jobs.models import Reason, Run, RunStatus, Step
from jobs.testing import drain, travel
from tests.support.functions import Diary, at_once, registered, the_run

pytestmark = pytest.mark.django_db

ONE = [Concurrency(limit=1)]


def calls(child: str, **options: object) -> Callable[[Context], object]:
    def handler(ctx: Context) -> object:
        return ctx.step.invoke("ask", function=child, data={}, **options)

    return handler


def naps(ctx: Context) -> str:
    ctx.step.sleep("nap", 3600)
    return "rested"


def three_generations():
    """test-function waits for “child”, which waits for “grandchild”, which sleeps."""
    return (
        registered(calls("child")),
        registered(calls("grandchild"), fn_id="child", trigger=[]),
        registered(naps, fn_id="grandchild", trigger=[], concurrency=ONE),
    )


def status(fn_id: str) -> str:
    return the_run(fn_id).status


# --- cancelled ------------------------------------------------------------------------------------


def test_when_a_parent_is_cancelled_those_that_it_has_invoked_go_on():
    one, two, three = three_generations()
    with one, two, three:
        send(Event(name="test/go"))
        drain()
        cancel(the_run().id)
        travel(timedelta(hours=1))
        drain()
    assert status("test-function") == RunStatus.CANCELLED
    assert (the_run("child").output, the_run("grandchild").output) == ("rested", "rested")


def test_or_they_are_taken_along_and_their_turns_pass_on():
    one, two, three = three_generations()
    with one, two, three:
        send([Event(name="test/go"), Event(name="test/go")])
        drain()
        first = Run.objects.filter(fn_id="test-function").order_by("id")[0]
        assert cancel(first.id, why="not needed", invoked=True) is True
        assert cancel(first.id, invoked=True) is False
        cancelled = Run.objects.filter(status=RunStatus.CANCELLED)
        assert {run.fn_id for run in cancelled} == {"test-function", "child", "grandchild"}
        assert {run.error["message"] for run in cancelled} == {"not needed"}
        drain()
        assert the_run("grandchild").reason == Reason.SLEEP


def test_a_reason_is_given_to_those_that_are_taken_along():
    one, two, three = three_generations()
    with one, two, three:
        send(Event(name="test/go"))
        drain()
        parent = the_run()
        cancel(parent.id, invoked=True)
    parent.refresh_from_db()
    assert parent.error is None
    assert str(parent.id) in the_run("grandchild").error["message"]


def test_asked_again_it_takes_along_those_that_were_left():
    one, two, three = three_generations()
    with one, two, three:
        send(Event(name="test/go"))
        drain()
        cancel(the_run().id)
        cancel(the_run("child").id)
        assert cancel(the_run().id, invoked=True) is True
    assert status("grandchild") == RunStatus.CANCELLED


def test_a_run_that_ended_otherwise_is_refused_and_takes_none_along():
    def gives_up(ctx: Context) -> str:
        try:
            return ctx.step.invoke("ask", function="child", data={}, timeout=60)
        except StepError:
            return "too late"

    with registered(gives_up), registered(naps, fn_id="child", trigger=[]):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(seconds=61))
        drain()
        with pytest.raises(InvalidTransition):
            cancel(the_run().id, invoked=True)
        with pytest.raises(UnknownRun):
            cancel("no run", invoked=True)
    assert status("child") == RunStatus.WAITING


@pytest.mark.django_db(transaction=True)
def test_in_a_transaction_of_the_callers_all_are_cancelled_or_none():
    one, two, three = three_generations()
    with one, two, three:
        send(Event(name="test/go"))
        drain()
        with transaction.atomic():
            cancel(the_run().id, invoked=True)
            transaction.set_rollback(True)
        assert status("grandchild") == RunStatus.WAITING
        with transaction.atomic():
            cancel(the_run().id, invoked=True)
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.CANCELLED}


@pytest.mark.django_db(transaction=True)
def test_trees_are_cancelled_in_transactions_while_their_runs_end_and_none_blocks_another():
    """Rows from below, then lines: as a worker takes them."""
    with (
        registered(calls("child"), concurrency=[Concurrency(limit=5)]),
        registered(naps, fn_id="child", trigger=[], concurrency=[Concurrency(limit=9)]),
    ):
        send([Event(name="test/go") for _ in range(20)])
        drain()
        parents = list(Run.objects.filter(invoked_by=None, reason=Reason.INVOKE))
        travel(timedelta(hours=1))

        def cancel_all() -> None:
            for parent in parents:
                with transaction.atomic():
                    cancel(parent.id, invoked=True)

        assert all(
            not isinstance(r, Exception) or "only unfinished" in str(r)
            for r in at_once(cancel_all, drain, cancel_all, drain)
        )
        for _ in range(5):
            travel(timedelta(hours=1))
            drain()
    assert not Run.objects.unfinished().exists()


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.django_db(transaction=True)
def test_a_function_that_cancels_its_parent_with_all_its_runs_is_left_there_and_then(atomic):
    diary = Diary()

    def child(ctx: Context) -> None:
        parent = str(Run.objects.get(id=ctx.run_id).invoked_by_id)
        ctx.step.run("stop", cancel, parent, invoked=True, atomic=atomic)
        ctx.step.run("never", diary.write, "never")

    with registered(calls("child")), registered(child, fn_id="child", trigger=[]):
        send(Event(name="test/go"))
        drain()
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.CANCELLED}
    assert diary.entries == []


def test_a_bulk_action_takes_them_along_if_asked():
    one, two, three = three_generations()
    with one, two, three:
        send([Event(name="test/go") for _ in range(3)])
        drain()
        bulk("cancel", fn_id="test-function", invoked=True)
        drain()
    assert Run.objects.filter(fn_id="child", status=RunStatus.CANCELLED).count() == 3
    assert Run.objects.filter(fn_id="grandchild", status=RunStatus.CANCELLED).count() == 3
    with pytest.raises(InvalidTransition, match="invoked"):
        bulk("retry", fn_id="test-function", invoked=True)


# --- retried --------------------------------------------------------------------------------------


class Mended:
    """A child that remembers its first step, and whose second fails until it is mended."""

    def __init__(self) -> None:
        self.diary, self.is_mended = Diary(), False

    def handler(self, ctx: Context) -> str:
        ctx.step.run("first", self.diary.write, "first")
        return ctx.step.run("second", self.second)

    def second(self) -> str:
        self.diary.write("second")
        if not self.is_mended:
            raise ValueError("not yet")
        return "mended"


def test_a_parent_that_is_retried_has_its_failed_child_go_on_from_its_failed_step():
    child = Mended()
    with (
        registered(calls("child")),
        registered(child.handler, fn_id="child", trigger=[], retries=0),
    ):
        send(Event(name="test/go"))
        drain()
        assert status("test-function") == status("child") == RunStatus.FAILED
        child.is_mended = True
        rerun(the_run().id)
        drain()
    assert the_run().output == the_run("child").output == "mended"
    assert child.diary.entries == ["first", "second", "second"]
    assert Run.objects.count() == 2


def test_over_generations_too_and_each_ones_on_retry_starts():
    child, diary = Mended(), Diary()
    with (
        registered(calls("middle"), on_retry=lambda ctx: diary.write("parent")),
        registered(calls("child"), fn_id="middle", trigger=[]),
        registered(
            *(child.handler,),
            fn_id="child",
            trigger=[],
            retries=0,
            on_retry=lambda ctx: diary.write("child"),
        ),
    ):
        send(Event(name="test/go"))
        drain()
        child.is_mended = True
        rerun(the_run().id)
        drain()
    assert the_run().output == "mended"
    assert sorted(diary.entries) == ["child", "parent"]
    assert child.diary.entries == ["first", "second", "second"]


def test_if_the_child_fails_again_so_does_the_parent_with_the_new_error():
    child = Mended()
    with (
        registered(calls("child")),
        registered(child.handler, fn_id="child", trigger=[], retries=0),
    ):
        send(Event(name="test/go"))
        drain()
        rerun(the_run().id)
        drain()
    assert status("test-function") == status("child") == RunStatus.FAILED
    assert child.diary.entries == ["first", "second", "second"]


def test_a_child_that_was_retried_first_and_is_done_is_taken_as_it_is():
    child = Mended()
    with (
        registered(calls("child")),
        registered(child.handler, fn_id="child", trigger=[], retries=0),
    ):
        send(Event(name="test/go"))
        drain()
        child.is_mended = True
        rerun(the_run("child").id)
        drain()
        rerun(the_run().id)
        drain()
    assert the_run().output == "mended"
    assert child.diary.entries == ["first", "second", "second"]


def test_a_child_that_was_cancelled_goes_on():
    with registered(calls("child")), registered(naps, fn_id="child", trigger=[]):
        send(Event(name="test/go"))
        drain()
        cancel(the_run("child").id)
        drain()
        assert status("test-function") == RunStatus.FAILED
        rerun(the_run().id)
        drain()
        assert status("test-function") == RunStatus.WAITING
        travel(timedelta(hours=1))
        drain()
    assert the_run().output == "rested"


def test_so_do_a_cancelled_parent_and_those_that_were_taken_along():
    one, two, three = three_generations()
    with one, two, three:
        send(Event(name="test/go"))
        drain()
        cancel(the_run().id, invoked=True)
        rerun(the_run().id)
        drain()
        travel(timedelta(hours=1))
        drain()
    assert the_run().output == "rested"
    assert Run.objects.filter(fn_id="grandchild").count() == 1


def test_a_child_that_was_too_late_is_waited_for_anew_with_all_the_time():
    with registered(calls("child", timeout=600)), registered(naps, fn_id="child", trigger=[]):
        send(Event(name="test/go"))
        drain()
        travel(timedelta(seconds=601))
        drain()
        assert "has not ended in time" in the_run().error["message"]
        rerun(the_run().id)
        drain()
        assert the_run().reason == Reason.INVOKE
        travel(timedelta(seconds=599))
        drain()
        assert status("test-function") == RunStatus.WAITING
        travel(timedelta(seconds=2))
        drain()
        assert status("test-function") == RunStatus.FAILED
        rerun(the_run().id)
        travel(timedelta(seconds=2400))
        drain()
    assert the_run().output == "rested"
    assert Run.objects.filter(fn_id="child").count() == 1


def test_a_child_that_retention_has_deleted_is_invoked_anew():
    child = Mended()
    with (
        registered(calls("child")),
        registered(child.handler, fn_id="child", trigger=[], retries=0),
    ):
        send(Event(name="test/go"))
        drain()
        the_run("child").delete()
        child.is_mended = True
        rerun(the_run().id)
        drain()
    assert the_run().output == "mended"
    assert child.diary.entries == ["first", "second", "first", "second"]


def test_a_failure_that_the_parent_has_caught_stays_remembered():
    child = Mended()

    def handler(ctx: Context) -> str:
        try:
            return ctx.step.invoke("ask", function="child", data={})
        except StepError:
            return ctx.step.run("other", child.second)

    with (
        registered(handler, retries=0),
        registered(child.handler, fn_id="child", trigger=[], retries=0),
    ):
        send(Event(name="test/go"))
        drain()
        child.is_mended = True
        rerun(the_run().id)
        drain()
    assert the_run().output == "mended"
    assert status("child") == RunStatus.FAILED


# --- paused ---------------------------------------------------------------------------------------


def test_a_run_of_a_paused_function_that_is_invoked_waits_visibly_until_it_is_resumed():
    with registered(calls("child")), registered(lambda ctx: 8, fn_id="child", trigger=[]):
        pause("child")
        send(Event(name="test/go"))
        for _ in range(3):
            drain()
            travel(timedelta(minutes=1))
        child = the_run("child")
        assert (child.status, child.reason, child.started_at) == ("queued", Reason.PAUSED, None)
        assert (status("test-function"), the_run().reason) == (RunStatus.WAITING, Reason.INVOKE)
        assert replay_skipped("child") == []
        resume("child")
        drain()
    assert (the_run().output, Run.objects.count()) == (8, 2)


def test_it_waits_before_it_stands_in_any_line():
    with (
        registered(calls("child")),
        registered(naps, fn_id="child", concurrency=ONE),
    ):
        pause("child")
        send(Event(name="test/go"))
        drain()
        resume("child")
        drain()
        assert the_run("child").reason == Reason.SLEEP


def test_to_have_unfinished_runs_stand_still_and_go_on_does_not_start_it():
    with registered(calls("child")), registered(naps, fn_id="child", trigger=[]):
        send(Event(name="test/go"))
        drain()
        pause("child", stop_running=True)
        send(Event(name="test/go"))
        drain()
        pause("child")
        travel(timedelta(hours=1))
        drain()
        first, second = Run.objects.filter(fn_id="child").order_by("created_at")
        assert (first.output, second.started_at) == ("rested", None)
        resume("child")
        drain()
        second.refresh_from_db()
        assert second.reason == Reason.SLEEP


def test_the_time_in_which_it_has_to_start_does_not_run_while_its_function_is_paused():
    """Nor once the unfinished runs of the function may go on."""
    in_time = Timeouts(start=600)
    with registered(calls("child")), registered(naps, fn_id="child", trigger=[], timeouts=in_time):
        pause("child", stop_running=True)
        send(Event(name="test/go"))
        drain()
        pause("child")
        travel(timedelta(hours=1))
        sweep()
        assert status("child") == RunStatus.QUEUED
        resume("child")
        assert the_run("child").expires_at is not None
        drain()
        assert the_run("child").reason == Reason.SLEEP


def test_a_cluster_that_does_not_know_the_function_does_not_make_it_start():
    with registered(calls("child")):
        with registered(lambda ctx: 8, fn_id="child", trigger=[]):
            pause("child")
            send(Event(name="test/go"))
            drain()
        travel(timedelta(minutes=1))
        drain()  # an older version of the code
        with registered(lambda ctx: 8, fn_id="child", trigger=[]):
            travel(timedelta(minutes=1))
            drain()
            assert (status("child"), the_run("child").reason) == ("queued", Reason.PAUSED)


def test_the_step_that_waits_for_it_too_long_says_why():
    with registered(calls("child", timeout=60)), registered(naps, fn_id="child", trigger=[]):
        pause("child")
        send(Event(name="test/go"))
        drain()
        travel(timedelta(seconds=61))
        drain()
    assert "its function is paused" in the_run().error["message"]


def test_its_time_to_start_counts_from_when_it_may():
    start = Timeouts(start=600)
    with (
        registered(calls("child")),
        registered(lambda ctx: 8, fn_id="child", trigger=[], timeouts=start),
    ):
        pause("child")
        send(Event(name="test/go"))
        drain()
        travel(timedelta(hours=1))
        drain()
        assert status("child") == RunStatus.QUEUED
        resume("child")
        assert the_run("child").expires_at is not None
        drain()
    assert the_run().output == 8


def test_a_person_may_rerun_runs_of_a_paused_function():
    child = Mended()
    with (
        registered(calls("child")),
        registered(child.handler, fn_id="child", trigger=[], retries=0),
    ):
        send(Event(name="test/go"))
        drain()
        pause("child")
        child.is_mended = True
        rerun(the_run().id)
        drain()
    assert (the_run().output, Step.objects.filter(run=the_run("child")).count()) == ("mended", 2)
