"""Operations: one look says whether all is well, and what needs an operator."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import format_html

from jobs.control.form_submissions import FIELD
from jobs.lib import settings_check
from songs.models import User
from tests.support import cast, rows
from tests.support.forms import form_of

pytestmark = pytest.mark.django_db
PAGE = reverse("admin:index")
PULSE = {"looked": 0.1, "claimed": 1.0, "at_work": 0, "workers": 4, "problem": ""}


def shown(client: Client, **query: str) -> str:
    response = client.get(PAGE, query)
    assert response.status_code == 200
    return response.content.decode()


def test_all_is_well_in_a_sentence(admin_client: Client) -> None:
    rows.make_cluster(pulse=PULSE)
    rows.make_function()
    rows.completed_run()
    rows.completed_run(fn_id="tidy-up")

    page = shown(admin_client)

    assert "All is well: 1 song in the last hour" in page
    assert "What needs you" not in page


def test_a_project_that_names_nothing_counts_runs(admin_client: Client, settings: Any) -> None:
    settings.JOBS = {name: v for name, v in settings.JOBS.items() if name != "PANEL_COUNTS"}
    rows.make_cluster(pulse=PULSE)
    rows.completed_run()
    rows.completed_run(fn_id="tidy-up")

    assert "All is well: 2 runs in the last hour" in shown(admin_client)


def test_a_function_is_paused_and_resumed_in_place(admin_client: Client) -> None:
    function = rows.make_function("tidy-up")
    for to, reason, button in (
        ("paused", "the mail server is down", "Pause…"),
        ("active", "", "Resume"),
    ):
        page = shown(admin_client, part="more")
        assert button in page
        switch = reverse("admin:jobs_registeredfunction_state", args=["tidy-up"])
        sent = {"to": to, "reason": reason, "back": "operations", **form_of(page, FIELD).fields}
        answer = admin_client.post(switch, sent | {"to": to, "reason": reason})
        assert answer.url == PAGE
        function.refresh_from_db()
        assert bool(function.paused_at) == (to == "paused")
        assert function.pause_reason == reason


def test_what_needs_an_operator_is_a_link_to_it(admin_client: Client) -> None:
    run = rows.failed_run(failure_kind="call-modal-api · 500 the GPU fell over")
    paused = rows.make_function("tidy-up")
    paused.paused_at = rows.now()
    paused.save()

    page = shown(admin_client)

    assert "What needs you" in page
    assert "No cluster" in page
    assert "tidy-up has been paused" in page
    assert reverse("admin:jobs_registeredfunction_change", args=["tidy-up"]) in page
    assert "status__exact=failed&amp;open=1&amp;kind=call-modal-api+%C2%B7+500" in page
    assert run.failure_kind in page


@pytest.mark.parametrize("span", ["15m", "1h", "24h", "7d"])
def test_the_span_stands_in_the_address(admin_client: Client, span: str) -> None:
    rows.completed_run()

    page = shown(admin_client, span=span)

    assert f'href="?span={span}" aria-current="true"' in page
    assert f'hx-get="{PAGE}?span={span}"' in page


@pytest.mark.parametrize("span", ["2h", "<script>", "w" * 10_000])
def test_a_span_that_is_none_is_told_and_an_hour_is_shown(admin_client: Client, span: str) -> None:
    page = shown(admin_client, span=span)

    assert "is no span; 15m, 1h, 24h, 7d are." in page
    assert "This page shows the last hour." in page
    assert 'href="?span=1h" aria-current="true"' in page
    assert "<script>" not in page.split("<main")[1]


def test_what_ended_stands_in_a_chart_and_in_a_table(admin_client: Client) -> None:
    rows.completed_run()
    rows.failed_run()

    page = shown(admin_client)

    chart = page.split('id="jobs-outcomes"')[1].split("</figure>")[0]
    assert ": 1 completed ended" in chart
    assert ": 1 failed ended" in chart
    assert "<table" in chart
    assert "style=" not in page


def test_the_parts_that_move_come_alone(admin_client: Client) -> None:
    rows.completed_run()

    for query, start in (({}, "operations"), ({"part": "more"}, "operations-more")):
        part = admin_client.get(PAGE, query, headers={"HX-Request": "true"}).content.decode()
        assert part.lstrip().startswith(f'<div id="{start}"')
        assert "<html" not in part


def queries(client: Client, **query: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        shown(client, **query)
    return len(captured)


def test_many_runs_and_failures_cost_as_many_queries_as_few(
    admin_client: Client, settings: Any
) -> None:
    settings.JOBS = {**settings.JOBS, "PANEL_CARDS": []}  # the site's card is counted where it is
    rows.make_cluster(pulse=PULSE)
    rows.make_function()
    rows.failed_run()
    rows.make_run()
    few = queries(admin_client)
    for n in range(12):
        rows.failed_run(failure_kind=f"kind {n}")
        rows.completed_run(rows.now() - timedelta(minutes=n))
        rows.make_run(fn_id=f"function-{n}")

    assert queries(admin_client) == few
    assert few <= 17
    assert queries(admin_client, part="more") <= 15


def test_an_account_that_may_not_see_runs_is_told_no_figure(client: Client) -> None:
    rows.failed_run(failure_kind="call-modal-api · 500")
    client.force_login(cast.staff("viola", "view_cluster"))

    page = shown(client)

    assert "you need the permission “Can view run”" in page
    assert "call-modal-api" not in page


def test_the_last_acts_are_for_accounts_that_may_read_the_audit_log(
    admin_client: Client, client: Client
) -> None:
    rows.make_function()
    state = reverse("admin:jobs_registeredfunction_state", args=[rows.FN])
    admin_client.post(state, {"to": "paused", "reason": "too many failures"})
    client.force_login(cast.staff("viola", "view_run"))

    assert "Paused; unfinished runs" in shown(admin_client, part="more")
    assert "Paused; unfinished runs" not in shown(client, part="more")


def test_the_last_acts_lead_only_to_pages_that_the_account_may_open(
    admin_client: Client, client: Client, admin_user: User
) -> None:
    LogEntry.objects.log_actions(
        admin_user.pk, [admin_user], CHANGE, "Granted +5 credits", single_object=True
    )
    entry = LogEntry.objects.get()
    single = reverse("admin:admin_logentry_change", args=[entry.pk])
    client.force_login(cast.staff("viola", "view_logentry"))

    address = f'href="{reverse("admin:songs_user_change", args=[admin_user.pk])}"'
    for on_page in (shown(client, part="more"), client.get(single).content.decode()):
        assert "user admin" in on_page
        assert address not in on_page
    for on_page in (shown(admin_client, part="more"), admin_client.get(single).content.decode()):
        assert address in on_page


def card(request: Any, span: Any) -> str:
    return format_html("<h2>Credits</h2><p>{} in the last {}</p>", request.user, span.label)


def broken(request: Any, span: Any) -> str:
    raise ValueError("no card today")


def unsafe(request: Any, span: Any) -> str:
    return "<script>alert(1)</script>"


def test_a_project_adds_cards_and_a_broken_card_costs_only_itself(
    admin_client: Client, settings: Any
) -> None:
    here = "tests.jobs.admin.test_operations"
    paths = [f"{here}.{name}" for name in ("broken", "card", "unsafe")]
    settings.JOBS = {**settings.JOBS, "PANEL_CARDS": paths}

    page = shown(admin_client, span="24h", part="more")

    assert "<h2>Credits</h2><p>admin in the last 24 hours</p>" in page
    assert "This card could not be made" in page
    assert "no card today" not in page
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PANEL_CARDS", "songs.cards.card", "a list of dotted paths to callables is allowed"),
        ("KIND_ACTS", "songs.x", "a list of dotted paths to callables is allowed"),
        ("PANEL_COUNTS", ("song",), "a function's id and a noun are allowed"),
        ("PANEL_CARDS", [7], "a list of dotted paths to callables is allowed"),
        ("RUN_LINKS", 7, "the dotted path of a callable is allowed"),
        ("RUNS_ABOUT", ["x"], "the dotted path of a callable is allowed"),
        ("RUN_SEARCH", {}, "the dotted path of a callable is allowed"),
    ],
)
def test_what_is_no_path_is_told_before_anything_starts(
    settings: Any, name: str, value: Any, allowed: str
) -> None:
    settings.JOBS = {**settings.JOBS, name: value}

    (problem,) = settings_check.check(None)
    assert problem.id == "jobs.E001"
    assert name in problem.msg
    assert allowed in problem.msg
