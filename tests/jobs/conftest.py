from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs.cluster import shared
from jobs.cluster.shared import Shared
from jobs.lib import secrets
from jobs.platform.ipc.pipe_queue import LossyQueue
from jobs.platform.postgres import notifier
from tests.jobs.admin.panel import FN
from tests.support.functions import registered


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests(monkeypatch) -> None:
    """A process remembers the secrets that it has resolved, so that they are masked."""
    monkeypatch.setattr(secrets, "_resolved", {})
    secrets._look_again()


@pytest.fixture
def in_a_cluster(monkeypatch) -> Iterator[Shared]:
    """What its processes share, as if this one were of a cluster with two workers."""
    monkeypatch.setattr(shared, "_shared", None)
    yield shared.make(LossyQueue(2), 2)
    notifier.belong_to(None)


@pytest.fixture
def panel_function() -> Iterator[None]:
    """The function of the runs that the panel's tests rerun."""
    with registered(lambda ctx: None, fn_id=FN):
        yield
