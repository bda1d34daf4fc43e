"""Events, functions, clusters, and what the admin as a whole shows."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_q.models import Failure, OrmQ, Schedule, Success
from django_q.signing import SignedPackage
from django_q.status import Status

from jobs.api import Event, TriggerEvent, send
from jobs.metrics.event_names import latest
from jobs.models import Cluster, RegisteredFunction
from tests.support import rows
from tests.support.functions import registered

pytestmark = pytest.mark.django_db


def shown(client: Client, address: str, *args: Any, **query: str) -> str:
    response = client.get(reverse(f"admin:{address}", args=args), query)
    assert response.status_code == 200
    return response.content.decode()


def test_events_are_listed_with_the_runs_that_they_made(admin_client: Client) -> None:
    run = rows.completed_run()
    rows.make_event("nobody/listens")

    page = shown(admin_client, "jobs_event_changelist")

    assert f"/jobs/run/{run.pk}/change/" in page
    assert "jobs-completed" in page
    assert "nobody/listens" in page


def test_fifty_events_cost_as_many_queries_as_five(admin_client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            shown(admin_client, "jobs_event_changelist")
        return len(captured)

    for _ in range(5):
        rows.make_run()
    few = queries()
    for _ in range(45):
        rows.make_run()

    assert queries() == few


@pytest.mark.parametrize(
    ("n", "reason"),
    [
        (5, ""),
        (2, "“event.data.n &gt; 3” is false."),
        ("many", "“event.data.n &gt; 3” has no value here"),
        (None, "“event.data.n &gt; 3” has no value here: &#x27;n&#x27; is not there."),
    ],
)
def test_an_event_says_why_it_has_not_started_a_function(admin_client, n, reason) -> None:
    data = {} if n is None else {"n": n}
    with registered(print, trigger=TriggerEvent(event="e", if_exp="event.data.n > 3")):
        (event_id,) = send(Event(name="e", data=data))
        page = shown(admin_client, "jobs_event_change", event_id)

    story = page.split('id="event-runs"')[1].split("</section>")[0]
    assert ("Not started" in story) == (n != 5)
    assert reason in story or n == 5


def test_an_event_is_found_by_its_id_and_by_its_senders_id(admin_client: Client) -> None:
    wanted = rows.make_event(dedupe_id="order-17")
    other = rows.make_event()

    for term in (str(wanted.pk), "order-17"):
        page = shown(admin_client, "jobs_event_changelist", q=term)
        assert f"/{wanted.pk}/" in page
        assert f"/{other.pk}/" not in page
    assert f"/{wanted.pk}/" not in shown(admin_client, "jobs_event_changelist", q="order")


def test_events_are_filtered_by_name(admin_client: Client) -> None:
    for name in ("b/two", "a/one", "b/two", "c/three"):
        rows.make_event(name)

    assert list(latest()) == ["a/one", "b/two", "c/three"]
    page = shown(admin_client, "jobs_event_changelist", name="a/one")
    assert page.count('<tr id="event-') == 1


def test_without_events_there_are_no_names() -> None:
    assert latest() == {}


def test_an_event_shows_its_data_and_its_runs(admin_client: Client) -> None:
    event = rows.make_event(data={"say": "<script>alert(1)</script>"})
    run = rows.failed_run(event=event)

    page = shown(admin_client, "jobs_event_change", event.pk)

    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert f"/jobs/run/{run.pk}/change/" in page


def test_functions_say_what_starts_them_and_what_they_do_now(admin_client: Client) -> None:
    rows.make_function()
    rows.make_run()
    rows.failed_run()

    for page in (
        shown(admin_client, "jobs_registeredfunction_changelist"),
        shown(admin_client, "jobs_registeredfunction_change", rows.FN),
    ):
        for words in ("event “generate-song-event”", "1 at a time per event.data.userId"):
            assert words in page
    assert "1 queued" in page
    assert "1 failed" in page


@pytest.mark.parametrize(
    "config",
    [
        {},
        [],
        "text",
        {"triggers": "x", "concurrency": 3, "retries": "many"},
        {"triggers": [{"cron": "* * * * *"}, 7], "concurrency": [{"limit": 2, "key": None}]},
    ],
)
def test_a_configuration_of_an_unknown_shape_is_shown(admin_client: Client, config: Any) -> None:
    RegisteredFunction.objects.create(fn_id="odd", name="odd", config=config)

    assert "odd" in shown(admin_client, "jobs_registeredfunction_changelist")
    assert "odd" in shown(admin_client, "jobs_registeredfunction_change", "odd")


def test_a_clusters_page_has_its_processes_and_how_many_were_restarted(
    admin_client: Client,
) -> None:
    stat = Status(4121, "abc")
    stat.workers, stat.reincarnations = [4130, 4131], 3
    rows.make_cluster("here", stat=SignedPackage.dumps(stat, True))

    page = shown(admin_client, "jobs_cluster_change", "here")

    assert "<dd>4130, 4131</dd>" in page
    assert "Processes restarted since its start</dt><dd>3</dd>" in page


@pytest.mark.parametrize("stat", ["", "nonsense", "a:b:c"])
def test_what_a_cluster_says_may_be_unreadable(admin_client: Client, stat: str) -> None:
    Cluster.objects.create(key="odd", stat=stat)

    assert "jobs/cluster/odd/" in shown(admin_client, "jobs_cluster_changelist")
    assert "none that can be read here" in shown(admin_client, "jobs_cluster_change", "odd")


@pytest.mark.parametrize("model", ["event", "registeredfunction", "cluster", "run"])
def test_nothing_is_added_by_hand(admin_client: Client, model: str) -> None:
    assert admin_client.get(reverse(f"admin:jobs_{model}_add")).status_code == 403


def test_django_q2s_own_pages_are_hidden(admin_client: Client) -> None:
    for model in (Schedule, Success, Failure, OrmQ):
        assert not admin.site.is_registered(model)
    page = shown(admin_client, "tables")
    assert "MelodyMaker operations" in page
    assert "Schedule" not in page
    assert "Groups" in page
