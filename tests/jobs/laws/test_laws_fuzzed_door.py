"""A fuzzer at the door: whatever `send`, `create_function` or a step accepts can be run, is read
back the same, is shown on every page and is forgotten in time. Whatever cannot is refused with a
JobsError, a sentence, and nothing is left of it.

Derandomized: the same examples every time. `make chaos` draws others, at a real cluster.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import example as explicit
from hypothesis import strategies as st

from jobs.api import Context, Event, JobsError, TriggerEvent, create_function, send
from jobs.maintenance import cron, retention
from jobs.models import CronSchedule, RegisteredFunction, Run
from jobs.models import Event as EventRow
from jobs.registry import catalog, rows
from jobs.testing import drain, travel
from tests.jobs.admin.panel import page_of
from tests.support import fuzz
from tests.support.functions import registered

pytestmark = pytest.mark.django_db

BOUNDED = settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
LISTS = [
    f"admin:jobs_{model}_changelist" for model in ("run", "event", "registeredfunction", "cluster")
]


class Tally:
    """How many examples were accepted and refused: a fuzzer that only meets one of the two proves
    little."""

    def __init__(self) -> None:
        self.accepted = self.refused = 0

    def count(self, *, refused: bool) -> bool:
        self.refused += refused
        self.accepted += not refused
        return refused

    def raise_if_idle(self) -> None:
        assert min(self.accepted, self.refused) >= 2, vars(self)


class Undo(Exception):
    """Ends an example."""


def undoing(example: Any, clean: Callable[[], None] = lambda: None) -> None:
    """Play a property; what an example has written is undone, so that the next begins with none."""
    inner = example.hypothesis.inner_test

    @functools.wraps(inner)
    def undone(*args: Any, **kwargs: Any) -> None:
        try:
            with transaction.atomic():
                inner(*args, **kwargs)
                raise Undo
        except Undo:
            pass
        finally:
            clean()

    example.hypothesis.inner_test = undone
    example()


def refused(act: Any) -> bool:
    """Whether an act is refused, in a sentence; any other error is the test's."""
    try:
        with transaction.atomic():
            act()
    except JobsError as error:
        said = str(error)
    else:
        return False
    assert 15 < len(said) < 5_000, said
    return True


def play() -> None:
    """To the end of all waits: none is longer than a year."""
    drain(limit=300)
    for _ in range(6):
        if not Run.objects.unfinished().exists():
            return
        travel(timedelta(days=367))
        drain(limit=300)


def look_at_every_page(client: Any) -> None:
    mine = [run for run in Run.objects.all() if not run.fn_id.startswith("jobs-")]
    pages = [reverse(name) for name in LISTS]
    pages += [page_of(run) for run in mine]
    pages += [reverse("admin:jobs_run_edit", args=[run.pk]) for run in mine[:1]]
    pages += [reverse("admin:jobs_event_change", args=[run.event_id]) for run in mine]
    for function in RegisteredFunction.objects.filter(fn_id__in=[run.fn_id for run in mine]):
        pages.append(reverse("admin:jobs_registeredfunction_change", args=[quote(function.pk)]))
    said = {page: client.get(page).status_code for page in pages}
    assert {page: code for page, code in said.items() if code not in (200, 302)} == {}


def forget_everything() -> None:
    travel(timedelta(days=400))
    retention.delete_ended()
    assert not Run.objects.exists()
    assert not EventRow.objects.exists()


def test_whatever_is_sent_is_run_or_refused(admin_client):
    """By a function that keeps what it gets and fails in the end, so that its hook gets it too."""
    tally, told = Tally(), []

    def keeps(ctx: Context) -> None:
        ctx.step.run("keep", lambda: ctx.event.data)
        ctx.step.run("fail", int, "x")

    @BOUNDED
    @given(fuzz.events(fuzz.NAMES))
    def example(event: Event) -> None:
        told.clear()
        if tally.count(refused=refused(lambda: send(event))):
            assert not EventRow.objects.exists()
            return
        Run.objects.update(due_at=Now())  # however far in the future it happens
        play()
        run = Run.objects.get(fn_id="test-function")
        assert run.attempts.get().step_name == "fail"
        assert repr(run.steps.get(name="keep").output) == repr(run.event.data)
        assert [repr(hooked.data["event"]["data"]) for hooked in told] == [repr(run.event.data)]
        look_at_every_page(admin_client)
        forget_everything()

    options = {"on_failure": lambda ctx: told.append(ctx.event), "retries": 0}
    with registered(keeps, trigger=TriggerEvent(event="*"), **options):
        undoing(example)
    tally.raise_if_idle()


def test_whatever_a_step_or_a_function_returns_is_remembered_or_refused(admin_client):
    tally = Tally()

    @BOUNDED
    @explicit("fit", {"a": float("nan")})
    @explicit("\0", 1)
    @given(fuzz.NAMES, fuzz.SOME_VALUES)
    def example(id: Any, value: Any) -> None:
        seen: list[Any] = []

        def handler(ctx: Context) -> Any:
            seen.append(ctx.step.run(id, lambda: value))
            ctx.step.sleep("nap", 60)
            return value

        with registered(handler, retries=2):
            send(Event(name="test/go"))
            play()
        run = Run.objects.get()
        if tally.count(refused=run.status == "failed"):
            (attempt,) = run.attempts.all()
            assert attempt.error_class in ("jobs.errors.InvalidOutput", "jobs.errors.InvalidStep")
        else:
            assert run.status == "completed"
            kept = [*seen, run.output, run.steps.get(position=1).output]
            assert len({repr(one) for one in kept}) == 1
        look_at_every_page(admin_client)
        forget_everything()

    undoing(example)
    tally.raise_if_idle()


def test_whatever_function_is_accepted_runs_beside_others(admin_client):
    tally, known = Tally(), list(catalog.all_functions())

    @BOUNDED
    @given(fuzz.HANDLERS, fuzz.OPTIONS)
    def example(handler: Any, options: dict[str, Any]) -> None:
        options = {"fn_id": "fuzzed", **options}
        if tally.count(refused=refused(lambda: create_function(**options)(handler))):
            assert list(catalog.all_functions()) == known
            return
        rows.sync()
        cron.sync()
        CronSchedule.objects.filter(fn_id__startswith="jobs-").delete()  # forgets too early here
        mine = [f for f in catalog.all_functions() if f not in known]
        names = {t.event for f in mine for t in catalog.event_triggers(f)}
        with registered(lambda ctx: "fine"):
            send([Event(name=name, data={"a": 1}) for name in ("test/go", "fuzz/go", "fuzz/stop")])
            for name in names:
                refused(lambda name=name: send(Event(name=name, data={"a": 1})))
            play()
        assert Run.objects.get(fn_id="test-function").output == "fine"
        assert not Run.objects.unfinished().exists()
        assert {"unfit" in row.config for row in RegisteredFunction.objects.all()} == {False}
        look_at_every_page(admin_client)
        forget_everything()

    def forgotten() -> None:
        for function in catalog.all_functions():
            if function not in known:
                catalog.unregister(function.fn_id)

    undoing(example, forgotten)
    tally.raise_if_idle()


def test_whatever_request_is_accepted_arrives_and_is_answered(admin_client, endpoint):
    tally = Tally()

    @BOUNDED
    @given(fuzz.NAMES, st.one_of(st.just(""), fuzz.TEXTS), fuzz.REQUESTS)
    def example(id: Any, tail: str, options: dict[str, Any]) -> None:
        endpoint.asked.clear()
        url = endpoint.url + tail
        with registered(lambda ctx: ctx.step.fetch(id, url, **options).status_code, retries=1):
            send(Event(name="test/go"))
            play()
        run = Run.objects.get()
        if tally.count(refused=run.status == "failed"):
            (attempt,) = run.attempts.all()
            assert attempt.error_class == "jobs.errors.InvalidStep", attempt.error_message
            assert endpoint.asked == []
        else:
            assert (run.output, len(endpoint.asked)) == (200, 1)
        look_at_every_page(admin_client)
        forget_everything()

    undoing(example)
    tally.raise_if_idle()


def test_whatever_wait_is_accepted_ends(admin_client):
    tally = Tally()

    @BOUNDED
    @given(fuzz.WAITS)
    def example(wait: tuple[str, dict[str, Any]]) -> None:
        kind, options = wait
        errors: list[BaseException] = []

        def handler(ctx: Context) -> None:
            try:
                getattr(ctx.step, kind)("wait", **options)
            except Exception as error:
                errors.append(error)
                raise

        child = registered(lambda ctx: "born", fn_id="fuzzed-child", trigger=[])
        with registered(handler, retries=0), child:
            send(Event(name="test/go"))
            drain(limit=300)
            send(Event(name="fuzz/paid", data={"a": 1}))
            play()
        run = Run.objects.get(fn_id="test-function")
        assert run.status == ("failed" if errors else "completed")
        assert all(isinstance(error, JobsError) for error in errors), errors
        tally.count(refused=bool(errors))
        look_at_every_page(admin_client)
        forget_everything()

    undoing(example)
    tally.raise_if_idle()
