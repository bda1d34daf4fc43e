"""Fixtures for tests of functions. In the conftest.py at the top of the tests:

pytest_plugins = ["jobs.testing.pytest_plugin"]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.testing import Endpoint, functions_of_a_block


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
