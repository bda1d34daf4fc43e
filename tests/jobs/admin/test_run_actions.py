"""Retry, rerun and cancel, one run at a time."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jobs import api
from jobs.models import Run
from jobs.testing import drain
from tests.jobs.admin.panel import FN, history, page_of, said
from tests.jobs.admin.people import staff
from tests.support import rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("panel_function")]


def press(client: Client, run: Run, button: str = "rerun", **data: str) -> Any:
    return client.post(reverse(f"admin:jobs_run_{button}", args=[run.pk]), data)


def test_a_failed_run_goes_on_from_its_failed_step(admin_client: Client) -> None:
    run = rows.failed_run(fn_id=FN)

    response = press(admin_client, run, **{"from": "failed-step"})

    run.refresh_from_db()
    assert (run.status, run.error) == ("queued", None)
    assert run.steps_done == 2
    assert response.url == reverse("admin:jobs_run_change", args=[run.pk])
    assert said(response) == "Retried from the failed step."
    assert history(run.pk) == ["admin: Retried from the failed step."]


def test_a_rerun_from_the_start_is_a_new_run(admin_client: Client) -> None:
    run = rows.completed_run(fn_id=FN)

    response = press(admin_client, run, **{"from": "start"})

    new = Run.objects.get(rerun_of=run)
    assert (new.status, new.event_id, new.steps_done) == ("queued", run.event_id, 0)
    assert response.url == reverse("admin:jobs_run_change", args=[new.pk])
    assert f"/{new.pk}/change/" in said(response)
    assert history(run.pk) == [f"admin: Rerun from the start. It runs as {new.pk}."]
    assert history(new.pk) == [f"admin: Made by a rerun of {run.pk}."]


def test_a_rerun_from_a_step_remembers_what_came_before_it(admin_client: Client) -> None:
    run = rows.failed_run(fn_id=FN)
    first, second, *_ = run.steps.order_by("position")
    offered = f'name="step" value="{second.name}"'
    assert offered in admin_client.get(page_of(run)).content.decode()

    response = press(admin_client, run, **{"from": "step", "step": second.name})

    new = Run.objects.get(rerun_of=run)
    assert list(new.steps.values_list("name", flat=True)) == [first.name]
    assert response.url == page_of(new)
    assert history(run.pk) == [f"admin: Rerun from step “{second.name}”. It runs as {new.pk}."]


def test_a_step_that_the_run_has_not_is_a_message_that_names_those_it_has(
    admin_client: Client,
) -> None:
    run = rows.failed_run(fn_id=FN)

    response = press(admin_client, run, **{"from": "step", "step": "nowhere"})

    assert "Nothing was changed." in said(response)
    assert run.steps.first().name in said(response)
    assert not Run.objects.filter(rerun_of=run).exists()


def test_an_unfinished_run_offers_no_rerun_from_a_step(admin_client: Client) -> None:
    run = rows.backing_off_run(fn_id=FN)
    assert "Rerun from here" not in admin_client.get(page_of(run)).content.decode()


def test_a_run_is_cancelled(admin_client: Client) -> None:
    run = rows.backing_off_run(fn_id=FN)

    press(admin_client, run, "cancel")

    run.refresh_from_db()
    assert run.status == "cancelled"
    assert history(run.pk) == ["admin: Cancelled."]


def test_a_second_click_is_a_message_and_no_second_line(admin_client: Client) -> None:
    run = rows.failed_run(fn_id=FN)
    press(admin_client, run)

    response = press(admin_client, run)

    assert response.status_code == 302
    assert "Nothing was changed." in said(response)
    assert len(history(run.pk)) == 1


@pytest.mark.parametrize("button", ["rerun", "cancel"])
def test_what_cannot_be_done_is_a_message(admin_client: Client, button: str) -> None:
    run = rows.completed_run(fn_id=FN)

    response = press(admin_client, run, button)

    assert response.status_code == 302
    assert "Nothing was changed." in said(response)
    run.refresh_from_db()
    assert run.status == "completed"
    assert history(run.pk) == []


def test_a_function_that_is_gone_is_a_message(admin_client: Client) -> None:
    run = rows.completed_run(fn_id="gone")

    response = press(admin_client, run, **{"from": "start"})

    assert "gone" in said(response)
    assert not Run.objects.filter(rerun_of=run).exists()


def test_an_unknown_start_is_refused(admin_client: Client) -> None:
    run = rows.failed_run(fn_id=FN)

    response = press(admin_client, run, **{"from": "somewhere"})

    assert response.status_code == 302
    assert "failed-step" in said(response)
    run.refresh_from_db()
    assert run.status == "failed"


@pytest.mark.parametrize("button", ["rerun", "cancel"])
def test_a_get_changes_nothing(admin_client: Client, button: str) -> None:
    run = rows.failed_run(fn_id=FN)

    response = admin_client.get(reverse(f"admin:jobs_run_{button}", args=[run.pk]))

    assert response.status_code == 405
    run.refresh_from_db()
    assert run.status == "failed"


@pytest.mark.parametrize(
    ("button", "codenames"),
    [("rerun", []), ("cancel", []), ("rerun", ["cancel_run"]), ("cancel", ["rerun_run"])],
)
def test_each_deed_has_a_permission_of_its_own(button: str, codenames: list[str]) -> None:
    run = rows.failed_run(fn_id=FN) if button == "rerun" else rows.backing_off_run(fn_id=FN)
    before = run.status

    assert press(staff(*codenames), run, button).status_code == 403
    run.refresh_from_db()
    assert run.status == before


def test_the_permission_is_enough() -> None:
    failed, waiting = rows.failed_run(fn_id=FN), rows.backing_off_run(fn_id=FN)

    press(staff("rerun_run", name="mender"), failed)
    press(staff("cancel_run", name="stopper"), waiting, "cancel")

    failed.refresh_from_db()
    waiting.refresh_from_db()
    assert (failed.status, waiting.status) == ("queued", "cancelled")


def test_to_rerun_a_bulk_action_that_cancels_is_to_cancel() -> None:
    bulk = Run.objects.get(pk=api.bulk("cancel", fn_id=FN))
    drain()
    mender = staff("rerun_run", name="mender")
    both = staff("rerun_run", "cancel_run", name="both")

    for data in ({"from": "start"}, {"from": "step", "step": "batch"}):
        assert press(mender, bulk, **data).status_code == 403
    assert "Rerun from the start" not in mender.get(page_of(bulk)).content.decode()
    assert not Run.objects.filter(rerun_of=bulk).exists()

    press(both, bulk, **{"from": "start"})
    assert Run.objects.filter(rerun_of=bulk).exists()


def test_a_stranger_is_sent_to_the_door() -> None:
    run = rows.failed_run(fn_id=FN)

    response = press(Client(), run)

    assert response.status_code == 302
    assert response.url.startswith(reverse("admin:login"))
    run.refresh_from_db()
    assert run.status == "failed"


def test_a_form_from_another_site_is_refused(admin_user: Any) -> None:
    run = rows.failed_run(fn_id=FN)
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)

    assert press(client, run).status_code == 403


def test_an_unknown_run_is_not_found(admin_client: Client) -> None:
    run = rows.failed_run(fn_id=FN)
    Run.objects.filter(pk=run.pk).delete()

    assert press(admin_client, run).status_code == 404
