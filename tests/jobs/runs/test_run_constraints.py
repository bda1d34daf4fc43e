"""What the database itself refuses: half a lease, half an end."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from jobs.models import Run
from tests.support.functions import go, registered, the_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    with registered(lambda ctx: None):
        go()
    return the_run()


@pytest.mark.parametrize(
    "whole",
    [
        {"status": "running", "lease_token": uuid.uuid4(), "lease_until": Now(), "due_at": None},
        {"status": "waiting", "due_at": Now()},
        {"status": "completed", "ended_at": Now(), "due_at": None},
        {"status": "skipped", "ended_at": Now(), "due_at": None},
    ],
)
def test_a_whole_row_is_taken(run: Run, whole: dict[str, Any]):
    assert Run.objects.filter(id=run.id).update(**whole) == 1


@pytest.mark.parametrize(
    "half",
    [
        {"lease_token": uuid.uuid4()},
        {"lease_until": Now()},
        {"status": "completed", "due_at": None},
        {"status": "waiting", "ended_at": Now(), "due_at": None},
        {"status": "failed", "ended_at": Now()},
        {"status": "lost", "due_at": None},
        {"status": "lost", "ended_at": Now(), "due_at": None},
    ],
)
def test_half_a_row_is_refused(run: Run, half: dict[str, Any]):
    with pytest.raises(IntegrityError, match="jobs_run_whole"), transaction.atomic():
        Run.objects.filter(id=run.id).update(**half)
