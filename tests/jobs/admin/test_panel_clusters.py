"""Clusters in the panel: is it too much, which of them live, and what is each at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from jobs.models import Cluster, Run
from tests.jobs.admin.panel import shown
from tests.support import cast, rows

pytestmark = pytest.mark.django_db
LIST = reverse("admin:jobs_cluster_changelist")
PULSE = {
    "looked": 0.1,
    "claimed": 1.0,
    "problem": "",
    "at_work": 1,
    "workers": 1,
    "in_flight": 3,
    "limit": 3,
    "pid": 27985,
    "pusher": 4121,
    "memory": 150 * 1024 * 1024,
}
WORKER = "studio-1/4121"


def make_cluster(key: str = "one", **fields: Any) -> Cluster:
    return rows.make_cluster(key, **{"pulse": PULSE} | fields)


def page_of(key: str) -> str:
    return reverse("admin:jobs_cluster_change", args=[quote(key)])


def row_of(page: str, name: str) -> str:
    """The row of the table that begins with this name."""
    return next(row for row in page.split("<tr")[1:] if f"<bdi>{name}</bdi>" in row)


def test_a_cluster_is_named_by_host_and_process_and_says_how_busy_it_is(admin_client) -> None:
    make_cluster(version="4f2a91c0")
    for n in range(3):
        rows.completed_run(rows.now() - timedelta(minutes=n + 1))
    rows.failed_run()
    Run.objects.update(worker=WORKER)
    rows.failed_run()

    row = row_of(shown(admin_client, LIST), "studio-1:27985")

    for words in ("alive", "1 of 1", "3 of 3", "25 %", "4f2a91c0"):
        assert words in row
    assert '<td data-label="Runs 24 h" class="jobs-number">4</td>' in row


def test_stopped_in_good_order_is_not_died(admin_client: Client) -> None:
    away = rows.now() - timedelta(minutes=4)
    make_cluster("a", pulse=PULSE | {"pid": 1}, seen_at=away, stopped_at=away)
    make_cluster("b", pulse=PULSE | {"pid": 2}, seen_at=away)
    make_cluster("c", pulse=PULSE | {"pid": 3})

    page = shown(admin_client, LIST)

    assert "jobs-stopped" in row_of(page, "studio-1:1")
    assert "in good order" in row_of(page, "studio-1:1")
    assert "jobs-died" in row_of(page, "studio-1:2")
    assert "silent for 4 min" in row_of(page, "studio-1:2")
    assert "jobs-alive" in row_of(page, "studio-1:3")


def test_that_no_cluster_is_alive_is_said_on_top(admin_client: Client) -> None:
    assert "No cluster is alive.</p>" in shown(admin_client, LIST)
    make_cluster(seen_at=rows.now() - timedelta(minutes=4))
    rows.make_run(due_at=rows.now() - timedelta(seconds=42))

    page = shown(admin_client, LIST)

    verdict = page.split('id="jobs-load"')[1].split("</p>")[0]
    assert (
        "No cluster is alive. The last one was heard of 4 min ago. Due 1, oldest 42 s." in verdict
    )


def test_too_much_is_said_with_what_helps(admin_client: Client) -> None:
    make_cluster()
    for n in range(2):
        rows.make_run(due_at=rows.now() - timedelta(seconds=42 + n))
    rows.make_run(due_at=rows.now() + timedelta(seconds=42))
    run = rows.make_run(due_at=None, status="waiting", reason="fetch")
    asked = rows.now() - timedelta(seconds=41)
    rows.make_fetch(run, asked, 0, 200, status="pending", sent_at=None, created_at=asked)

    page = shown(admin_client, LIST)

    assert "Due 2, oldest 43 s; 1 request waits to be sent, oldest 41 s." in page
    assert "All 1 workers are busy: start another cluster, or more workers." in page
    assert "All 3 places are taken: raise JOBS_GATEWAY_LIMIT, or add a cluster." in page


def test_when_nothing_waits_the_busy_workers_are_named(admin_client: Client) -> None:
    make_cluster()

    page = shown(admin_client, LIST)

    assert "Nothing waits. 1 of 1 workers are busy, 3 of 3 requests are in flight." in page
    assert "&rarr;" not in page


def test_living_clusters_that_differ_in_code_or_in_a_secret_are_warned_of(admin_client) -> None:
    make_cluster("a", version="aaaa", pulse=PULSE | {"secrets": {"MODAL_SECRET": "1", "KEY": "2"}})
    make_cluster("b", version="bbbb", pulse=PULSE | {"secrets": {"MODAL_SECRET": "3", "KEY": "2"}})

    page = shown(admin_client, LIST)

    assert "Living clusters run different code: <bdi>aaaa, bbbb</bdi>" in page
    assert "<b><bdi>MODAL_SECRET</bdi></b> is not the same on all living clusters" in page
    assert "<bdi>KEY</bdi>" not in page

    Cluster.objects.filter(key="b").update(stopped_at=rows.now())
    assert "jobs-warning" not in shown(admin_client, LIST)


def test_a_clusters_page_says_what_each_worker_is_at(admin_client: Client) -> None:
    run = rows.make_run(
        status="running",
        due_at=None,
        started_at=rows.now(),
        lease_token=rows.id_at(rows.now()),
        lease_until=rows.now() + timedelta(seconds=20),
        worker=WORKER,
    )
    sent = rows.now() - timedelta(seconds=12)
    lease = {"lease_token": run.lease_token, "lease_until": run.lease_until}
    rows.make_fetch(run, sent, 0, 200, status="sending", ended_at=None, **lease)
    lost = {"error_class": "jobs.errors.WorkerLost", "error_message": "The worker vanished."}
    rows.make_attempt(run, "", rows.now(), 0, error=True, **lost, worker=WORKER)
    rows.make_attempt(run, "", rows.now(), 0, error=True, **lost, worker="another/1")
    make_cluster(pulse=PULSE | {"at": [[4130, str(run.pk), "update-song", 7.0]]})

    page = shown(admin_client, page_of("one"))

    for words in ("4130", "update-song", "7.0 s", rows.FN, "studio.example", "150.0"):
        assert words in page
    assert f'<td data-label="Function"><bdi>{rows.FN}</bdi></td>' in page
    assert page.count("The worker vanished.") == 1
    assert page.count(f"/jobs/run/{run.pk}/change/") == 4
    assert "Runs under its lease</dt><dd>1</dd>" in page


def test_links_to_runs_are_for_accounts_that_may_see_runs(client: Client) -> None:
    run = rows.make_run()
    make_cluster(pulse=PULSE | {"at": [[4130, str(run.pk), "", None]]})
    client.force_login(cast.staff("viola", "view_cluster"))

    page = shown(client, page_of("one"))

    assert str(run.pk) in page
    assert f"/jobs/run/{run.pk}/change/" not in page


def test_the_part_that_moves_comes_alone(admin_client: Client) -> None:
    make_cluster()

    for address, begins in ((LIST, '<div id="clusters"'), (page_of("one"), '<div id="cluster"')):
        part = admin_client.get(address, headers={"HX-Request": "true"}).content.decode()
        assert part.lstrip().startswith(begins)
        assert f'hx-get="{address}"' in part


def test_a_cluster_that_is_forgotten_is_told_in_a_sentence(admin_client: Client) -> None:
    for key in ("gone", "<script>", "w" * 300):
        missing = admin_client.get(page_of(key))
        assert missing.status_code == 404
        assert "a silent one is kept for a day" in missing.content.decode()


def test_an_account_without_the_permission_sees_no_cluster(client: Client) -> None:
    make_cluster()
    client.force_login(cast.staff("viola", "view_run"))

    for address in (LIST, page_of("one")):
        refused = client.get(address)
        assert refused.status_code == 403
        assert "“Can view cluster”" in refused.content.decode()


def test_a_pulse_of_an_older_cluster_is_shown_without_what_it_lacks(admin_client) -> None:
    make_cluster("old", pulse={"looked": 0.1, "at_work": 0, "workers": 4, "problem": ""})
    make_cluster("none", pulse=None)

    assert "studio-1" in shown(admin_client, LIST)
    for key in ("old", "none"):
        assert "None, among the latest" in shown(admin_client, page_of(key))
