"""Many runs are cancelled together: to each happens what happens to one that is cancelled alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.forms.models import model_to_dict
from django.test.utils import CaptureQueriesContext

from jobs.api import Concurrency, Context, Event, TriggerEvent, bulk, cancel, pause, send
from jobs.control import bulk_batch
from jobs.control.cancellation_sets import cancel_plain
from jobs.control.passed_lines import PassedLines
from jobs.events.event import EventPayload
from jobs.execution.executor import execute
from jobs.models import Event as EventRow
from jobs.models import Reason, Run, RunStatus
from jobs.runs import line_locks, pace
from jobs.runs.claiming import claim_due
from jobs.runs.hook_events import CANCELLED
from jobs.testing import drain
from tests.support.blocking import Uncommitted
from tests.support.deaths import DIED, HERE, die_at_commit, leases_lapse
from tests.support.functions import Diary, at_once, in_a_child, registered, the_run
from tests.support.rows import make_run

pytestmark = [pytest.mark.processes, pytest.mark.django_db]

PER_USER = [Concurrency(limit=1, key="event.data.user")]
OWN = {"id", "event", "ended_at", "due_at", "created_at", "ready_at", "started_at"}


def naps(ctx: Context) -> None:
    ctx.step.sleep("nap", 3600)


def note_to(diary: Diary) -> Callable[[Context], str]:
    return lambda ctx: diary.write(ctx.event.data["run_id"])


def go_to_sleep(count: int, **data: Any) -> list[Run]:
    send([Event(name="test/go", data={"user": n} | data) for n in range(count)])
    drain()
    return of_test_function()


def of_test_function() -> list[Run]:
    return list(Run.objects.filter(fn_id="test-function").order_by("id"))


def together(runs: list[Run], why: str = "", **options: Any) -> set[Any]:
    ids, fn_ids = [run.id for run in runs], {run.fn_id for run in runs}
    with PassedLines() as passed_lines:
        return cancel_plain(ids, fn_ids, why, passed_lines, **options)


def statuses() -> set[str]:
    return {run.status for run in of_test_function()}


# --- to each what happens to one alone ------------------------------------------------------------


@pytest.mark.parametrize("why", ["", "a “mistake”"])
def test_a_run_its_event_and_its_hook_are_as_if_it_had_been_cancelled_alone(why: str):
    with registered(naps, on_cancel=lambda ctx: None, concurrency=PER_USER):
        send(Event(name="test/go", data={"user": 0, "deep": [1.5, None, "é"]}, id="one"))
        send(Event(name="test/go", data={"user": 1, "deep": [1.5, None, "é"]}, id="two"))
        drain()
        one, two = of_test_function()
        cancel(one.id, why=why)
        assert together([two], why) == set()
    first, second = (shape(run) for run in of_test_function())
    assert first == second
    assert [told(run) for run in (one, two)] == [
        {
            "function_id": "test-function",
            "run_id": str(run.id),
            "error": Run.objects.get(id=run.id).error,
            "event": EventPayload.of_row(run.event).as_json(),
            "events": [EventPayload.of_row(run.event).as_json()],
            "epoch": 1,
        }
        for run in (one, two)
    ]
    hook_of_one, hook_of_two = Run.objects.filter(fn_id="test-function-cancel")
    assert shape(hook_of_one) == shape(hook_of_two)


def shape(run: Run) -> dict[str, Any]:
    row = {name: value for name, value in model_to_dict(run).items() if name not in OWN}
    keys = [key.split(":")[0] for key in row.pop("turn_keys")]
    return row | {"keys": keys, "due": run.due_at is None, "ended": run.ended_at is None}


def told(run: Run) -> dict[str, Any]:
    data: dict[str, Any] = EventRow.objects.get(name=CANCELLED, data__run_id=str(run.id)).data
    return data


def test_the_hook_of_each_is_called_once():
    diary = Diary()
    with registered(naps, on_cancel=note_to(diary)):
        runs = go_to_sleep(7)
        bulk("cancel", fn_id="test-function")
        bulk("cancel", fn_id="test-function")
        drain()
    assert sorted(diary.entries) == [str(run.id) for run in runs]


def test_while_the_hook_is_paused_its_runs_are_skipped():
    with registered(naps, on_cancel=lambda ctx: None):
        runs = go_to_sleep(2)
        pause("test-function-cancel")
        assert together(runs) == set()
    hooks = Run.objects.filter(fn_id="test-function-cancel")
    assert {(h.status, h.reason, h.due_at, bool(h.ended_at)) for h in hooks} == {
        (RunStatus.SKIPPED, Reason.PAUSED, None, True)
    }


def test_the_number_of_statements_does_not_depend_on_the_number_of_runs():
    counts = []
    with registered(naps, on_cancel=lambda ctx: None, concurrency=PER_USER):
        for count in (2, 60):
            go_to_sleep(count)
            unfinished = [run for run in of_test_function() if not run.is_finished]
            with CaptureQueriesContext(connection) as queries:
                assert together(unfinished) == set()
            counts.append(len(queries))
    assert counts[0] == counts[1] <= 15
    assert statuses() == {RunStatus.CANCELLED}


def test_a_set_with_many_lines_locks_no_line_of_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(line_locks, "MAX_OWN_LOCKS", 3)
    with registered(naps, on_cancel=lambda ctx: None, concurrency=PER_USER):
        runs = go_to_sleep(8)
        with CaptureQueriesContext(connection) as queries:
            assert together(runs) == set()
    assert statuses() == {RunStatus.CANCELLED}
    sent = [query["sql"] for query in queries]
    assert not any("generate_series" in text for text in sent), "all buckets of lines were locked"
    assert len([text for text in sent if "SET status = 'cancelled'" in text]) == 3


def test_a_step_that_has_taken_long_leaves_the_rest_to_the_next(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk_batch, "MAX_SECONDS", 0.0)
    monkeypatch.setattr(bulk_batch, "LARGEST_SET", 2)
    with registered(naps):
        go_to_sleep(5)
        own = Run.objects.get(id=bulk("cancel", fn_id="test-function"))
        drain()
    own.refresh_from_db()
    assert (own.output, own.steps_done) == ({"done": 5, "refused": 0}, 3)
    assert statuses() == {RunStatus.CANCELLED}


def test_a_step_with_runs_to_cancel_singly_looks_at_its_time_after_a_few_of_them(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(bulk_batch, "MAX_SECONDS", 0.0)
    monkeypatch.setattr(bulk_batch, "SINGLE_SET", 2)
    with registered(naps):
        go_to_sleep(3)
        send([Event(name="test/go") for _ in range(5)])
        assert len(claim_due(5, "a worker")) == 5
        own = Run.objects.get(id=bulk("cancel", fn_id="test-function"))
        drain()
    own.refresh_from_db()
    assert (own.output, own.steps_done) == ({"done": 8, "refused": 0}, 3)
    assert statuses() == {RunStatus.CANCELLED}


# --- whose turn it is then ------------------------------------------------------------------------


def test_as_many_as_have_left_a_line_are_woken_and_no_more():
    with registered(naps, concurrency=[Concurrency(limit=3)]):
        runs = go_to_sleep(9)
        assert together(runs[:2]) == set()
        due = Run.objects.filter(due_at__isnull=False, reason="")
        assert list(due.order_by("id")) == runs[3:5]


def test_runs_that_leave_a_line_that_stays_full_wake_none():
    with registered(naps, concurrency=[Concurrency(limit=3)]):
        runs = go_to_sleep(9)
        assert together(runs[4:7]) == set()
        assert not Run.objects.filter(due_at__isnull=False, reason="").exists()
        assert together([runs[0]]) == set()
        assert Run.objects.get(due_at__isnull=False, reason="") == runs[3]


def test_a_run_that_leaves_two_lines_passes_both_turns_on():
    two_lines = [Concurrency(limit=1, key="event.data.user"), Concurrency(limit=1)]
    with registered(naps, concurrency=two_lines):
        send([Event(name="test/go", data={"user": user}) for user in "aab"])
        drain()
        first, second, third = of_test_function()
        assert together([first]) == set()
        drain()
        assert Run.objects.get(reason=Reason.SLEEP).id in {second.id, third.id}


@pytest.mark.django_db(transaction=True)
def test_a_line_whose_wake_was_lost_to_a_set_goes_on_before_the_set_rests(
    monkeypatch: pytest.MonkeyPatch,
):
    make_run(status="completed", ended_at=Now() + timedelta(minutes=1))
    assert pace.is_crowded("jobs-bulk")
    reasons = []

    def rest(seconds: float) -> None:
        reasons.append(Run.objects.get(id=behind.id).reason)

    with registered(naps, concurrency=[Concurrency(limit=1)]):
        first, _ = go_to_sleep(2)
        bulk("cancel", fn_id="test-function")
        send(Event(name="test/go"))
        (claimed,) = claim_due(5, "a worker")
        *_, behind = of_test_function()
        assert behind.reason == Reason.TURN
        ended = {"status": RunStatus.COMPLETED, "reason": "", "due_at": None, "ended_at": Now()}
        Run.objects.filter(id=first.id).update(**ended)
        clock = SimpleNamespace(monotonic=time.monotonic, sleep=rest)
        monkeypatch.setattr(bulk_batch, "time", clock)
        execute(claimed)
    assert reasons == [""]


# --- runs that a run has invoked ------------------------------------------------------------------


def test_the_number_of_statements_does_not_depend_on_how_many_were_invoked():
    counts = []
    with registered(naps, on_cancel=lambda ctx: None, concurrency=PER_USER):
        for size in (3, 60):
            root = a_tree_of(size)
            with CaptureQueriesContext(connection) as queries:
                assert cancel(root.id, invoked=True)
            counts.append(len(queries))
            assert statuses() == {RunStatus.CANCELLED}
    assert counts[0] == counts[1]
    assert Run.objects.filter(fn_id="test-function-cancel").count() == 2 + 3 + 60


def a_tree_of(size: int) -> Run:
    """A run that has invoked so many, of which the first has invoked the last."""
    runs = [run for run in go_to_sleep(1 + size) if not run.is_finished]
    root, first, *_, last = runs
    Run.objects.filter(id__in=[run.id for run in runs[1:]]).update(invoked_by=root.id)
    Run.objects.filter(id=last.id).update(invoked_by=first.id)
    return root


@pytest.mark.django_db(transaction=True)
def test_in_a_transaction_of_the_callers_a_wake_that_was_lost_comes_after_its_commit():
    with registered(naps, concurrency=[Concurrency(limit=1)]):
        first, parked, behind = go_to_sleep(3)
        Run.objects.filter(id=parked.id).update(invoked_by=make_run(status="waiting"))
        ended = {"status": RunStatus.COMPLETED, "reason": "", "due_at": None, "ended_at": Now()}
        Run.objects.filter(id=first.id).update(**ended)
        with transaction.atomic():
            cancel(Run.objects.get(invoked=parked).id, invoked=True)
            assert Run.objects.get(id=behind.id).reason == Reason.TURN
    parked.refresh_from_db()
    behind.refresh_from_db()
    assert (parked.status, behind.reason) == (RunStatus.CANCELLED, Reason.NONE)


def test_no_runs_are_no_work():
    with CaptureQueriesContext(connection) as queries:
        assert cancel_plain([], set(), "", PassedLines()) == set()
    assert not queries


# --- what is left to be cancelled one by one ------------------------------------------------------


def test_those_in_a_workers_hands_or_with_a_request_or_invoked_are_left_and_cancelled_all_the_same(
    endpoint: Any,
):
    def asks(ctx: Context) -> None:
        ctx.step.fetch("call", endpoint.url)

    with registered(naps), registered(asks, fn_id="asks", trigger=TriggerEvent(event="test/ask")):
        runs = go_to_sleep(4)
        send([Event(name="test/go"), Event(name="test/ask")])
        for claimed in claim_due(2, "a worker"):
            if claimed.fn_id == "asks":
                execute(claimed)
        asking, held = the_run("asks"), the_run()
        Run.objects.filter(id=runs[0].id).update(invoked_by=held.id)
        left = together([*runs, held, asking])
        assert left == {runs[0].id, held.id, asking.id}
        own = bulk("cancel", everything=True)
        drain()
    assert Run.objects.get(id=own).output == {"done": 3, "refused": 0}
    assert Run.objects.exclude(fn_id="jobs-bulk").unfinished().count() == 0
    assert asking.fetches.get().status == "failed"


def test_all_are_left_where_a_function_listens_to_cancellations_by_their_name():
    diary = Diary()
    with (
        registered(naps),
        registered(note_to(diary), fn_id="listener", trigger=TriggerEvent(event=CANCELLED)),
    ):
        runs = go_to_sleep(3)
        assert together(runs) == {run.id for run in runs}
        bulk("cancel", fn_id="test-function")
        drain()
    assert sorted(diary.entries) == [str(run.id) for run in runs]


def test_a_step_that_waits_for_a_cancellation_gets_it():
    def waits(ctx: Context) -> str:
        found = ctx.step.wait_for_event("wait", event=CANCELLED, timeout=3600)
        return found.data["run_id"] if found else ""

    with registered(naps), registered(waits, fn_id="waits", trigger=TriggerEvent(event="test/w")):
        send(Event(name="test/w"))
        (run,) = go_to_sleep(1)
        assert together([run]) == {run.id}
        assert statuses() == {RunStatus.WAITING}
        bulk("cancel", fn_id="test-function")
        drain()
    assert the_run("waits").output == str(run.id)


# --- beside others --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_holds_is_passed_by():
    with registered(naps):
        one, two = go_to_sleep(2)
        with Uncommitted(lambda: Run.objects.select_for_update().get(id=one.id)):
            assert together([one, two]) == {one.id}


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_dies_between_two_sets_leaves_each_run_cancelled_once(
    monkeypatch: pytest.MonkeyPatch,
):
    diary, real, sets = Diary(), bulk_batch._do_set, []

    def die_at_the_second(*args: Any) -> None:
        sets.append(args)
        if os.getpid() != HERE and len(sets) == 2:
            os._exit(DIED)
        real(*args)

    monkeypatch.setattr(bulk_batch, "LARGEST_SET", 2)
    monkeypatch.setattr(bulk_batch, "_do_set", die_at_the_second)
    with registered(naps, on_cancel=note_to(diary)):
        runs = go_to_sleep(5)
        own = bulk("cancel", fn_id="test-function")
        assert in_a_child(lambda: [execute(claimed) for claimed in claim_due(1)]) == DIED
        assert Run.objects.filter(status=RunStatus.CANCELLED).count() == 2
        leases_lapse()
        drain()
    assert Run.objects.get(id=own).output == {"done": 3, "refused": 0}
    assert sorted(diary.entries) == [str(run.id) for run in runs]


def invokes(ctx: Context) -> None:
    ctx.step.invoke("naps", function="naps")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", [True, False])
def test_a_worker_that_dies_at_any_commit_leaves_no_invoked_run_without_its_invoker(before: bool):
    with registered(naps, fn_id="naps", trigger=()), registered(invokes):
        for number in count(1):
            send(Event(name="test/go"))
            drain()
            bulk("cancel", fn_id="test-function", invoked=True)

            def work(number: int = number) -> None:
                die_at_commit(number, before=before)
                while claims := claim_due(10):
                    for claimed in claims:
                        execute(claimed)

            ended = in_a_child(work)
            leases_lapse()
            drain()
            assert not Run.objects.unfinished().exists(), f"died at commit {number}"
            if ended != DIED:
                break
    assert number > 2


@pytest.mark.django_db(transaction=True)
def test_two_bulk_actions_beside_single_cancels_and_claims_block_no_transaction():
    diary = Diary()
    with registered(naps, on_cancel=note_to(diary), concurrency=[Concurrency(limit=2)]):
        send([Event(name="test/go") for _ in range(60)])
        runs = of_test_function()

        def singly() -> None:
            for run in reversed(runs):
                with transaction.atomic():
                    cancel(run.id)

        bulk("cancel", fn_id="test-function")
        bulk("cancel", fn_id="test-function")
        answers = at_once(drain, singly, drain)
        assert [isinstance(answer, Exception) for answer in answers] == [False] * 3
        drain()
    assert sorted(diary.entries) == [str(run.id) for run in runs]
    assert statuses() == {RunStatus.CANCELLED}


def test_it_makes_way_for_runs_that_are_under_way_and_not_for_its_own_kind():
    with registered(naps):
        send(Event(name="test/go"))
        assert pace.is_crowded("jobs-bulk")
        assert not pace.is_crowded("test-function")
        (claimed,) = claim_due(1)
        assert pace.is_crowded("jobs-bulk")
        assert not pace.is_crowded("test-function")
        execute(claimed)
        assert not pace.is_crowded("jobs-bulk")
        cancel(claimed.run_id)
        assert not pace.is_crowded("jobs-bulk")
    make_run(status="completed", ended_at=Now() + timedelta(minutes=1))
    assert pace.is_crowded("jobs-bulk")


def test_it_looks_for_others_four_times_a_second(monkeypatch):
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(pace, "time", clock)
    crowd = pace.Crowd("jobs-bulk")
    assert not crowd.is_there()
    make_run(status="completed", ended_at=Now() + timedelta(minutes=1))
    clock.now += 0.24
    assert not crowd.is_there()
    clock.now += 0.02
    assert crowd.is_there()


def test_a_rest_is_the_rest_of_the_time():
    assert pace.rest_after(2.0, share=0.25) == 6.0
