"""A test that fails shows its runs: what each waits for, and its last error with its line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection

from jobs.api import Context
from jobs.testing import pytest_plugin, ran
from jobs.testing.told_runs import runs_in_words


def divide(by: int) -> float:
    return 1 / by


def errs(ctx: Context) -> float:
    return ctx.step.run("divide", divide, 0)


def sections_of(outcome: str) -> list[tuple[str, str]]:
    """What the plugin adds to the report of a test with this outcome."""
    report = pytest.TestReport("x", ("x", 1, "x"), {}, outcome, None, "call")  # type: ignore
    hook: Any = pytest_plugin.pytest_runtest_makereport(None, SimpleNamespace(when="call"))  # type: ignore
    next(hook)
    with pytest.raises(StopIteration):
        hook.send(report)
    return report.sections


@pytest.mark.django_db
def test_a_run_is_told_with_its_wait_and_the_line_of_its_last_error():
    run = ran(errs)
    line = divide.__code__.co_firstlineno + 1
    told = (
        f"test-function  waiting: backing off  (run {run.id})\n"
        "    step “divide”, attempt 1: ZeroDivisionError: division by zero "
        f"(tests/jobs/testing/test_told_runs.py:{line})"
    )
    assert runs_in_words() == told
    assert sections_of("failed") == [("Runs", told)]
    assert sections_of("passed") == []


@pytest.mark.django_db
def test_the_run_that_ended_well_is_told_without_an_error():
    run = ran(lambda ctx: 7)
    assert runs_in_words() == f"test-function  completed  (run {run.id})"


def test_a_test_without_a_database_has_no_such_section():
    assert sections_of("failed") == []


@pytest.mark.django_db
def test_a_broken_transaction_has_no_such_section():
    ran(errs)
    with pytest.raises(Exception, match="no_such"), connection.cursor() as cursor:
        cursor.execute("SELECT no_such")
    assert sections_of("failed") == []
