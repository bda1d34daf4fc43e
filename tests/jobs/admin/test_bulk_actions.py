"""Retry and cancel, many runs at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from jobs.models import Run
from jobs.testing import drain
from tests.jobs.admin.people import staff
from tests.support import rows
from tests.support.forms import form_of

pytestmark = pytest.mark.django_db
LIST = reverse("admin:jobs_run_changelist")


def choose(client: Client, action: str, *runs: Run, **data: str) -> Any:
    form = {"action": action, "_selected_action": [str(run.pk) for run in runs]}
    return client.post(LIST, form | data, follow=True)


def states(*runs: Run) -> list[str]:
    found = dict(Run.objects.filter(pk__in=[run.pk for run in runs]).values_list("pk", "status"))
    return [found[run.pk] for run in runs]


def test_first_comes_a_page_that_counts_and_nothing_is_done(admin_client: Client) -> None:
    failed = [rows.failed_run(), rows.failed_run()]
    completed = rows.completed_run()

    page = choose(admin_client, "retry_selected", *failed, completed).content.decode()

    assert "Retry 2 runs" in page
    assert "1 of the selected runs is not failed and will be left alone." in page
    assert states(*failed) == ["failed", "failed"]


def test_a_count_of_what_is_left_alone_stops_and_says_so(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.admin.bulk_actions.MAX_PASSED_OVER", 2)
    failed = rows.failed_run()
    completed = [rows.completed_run() for _ in range(3)]

    page = choose(admin_client, "retry_selected", failed, *completed).content.decode()

    assert "More than 2 of the selected runs are not failed and will be left alone." in page


def test_confirmed_it_retries_them_and_writes_who_did_it(admin_client: Client) -> None:
    failed = [rows.failed_run(), rows.failed_run()]

    page = choose(admin_client, "retry_selected", *failed, post="yes").content.decode()

    assert states(*failed) == ["queued", "queued"]
    assert "Retry: 2 runs done." in page
    assert LogEntry.objects.filter(change_message="Retried from the failed step.").count() == 2


def test_unfinished_runs_are_cancelled(admin_client: Client) -> None:
    waiting, completed = rows.backing_off_run(), rows.completed_run()

    choose(admin_client, "cancel_selected", waiting, completed, post="yes")

    assert states(waiting, completed) == ["cancelled", "completed"]


def test_what_was_mended_meanwhile_is_left_alone(admin_client: Client) -> None:
    failed = [rows.failed_run(), rows.failed_run()]
    Run.objects.filter(pk=failed[0].pk).update(
        status="completed", steps_done=5, ended_at=rows.now()
    )

    page = choose(admin_client, "retry_selected", *failed, post="yes").content.decode()

    assert states(*failed) == ["completed", "queued"]
    assert "Retry: 1 run done." in page
    assert "1 run was left alone: it is not failed." in page


def test_what_another_operator_has_retried_is_left_alone_in_a_list_that_hides_it(
    admin_client: Client,
) -> None:
    failed = [rows.failed_run(), rows.failed_run()]
    choose(admin_client, "retry_selected", *failed, post="yes")
    form = {
        "action": "retry_selected",
        "post": "yes",
        "_selected_action": [str(run.pk) for run in failed],
    }

    page = admin_client.post(f"{LIST}?status__exact=failed&open=1", form, follow=True)

    assert "2 runs were left alone: they are not failed." in page.content.decode()


def test_what_ended_while_the_page_asked_is_counted_once(admin_client: Client) -> None:
    waiting = [rows.backing_off_run() for _ in range(2)]
    ended = [rows.completed_run() for _ in range(2)]
    asked = choose(admin_client, "cancel_selected", *waiting).content.decode()
    form: dict[str, Any] = form_of(asked, "cancel_selected").fields | {"post": "yes"}
    form["_selected_action"] = [str(run.pk) for run in (*waiting, *ended)]

    first = admin_client.post(LIST, form, follow=True).content.decode()
    again = admin_client.post(LIST, form, follow=True).content.decode()

    assert "Cancel: 2 runs done." in first
    for page in (first, again):
        assert "2 runs were left alone: they are already over." in page
    assert "2 runs done before." in again


def test_nothing_to_do_is_said(admin_client: Client) -> None:
    page = choose(admin_client, "retry_selected", rows.completed_run()).content.decode()

    assert "None of the selected runs is failed" in page


def test_all_that_match_a_filter_are_done_as_many_as_fit_at_once(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.admin.bulk_actions.MAX_AT_ONCE", 2)
    failed = [rows.failed_run() for _ in range(3)]

    page = choose(admin_client, "retry_selected", failed[0], select_across="1").content.decode()

    assert "these are the 2 oldest" in page
    assert states(*failed) == ["failed"] * 3


def choose_all(client: Client, action: str, run: Run, query: str = "", **data: str) -> str:
    """As the list's “select all” does it, while the list is filtered by `query`."""
    form = {"action": action, "_selected_action": str(run.pk), "select_across": "1"}
    return client.post(f"{LIST}?{query}", form | data, follow=True).content.decode()


def test_more_than_a_form_can_hold_are_left_to_a_run_of_the_engines_own(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.admin.bulk_actions.MAX_AT_ONCE", 2)
    failed = [rows.failed_run() for _ in range(3)]
    query = f"fn_id={rows.FN}&status__exact=failed&created=7d"
    old = rows.failed_run()
    Run.objects.filter(pk=old.pk).update(created_at=rows.now() - timedelta(days=8))

    asked = choose_all(admin_client, "retry_selected", failed[0], query)
    assert f"Retry all that are failed, of {rows.FN}, since " in asked
    assert "what is ticked below is for the first button alone" in asked

    said = choose_all(admin_client, "retry_selected", failed[0], query, post="all")

    bulk = Run.objects.get(fn_id="jobs-bulk")
    assert f"/{bulk.pk}/change/" in said
    assert LogEntry.objects.get(object_id=str(bulk.pk)).get_change_message() == (
        "Retry of all failed runs asked for."
    )
    drain()
    assert states(old) == ["failed"]
    assert Run.objects.get(pk=bulk.pk).output["done"] == 3


@pytest.mark.parametrize("query", ["q=ann", "event__id=1", "status__exact=completed"])
def test_what_the_engine_has_no_word_for_is_not_left_to_it(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr("jobs.admin.bulk_actions.MAX_AT_ONCE", 0)
    run = rows.failed_run()

    said = choose_all(admin_client, "retry_selected", run, query, post="all")

    assert "Retry: all failed runs" not in said
    assert not Run.objects.filter(fn_id="jobs-bulk").exists()
    assert states(run) == ["failed"]


@pytest.mark.parametrize("action", ["retry_selected", "cancel_selected"])
def test_an_account_that_may_only_view_is_offered_neither(action: str) -> None:
    run = rows.failed_run() if action == "retry_selected" else rows.backing_off_run()
    viewer = staff()

    assert action not in viewer.get(LIST).content.decode()
    before = states(run)
    choose(viewer, action, run, post="yes")
    assert states(run) == before
