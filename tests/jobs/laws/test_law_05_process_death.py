"""Laws 3 and 5: a process may die at any moment, and nothing happens twice or never.

Each commit of a run is enumerated; the process that advances the run dies just before it, or just
after it, without any clean-up. The next worker goes on.
"""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from django.db import connection

from jobs.api import Context
from jobs.execution.executor import execute
from jobs.models import Run
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from songs.models import Category
from tests.support.deaths import DIED, die_at_commit
from tests.support.functions import go, in_a_child, registered, the_run

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
LONGER_THAN_A_LEASE = timedelta(minutes=1)


def create(name: str) -> None:
    Category.objects.create(name=name, folded=f"{name} {Category.objects.count()}")


def handler(ctx: Context) -> None:
    ctx.step.run("first", create, "first")
    ctx.step.sleep("nap", 1)
    ctx.step.run("second", create, "second")
    ctx.step.run("outside", int, atomic=False)
    raise ValueError("the end")


def on_failure(ctx: Context) -> None:
    ctx.step.run("sorry", create, "sorry")


def drain_and_die(at_commit: int, *, before: bool) -> None:
    """Go on with what is due; die at this commit of the process."""
    die_at_commit(at_commit, before=before)
    advance()
    travel(LONGER_THAN_A_LEASE)
    advance()


def advance() -> None:
    while claims := claim_due(10):
        for claimed in claims:
            execute(claimed)


def die_at(number: int, *, before: bool) -> bool:
    """One run whose first process dies at a commit and whose second one ends it; False if the
    process has no commit of that number."""
    Category.objects.all().delete()
    with registered(handler, retries=0, on_failure=on_failure):
        go()
        code = in_a_child(lambda: drain_and_die(number, before=before))
        while Run.objects.unfinished().exists():
            travel(LONGER_THAN_A_LEASE)
            drain()
    assert code in (0, DIED)
    return code == DIED


def the_laws_hold() -> None:
    run = the_run()
    assert (run.status, run.error["message"]) == ("failed", "the end")
    assert list(Category.objects.values_list("name", flat=True)) == ["first", "second", "sorry"]
    steps = list(run.steps.values_list("name", "status"))
    assert steps == [(n, "completed") for n in ("first", "nap", "second", "outside")]
    assert run.steps_done == 4
    assert Run.objects.filter(fn_id="test-function-failure").get().status == "completed"


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_process_that_dies_at_any_commit_leaves_each_effect_once(before):
    commits = 0
    while die_at(commits + 1, before=before):
        the_laws_hold()
        Run.objects.all().delete()
        commits += 1
    the_laws_hold()
    assert commits >= 5


def test_a_process_that_dies_in_a_body_leaves_neither_its_rows_nor_its_memory():
    def deadly() -> None:
        create("never")
        if os.getpid() != mine:
            os._exit(DIED)

    mine = os.getpid()
    with registered(lambda ctx: ctx.step.run("deadly", deadly)):
        go()
        assert in_a_child(drain) == DIED
        run = the_run()
        assert (run.status, run.steps.count(), Category.objects.count()) == ("running", 0, 0)

        travel(LONGER_THAN_A_LEASE)
        drain()
    assert the_run().status == "completed"
    assert Category.objects.count() == 1


def test_the_connection_going_away_under_a_step_costs_it_no_attempt():
    tries = []

    def cut_off() -> None:
        tries.append(1)
        if len(tries) == 1:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        create("kept")

    with registered(lambda ctx: ctx.step.run("one", cut_off), retries=0):
        go()
        drain()
    run = the_run()
    assert run.status == "completed"
    assert (len(tries), run.attempts.count(), Category.objects.count()) == (2, 0, 1)
