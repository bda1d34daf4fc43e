"""Replaying what was skipped leaves out the hooks whose run has gone on, and says how many."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from jobs.api import TriggerEvent, pause, replay_skipped, rerun, resume
from jobs.models import Run
from jobs.registry import rows
from jobs.testing import drain
from tests.jobs.admin.panel import history, said
from tests.support.functions import go, registered, the_run
from tests.support.late_hooks import FAILURE, Patient, patient_and_hooks, says_whether_outdated

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient() -> Iterator[Patient]:
    with patient_and_hooks() as patient:
        yield patient


def test_replaying_leaves_out_the_hooks_whose_run_has_gone_on_and_says_how_many(patient: Patient):
    pause(FAILURE)
    runs = [go({"n": n}) for n in range(3)]
    drain()
    patient.does = "naps"
    rerun(runs[0].id)
    rerun(runs[1].id, from_start=True)
    resume(FAILURE)
    replayed = replay_skipped(FAILURE)
    assert (len(replayed), replayed.left_out) == (1, 2)
    drain()
    made = Run.objects.get(id=replayed[0])
    assert (made.event.data["run_id"], made.output) == (str(runs[2].id), False)
    assert replay_skipped(FAILURE).left_out == 2


def test_a_function_of_ones_own_that_counts_failures_is_replayed_whatever_came_of_them(
    patient: Patient,
):
    trigger = TriggerEvent(event="jobs/function.failed")
    with registered(says_whether_outdated, fn_id="count", trigger=trigger):
        pause("count")
        run = go()
        drain()
        rerun(run.id, from_start=True)
        drain()
        assert len(replay_skipped("count")) == 2


def test_the_panel_says_what_it_leaves_out_and_offers_the_rest(
    patient: Patient, admin_client: Client
):
    rows.sync()
    pause(FAILURE)
    runs = [go({"n": n}) for n in range(2)]
    drain()
    patient.does = "naps"
    rerun(runs[0].id)
    page = reverse("admin:jobs_registeredfunction_change", args=[quote(FAILURE)])
    button = "Replay skipped runs: 1<"
    assert button in admin_client.get(page).content.decode()
    replay = reverse("admin:jobs_registeredfunction_replay", args=[quote(FAILURE)])
    left_out = "1 hook is left out: the run that it tells of has gone on since."
    assert left_out in said(admin_client.post(replay))
    assert history(FAILURE)[-1].endswith(left_out)
    drain()
    assert the_run("jobs-bulk").output == {"done": 1, "refused": 0, "left_out": 1}
    assert button not in admin_client.get(page).content.decode()
    assert said(admin_client.post(replay)).endswith(f"is left to replay. {left_out}")
