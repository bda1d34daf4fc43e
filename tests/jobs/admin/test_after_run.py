"""A failed run's page says what came after it: whether its hook has told of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from jobs.admin.after_run import after_run
from jobs.api import cancel, pause, replay_skipped, rerun
from jobs.models import RegisteredFunction, Run
from jobs.registry import rows as registry
from jobs.testing import drain
from tests.jobs.admin.panel import page_of
from tests.support import rows
from tests.support.functions import go, registered, the_run

pytestmark = pytest.mark.django_db
HOOK = "test-function-failure"


def fails(ctx: Any) -> None:
    raise RuntimeError("the studio is ill")


def tells(ctx: Any) -> str:
    return "told"


@pytest.fixture(autouse=True)
def function() -> Iterator[None]:
    with registered(fails, retries=0, on_failure=tells, on_cancel=tells):
        registry.sync()
        yield


def failed() -> Run:
    go()
    drain()
    return the_run()


def test_a_hook_that_ended_well_has_told_of_it() -> None:
    run = failed()

    told = after_run(run)

    assert str(told) == f"After this run: {HOOK} has told of it."
    assert told is not None
    assert not told.is_open
    assert told.url == page_of(the_run(HOOK))


def test_a_hook_that_was_skipped_waits_for_a_replay(admin_client: Client) -> None:
    pause(HOOK)
    run, other = failed(), failed()
    assert run.pk != other.pk

    assert str(after_run(run)) == f"After this run: {HOOK} was skipped, and waits for a replay."
    page = admin_client.get(page_of(run)).content.decode()
    assert "was skipped, and waits for a replay &rarr;" in page
    assert page_of(Run.objects.filter(fn_id=HOOK).earliest("id")) in page

    replay_skipped(HOOK)
    assert str(after_run(run)) == f"After this run: {HOOK} is under way."
    drain()
    assert str(after_run(run)) == f"After this run: {HOOK} has told of it."


def test_each_failure_of_a_run_has_a_hook_of_its_own() -> None:
    run = failed()
    pause(HOOK)
    rerun(run.pk)
    drain()
    run.refresh_from_db()

    assert "was skipped" in str(after_run(run))


def test_a_cancelled_run_has_its_own_hook() -> None:
    go()
    run = the_run()
    cancel(run.pk)
    drain()
    run.refresh_from_db()

    assert str(after_run(run)) == "After this run: test-function-cancel has told of it."


def test_a_run_without_a_hook_says_nothing(admin_client: Client) -> None:
    run = failed()
    RegisteredFunction.objects.update(config=[])

    assert after_run(run) is None
    assert after_run(rows.completed_run()) is None
    assert after_run(rows.failed_run()) is None
    assert "After this run" not in admin_client.get(page_of(run)).content.decode()
