"""No page of the panel takes more than fifteen queries, however many rows it shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.control import hand_over
from jobs.metrics import rollups
from jobs.metrics.spans import SPANS
from jobs.models import HandOverNote, RegisteredFunction, Run
from songs.models import User
from tests.support import cast, rows

pytestmark = pytest.mark.django_db
MOST = 15
RUNS = 300
PULSE = {"looked": 0.1, "claimed": 1.0, "problem": "", "at_work": 4, "workers": 4}
PULSE |= {"in_flight": 3, "limit": 1000, "pid": 27985, "pusher": 4121}
LISTS = ("jobs_run", "jobs_event", "jobs_registeredfunction", "songs_song", "songs_user")
PARTS = ("", "&part=more")
FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def olga(client: Client) -> User:
    account = cast.olga()
    client.force_login(account)
    return account


def a_day(operator: User) -> None:
    """A few hundred rows of each sort."""
    now = rows.now()
    for number in range(RUNS):
        at = now - timedelta(minutes=number)
        ended = {"started_at": at, "ended_at": at + timedelta(seconds=20)}
        kind = {"failure_kind": f"step · kind {number % 40}", "error": rows.STEP_ERROR}
        states: list[dict[str, Any]] = [
            {"status": "completed", **ended},
            {"status": "failed", **ended, **kind},
            {"reason": "turn"},
            {"status": "waiting", "reason": "fetch", "started_at": at},
        ]
        fn_id = f"function-{number % 12}"
        rows.make_run(at, fn_id=fn_id, worker="studio-1/4121", **states[number % 4])
    whole = [rows.failed_run(), rows.completed_run(), rows.backing_off_run()]
    Run.objects.filter(pk__in=[run.pk for run in whole]).update(worker="studio-1/4121")
    for number in range(12):
        function = rows.make_function(f"function-{number}")
        paused = {"paused_at": now, "pause_reason": "why", "paused_by": str(operator.pk)}
        RegisteredFunction.objects.filter(pk=function.pk).update(**paused if number % 2 else {})
        at_work = [[n, str(run.pk), "a step", 3.0] for n, run in enumerate(whole)]
        rows.make_cluster(f"cluster:{number}", pulse=PULSE | {"pid": number, "at": at_work})
    rows.make_function()
    acts(operator)
    hand_over.write("a note", now + timedelta(hours=4), operator, None)


def acts(operator: User) -> None:
    """Of twenty persons, to objects of two sorts."""
    others = [operator, *(cast.staff(f"staff-{number}") for number in range(20))]
    kinds = [ContentType.objects.get_for_model(model) for model in (Run, RegisteredFunction)]
    LogEntry.objects.bulk_create(
        LogEntry(
            user=others[number % len(others)],
            content_type=kinds[number % 2],
            object_id=str(number),
            object_repr=f"object {number}",
            action_flag=CHANGE,
            change_message=f"act {number % 90}",
            action_time=rows.now() - timedelta(minutes=number),
        )
        for number in range(RUNS)
    )


def pages() -> Iterator[tuple[str, dict[str, str]]]:
    """Each page, and its part that moves."""
    clusters = reverse("admin:jobs_cluster_changelist")
    one = reverse("admin:jobs_cluster_change", args=[quote("cluster:1")])
    log = reverse("admin:admin_logentry_changelist")
    yield from ((address, headers) for address in (clusters, one) for headers in ({}, FRAGMENT))
    yield from ((f"{log}{query}", {}) for query in ("", "?span=8h", "?fn_id=function-1&by=1"))
    yield from ((reverse(f"admin:hand_over{part}"), {}) for part in ("", "_text"))
    yield from ((reverse(f"admin:{name}_changelist"), {}) for name in LISTS)
    runs = reverse("admin:jobs_run_changelist")
    yield from ((f"{runs}?status__exact={status}", {}) for status in ("failed", "waiting"))
    function, event = rows.FN, Run.objects.latest("id").event_id
    yield reverse("admin:jobs_registeredfunction_change", args=[quote(function)]), {}
    yield reverse("admin:jobs_event_change", args=[event]), {}
    yield reverse("admin:tables"), {}


def operations() -> Iterator[tuple[str, dict[str, str]]]:
    """Both parts of Operations, whole and as they move, at each span."""
    home = reverse("admin:index")
    for span in SPANS:
        yield from ((f"{home}?span={span}{part}", h) for part in PARTS for h in ({}, FRAGMENT))


def runs() -> Iterator[tuple[str, dict[str, str]]]:
    """The page of a run in each state, by itself and as reached from a list."""
    lists = "?_changelist_filters=status__exact%3Dfailed"
    for run in (rows.failed_run(), rows.backing_off_run(), rows.completed_run()):
        page = reverse("admin:jobs_run_change", args=[run.pk])
        yield from ((f"{page}{query}", h) for query in ("", lists) for h in ({}, FRAGMENT))


def given_rights(account: User) -> User:
    """An operator by group: the permissions are one more query."""
    account.is_superuser = False
    account.save()
    account.groups.set(Group.objects.filter(name__in=("Operators", "Viewers", "Support")))
    return account


def queries(client: Client, address: str, headers: dict[str, str]) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address, headers=headers).status_code == 200, address
    return len(captured)


def test_no_page_takes_many_queries(client: Client, olga: User) -> None:
    a_day(olga)
    found = {}
    for address, headers in (*pages(), *operations(), *runs()):
        found[address, bool(headers)] = queries(client, address, headers)
    HandOverNote.objects.all().delete()
    found["without a note", False] = queries(client, reverse("admin:hand_over"), {})

    assert {page: number for page, number in found.items() if number > MOST} == {}
    assert min(found.values()) > 2


def test_an_operator_by_group_takes_no_more_than_fifteen(client: Client, olga: User) -> None:
    a_day(olga)
    while not rollups.roll_up():
        pass
    given_rights(olga)
    found = {
        (address, bool(headers)): queries(client, address, headers)
        for address, headers in (*pages(), *operations(), *runs())
    }
    assert {page: number for page, number in found.items() if number > MOST} == {}
    assert min(found.values()) > 3
