"""Fixtures for tests of functions, and the runs beside a failure. In the tests' top conftest.py:

pytest_plugins = ["jobs.testing.pytest_plugin"]
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from jobs.testing import Endpoint, functions_of_a_block
from jobs.testing.told_runs import runs_in_words


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call" and report.failed:
        with contextlib.suppress(Exception):  # the test has no database, or a broken transaction
            if told := runs_in_words():
                report.sections.append(("Runs", told))
    return report


@pytest.fixture(autouse=True)
def functions_of_this_test() -> Iterator[None]:
    """What a test registers is gone after it."""
    with functions_of_a_block():
        yield


@pytest.fixture
def endpoint(settings: Any) -> Iterator[Endpoint]:
    """An endpoint that `step.fetch` may call, and only that. (`settings` is pytest-django's.)"""
    with Endpoint().open() as endpoint:
        settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": [endpoint.host]}
        yield endpoint
