"""Clusters, a cluster, the audit log, the hand-over and a function's buttons in Chromium, at two
widths, light and dark: nothing sticks out, and axe finds nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import quote
from django.contrib.contenttypes.models import ContentType
from django.urls import reverse

from jobs.control import hand_over
from jobs.models import Run
from songs.models import User
from tests.support import browser as chromium
from tests.support import rows

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not chromium.CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed"
    ),
]
HOSTILE = "<script>alert(1)</script>‮" + "سلام 🎹 " + "w" * 9_000
PULSE = {"looked": 0.1, "claimed": 1.0, "problem": "", "at_work": 2, "workers": 4}
PULSE |= {"in_flight": 3, "limit": 3, "pid": 27985, "pusher": 4121, "memory": 150 * 2**20}


@pytest.fixture
def world(operator) -> list[str]:
    """Something on every page, some of it hostile; the addresses of the pages."""
    failed = [rows.failed_run(failure_kind="call-modal-api · 503 busy") for _ in range(3)]
    rows.failed_run(failure_kind=HOSTILE[:200], fn_id=HOSTILE[:200])
    hook = rows.make_function(f"{rows.FN}-failure", triggers=[])
    rows.make_function()
    hook.paused_at, hook.pause_reason, hook.paused_by = rows.now(), HOSTILE[:500], str(operator.pk)
    hook.save()
    clusters(failed[0])
    log(operator, failed)
    hand_over.write(HOSTILE[:1_990], rows.now() + timedelta(hours=4), operator, None)
    return [
        reverse("admin:jobs_cluster_changelist"),
        reverse("admin:jobs_cluster_change", args=["one"]),
        reverse("admin:admin_logentry_changelist"),
        reverse("admin:hand_over"),
        reverse("admin:jobs_registeredfunction_change", args=[quote(rows.FN)]),
        reverse("admin:jobs_registeredfunction_change", args=[quote(hook.pk)]),
    ]


def clusters(run: Run) -> None:
    at = [[4130, str(run.pk), "call-modal-api", 12.0], [4131, str(run.pk), HOSTILE[:200], 7.0]]
    secrets = {"secrets": {"MODAL_SECRET": "1"}}
    rows.make_cluster("one", version="4f2a91c0", pulse=PULSE | {"at": at} | secrets)
    stalled = {"looked": 60.0, "problem": HOSTILE[:500], "secrets": {"MODAL_SECRET": "2"}}
    rows.make_cluster("two", version="a7e01133", pulse=PULSE | {"pid": 2} | stalled)
    away = rows.now() - timedelta(minutes=4)
    rows.make_cluster("three", pulse=PULSE | {"pid": 3}, seen_at=away, stopped_at=away)
    rows.make_cluster("four", pulse=PULSE | {"pid": 4}, seen_at=away)
    lease = {"lease_token": run.pk, "lease_until": rows.now() + timedelta(seconds=20)}
    held = {"status": "running", "due_at": None, "worker": "studio-1/4121", **lease}
    leased = rows.make_run(started_at=rows.now(), **held)
    sent = rows.now() - timedelta(seconds=41)
    rows.make_fetch(leased, sent, 0, 200, status="sending", ended_at=None, **lease)
    vanished = {"error_class": "jobs.errors.WorkerLost", "error_message": HOSTILE}
    rows.make_attempt(leased, "", rows.now(), 0, error=True, **vanished, worker="studio-1/4121")
    for _ in range(18):
        rows.make_run(due_at=rows.now() - timedelta(seconds=42))


def log(operator: User, runs: list[Run]) -> None:
    kind = ContentType.objects.get_for_model(Run)
    told = [*[(run, "Retried from the failed step.") for run in runs], (runs[0], HOSTILE)]
    for run, said in told:
        LogEntry.objects.create(
            user=operator,
            content_type=kind,
            object_id=str(run.pk),
            object_repr=str(run)[:200],
            action_flag=CHANGE,
            change_message=said,
        )


def test_every_page_is_whole(browser, live_server, cookie, world) -> None:
    problems: dict[str, list[str]] = {}
    with chromium.opened(browser, live_server.url, cookie) as looked:
        for number, address in enumerate(world):
            answer = looked.page.goto(address)
            assert answer, address
            assert answer.ok, address
            if found := looked.problems(f"shift-{number:02}"):
                problems[address] = found
    assert not problems
