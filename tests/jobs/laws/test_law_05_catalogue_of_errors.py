"""A catalogue of what an author's code may raise and do, in a step and between steps, in this
process and in a real cluster: each comes to its end as attempts with the author's error within its
retries, and the run beside it completes. The cluster has no temporary folder, and the innocent runs
have events that no packet of its pipes can hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from jobs.api import Context, Event, TriggerEvent, send
from jobs.models import Attempt, Run
from jobs.testing import drain, travel
from tests.catalogue.bodies import DEADLY, ENDING, HARMLESS, SPOILING
from tests.catalogue.errors import BUILT_IN, ODD, RAISING, class_of
from tests.chaos.clusters import Cluster, wait_until
from tests.support.database import cluster_environment
from tests.support.functions import registered

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs_session("its bodies set up their sessions in every way"),
]
FUNCTIONS = {
    "raise-in-a-step": "test/step",
    "raise-between": "test/between",
    "do-in-a-step": "test/do",
    "innocent": "test/innocent",
}


def name_of(kind: type[BaseException]) -> str:
    """The last part of a class's path, if its metaclass tells it."""
    return type.__dict__["__name__"].__get__(kind)


def has_failed_by(run: Run, step: str, kind: type[BaseException]) -> None:
    attempts = list(run.attempts.filter(status="error"))
    assert run.status == "failed", (run.status, run.error)
    assert [attempt.step_name for attempt in attempts] == [step, step]
    told = attempts[0].error_class.rpartition(".")[2]
    assert told == name_of(kind) or kind in HIDDEN
    assert "Traceback" in attempts[0].traceback or "cannot be had" in attempts[0].traceback


# Their classes do not say their names.
HIDDEN = {class_of(RAISING["no name"])}


def in_an_atomic_step(ctx: Context) -> None:
    ctx.step.run("raises", RAISING[ctx.event.data["what"]])


def in_a_step_outside(ctx: Context) -> None:
    ctx.step.run("raises", RAISING[ctx.event.data["what"]], atomic=False)


def between_steps(ctx: Context) -> None:
    ctx.step.run("before", int)
    RAISING[ctx.event.data["what"]]()


PLACES = {in_an_atomic_step: "raises", in_a_step_outside: "raises", between_steps: ""}
# Python's own in one test, the odd ones each in its own.
SHARES = [list(BUILT_IN), *([what] for what in ODD)]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize("share", SHARES, ids=lambda share: share[0])
def test_what_an_authors_code_raises_is_an_attempt_with_its_error(share, place):
    with registered(place, retries=1, backoff=[1]):
        send([Event(name="test/go", data={"what": what}) for what in share])
        for _ in range(3):
            drain(limit=3 * len(share))
            travel(timedelta(seconds=2))
    runs = Run.objects.filter(fn_id="test-function").select_related("event")
    assert len(runs) == len(share)
    for run in runs:
        has_failed_by(run, PLACES[place], class_of(RAISING[run.event.data["what"]]))


# --- a real cluster -------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    environment = cluster_environment("tests.catalogue.settings", workers=3)
    cluster = Cluster(1, environment, tmp_path)
    yield cluster
    cluster.kill_for_good()


def start(events: list[Event]) -> dict[str, Run]:
    """Their runs, each with an innocent one behind it; by what they do."""
    stand_ins = [
        registered(lambda ctx: None, fn_id=fn_id, trigger=TriggerEvent(event=event), retries=1)
        for fn_id, event in FUNCTIONS.items()
    ]
    for stand_in in stand_ins:
        stand_in.__enter__()
    try:
        for event in events:
            send([event, Event(name="test/innocent", data={"words": "x" * 8_000})])
    finally:
        for stand_in in stand_ins:
            stand_in.__exit__(None, None, None)
    guilty = Run.objects.exclude(fn_id="innocent").select_related("event").order_by("id")
    return {f"{run.fn_id}: {run.event.data['what']}": run for run in guilty}


def wait_for_all(cluster: Cluster) -> None:
    wait_until(lambda: not Run.objects.unfinished().exists(), cluster)
    innocent = Run.objects.filter(fn_id="innocent")
    assert set(innocent.values_list("status", flat=True)) == {"completed"}
    attempts = Attempt.objects.filter(run__fn_id="innocent", status="error")
    assert not list(attempts.values_list("step_name", "error_class", "error_message"))


def test_in_a_cluster_every_error_is_an_attempt_and_costs_no_neighbour_anything(cluster):
    runs = start(
        [
            Event(name=name, data={"what": what, "atomic": number % 2 == 0})
            for number, what in enumerate(RAISING)
            for name in ("test/step", "test/between")
        ]
    )
    wait_for_all(cluster)
    for name, run in runs.items():
        run.refresh_from_db()
        kind = class_of(RAISING[run.event.data["what"]])
        has_failed_by(run, "raises" if name.startswith("raise-in") else "", kind)
    assert not Attempt.objects.filter(error_class="jobs.errors.WorkerLost").exists()


def test_in_a_cluster_every_body_comes_to_its_end_and_costs_no_neighbour_anything(cluster):
    bodies = ENDING | HARMLESS | DEADLY | SPOILING
    runs = start([Event(name="test/do", data={"what": what}) for what in bodies])
    wait_for_all(cluster)
    for run in runs.values():
        run.refresh_from_db()
        what = run.event.data["what"]
        if what in SPOILING:
            continue  # its neighbours complete, and it comes to an end
        assert run.status == ("completed" if what in HARMLESS else "failed"), (what, run.error)
        failed = run.attempts.filter(status="error").values_list("step_name", "error_class")
        if what in DEADLY:
            assert list(failed) == [("does", "jobs.errors.WorkerLost")] * 2, what
        elif what in ENDING:
            assert [step for step, _ in failed] == ["does", "does"], (what, list(failed))
