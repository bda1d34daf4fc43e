from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs import secrets
from tests.endpoint import Endpoint


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests(monkeypatch) -> None:
    """A process remembers the secrets that it has resolved, so that they are masked."""
    monkeypatch.setattr(secrets, "_resolved", {})
    secrets._look_again()


@pytest.fixture
def endpoint(settings) -> Iterator[Endpoint]:
    """A recording endpoint that `step.fetch` may call."""
    with Endpoint().open() as endpoint:
        settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": [endpoint.host]}
        yield endpoint
