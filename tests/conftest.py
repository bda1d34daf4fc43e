"""What the whole session needs: a database that answers, and no waiting for its disk."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
from django.conf import settings
from django.db.backends.postgresql.operations import DatabaseOperations
from playwright.sync_api import Browser

from melodymaker import embedded
from tests.support import browser as chromium
from tests.support import emptying

pytest_plugins = ["jobs.testing.pytest_plugin"]

IS_POOLED = settings.DATABASES["default"].get("DISABLE_SERVER_SIDE_CURSORS", False)
UNFIT = {
    "needs_session": IS_POOLED,
    "needs_pool": not IS_POOLED,
    "needs_pipeline": not settings.JOBS["PIPELINE"],
}

# How long an example takes is the machine's business, and no law. What is found is shrunk for five
# minutes at most; explaining it as well would have no end where an example takes seconds.
SOUGHT = tuple(phase for phase in hypothesis.Phase if phase is not hypothesis.Phase.explain)
hypothesis.settings.register_profile("suite", deadline=None, phases=SOUGHT)
hypothesis.settings.load_profile("suite")


@pytest.fixture(autouse=True)
def steps_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a step takes is the machine's business: none is committed because it was slow."""
    monkeypatch.setattr("jobs.execution.unit_of_work.MAX_OPEN", 60.0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for all tests of a file."""
    with chromium.chromium() as started:
        yield started


def pytest_configure(config: pytest.Config) -> None:
    if settings.EMBEDDED_DATABASE:
        embedded.start(settings.BASE_DIR)
    if not IS_POOLED:  # a pool takes no options
        options = settings.DATABASES["default"]["OPTIONS"]
        # A test's rows are worth nothing after a power cut.
        options["options"] = f"{options.get('options', '')} -c synchronous_commit=off".strip()
    # Production's way to keep a password costs a third of a second of processor time, on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    DatabaseOperations.sql_flush = emptying.sql_flush  # type: ignore[method-assign]
    # The files of the pages are collected for production only.
    config.addinivalue_line("filterwarnings", "ignore:No directory at:UserWarning")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each test where it can hold: the summary counts those that are deselected."""
    unfit = [marker for marker, is_unfit in UNFIT.items() if is_unfit]
    left_out = [item for item in items if any(map(item.get_closest_marker, unfit))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not any(map(item.get_closest_marker, unfit))]
