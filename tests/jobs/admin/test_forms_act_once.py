"""Each form of the panel acts once: by a double click, by Back, by a request that is repeated."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from jobs import api
from jobs.admin.form_acts import SENT_BEFORE
from jobs.control.form_submissions import FIELD, TOKEN_LIFE
from jobs.models import RegisteredFunction, Run, Submission
from jobs.testing import drain
from tests.jobs.admin.panel import FN, history, page_of, said
from tests.jobs.admin.people import staff
from tests.support import rows
from tests.support.forms import Form, form_of, forms_of
from tests.support.functions import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("panel_function")]
LIST = reverse("admin:jobs_run_changelist")
FUNCTION = reverse("admin:jobs_registeredfunction_change", args=[quote(FN)])


@pytest.fixture
def function() -> RegisteredFunction:
    return RegisteredFunction.objects.get_or_create(fn_id=FN, defaults={"name": "Panel"})[0]


def form(client: Client, page: str, part: str) -> Form:
    """A form of a page as it is served now."""
    found = form_of(client.get(page).content.decode(), part)
    found.action = found.action or page
    return found


def press(client: Client, form: Form, **more: str) -> Any:
    return client.post(form.action, form.fields | more)


def editor_of(run: Run) -> str:
    return reverse("admin:jobs_run_edit", args=[run.pk])


def edited(run: Run, tempo: str) -> str:
    return json.dumps(run.event.data | {"tempo": tempo})


def confirm_page(client: Client, action: str, *runs: Run, query: str = "", **more: str) -> Form:
    chosen = {"action": action, "_selected_action": [str(run.pk) for run in runs]}
    page = client.post(f"{LIST}?{query}", chosen | more).content.decode()
    found = form_of(page, action)
    found.action, found.fields["_selected_action"] = f"{LIST}?{query}", chosen["_selected_action"]
    return found


@pytest.mark.parametrize("part", ["'from': 'start'", "'from': 'step'"])
def test_a_rerun_that_is_sent_twice_is_one_run(admin_client: Client, part: str) -> None:
    run = rows.failed_run(fn_id=FN)
    steps = run.steps.order_by("position").values_list("name", flat=True)
    part = f"'{steps[1]}'" if "step" in part else part
    button = form(admin_client, page_of(run), part)

    first, second = (press(admin_client, button) for _ in range(2))

    new = Run.objects.get(rerun_of=run)
    assert first.url == second.url == page_of(new)
    assert SENT_BEFORE in said(second)
    assert f"/{new.pk}/change/" in said(second)
    assert len(history(run.pk)) == len(history(new.pk)) == 1


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_are_one_run(admin_client: Client) -> None:
    run = rows.completed_run(fn_id=FN)
    button = form(admin_client, page_of(run), "'start'")

    def click() -> Any:
        client = Client()
        client.cookies = admin_client.cookies
        return press(client, button).url

    new = at_once(*[click] * 4)
    assert set(new) == {page_of(Run.objects.get(rerun_of=run))}


def test_a_rerun_without_its_token_is_one_run_too(admin_client: Client) -> None:
    run = rows.completed_run(fn_id=FN)
    address = reverse("admin:jobs_run_rerun", args=[run.pk])
    for token in ("", "nonsense", "\x00"):
        admin_client.post(address, {"from": "start", FIELD: token})
    assert Run.objects.filter(rerun_of=run).count() == 1


def test_a_page_that_is_opened_anew_may_rerun_anew(admin_client: Client) -> None:
    run = rows.completed_run(fn_id=FN)
    for _ in range(2):
        press(admin_client, form(admin_client, page_of(run), "'start'"))
    assert Run.objects.filter(rerun_of=run).count() == 2


def test_two_operators_with_a_form_each_are_two_runs(admin_client: Client) -> None:
    run = rows.completed_run(fn_id=FN)
    clients = (admin_client, staff("rerun_run"))
    buttons = [form(client, page_of(run), "'start'") for client in clients]
    for client, button in zip(clients, buttons, strict=True):
        press(client, button)
    assert Run.objects.filter(rerun_of=run).count() == 2


def test_a_retry_that_is_sent_again_after_the_run_failed_again_does_nothing(
    admin_client: Client,
) -> None:
    run = rows.failed_run(fn_id=FN)
    button = form(admin_client, page_of(run), "'failed-step'")
    press(admin_client, button)
    Run.objects.filter(pk=run.pk).update(status="failed", due_at=None, ended_at=rows.now())

    again = press(admin_client, button)

    run.refresh_from_db()
    assert (run.status, SENT_BEFORE in said(again)) == ("failed", True)
    assert history(run.pk) == ["admin: Retried from the failed step."]


def test_a_cancel_that_is_sent_again_leaves_the_retried_run_alone(admin_client: Client) -> None:
    run = rows.backing_off_run(fn_id=FN)
    button = form(admin_client, page_of(run), "/cancel/")
    press(admin_client, button)
    api.rerun(run.pk)

    assert SENT_BEFORE in said(press(admin_client, button))
    run.refresh_from_db()
    assert run.status == "queued"


def test_edited_data_that_is_sent_twice_is_one_run_and_other_data_another(
    admin_client: Client,
) -> None:
    run = rows.failed_run(fn_id=FN)
    editor = form(admin_client, editor_of(run), FIELD)

    answers = [
        press(admin_client, editor, event_data=edited(run, tempo)).url
        for tempo in ("slow", "fast", "fast", "slow")
    ]

    slow, fast = Run.objects.filter(rerun_of=run).order_by("id")
    assert answers == [page_of(new) for new in (slow, fast, fast, slow)]


def test_an_editor_that_comes_back_with_an_error_keeps_its_token_and_its_text(
    admin_client: Client,
) -> None:
    run = rows.failed_run(fn_id=FN)
    editor = form(admin_client, editor_of(run), FIELD)
    page = press(admin_client, editor, event_data="{").content.decode()
    assert form_of(page, FIELD).fields[FIELD] == editor.fields[FIELD]


def test_an_editor_that_is_too_old_says_so_and_keeps_the_text(admin_client: Client) -> None:
    run = rows.failed_run(fn_id=FN)
    old = str(rows.id_at(rows.now() - TOKEN_LIFE - timedelta(hours=1)))
    data = edited(run, "slow")

    answer = admin_client.post(editor_of(run), {"event_data": data, FIELD: old})

    page = answer.content.decode()
    assert (answer.status_code, "opened more than 7 days ago" in page) == (422, True)
    assert "slow" in page
    assert not Run.objects.filter(rerun_of=run).exists()
    fresh = form_of(page, FIELD).fields[FIELD]
    admin_client.post(editor_of(run), {"event_data": data, FIELD: fresh})
    assert Run.objects.filter(rerun_of=run).count() == 1


def test_a_button_that_is_too_old_does_nothing_and_says_so(admin_client: Client) -> None:
    run = rows.failed_run(fn_id=FN)
    old = str(rows.id_at(rows.now() - TOKEN_LIFE - timedelta(hours=1)))
    address = reverse("admin:jobs_run_rerun", args=[run.pk])
    for start in ("failed-step", "start"):
        answer = admin_client.post(address, {"from": start, FIELD: old})
        assert "opened more than 7 days ago" in said(answer)
    run.refresh_from_db()
    assert (run.status, Run.objects.count()) == ("failed", 1)


@pytest.mark.usefixtures("function")
def test_a_pause_that_is_sent_again_does_not_undo_the_resumption(admin_client: Client) -> None:
    button = form(admin_client, FUNCTION, "'to': 'paused'")
    button.fields["reason"] = "the studio is ill"
    press(admin_client, button)
    api.resume(FN)

    assert SENT_BEFORE in said(press(admin_client, button))
    assert RegisteredFunction.objects.get(fn_id=FN).paused_at is None
    paused = "admin: Paused; unfinished runs go on to their end. Why: the studio is ill"
    assert history(FN) == [paused]


@pytest.mark.usefixtures("function")
def test_a_replay_that_is_sent_twice_is_one_run(admin_client: Client) -> None:
    rows.make_run(status="skipped", fn_id=FN, due_at=None, ended_at=rows.now())
    button = form(admin_client, FUNCTION, "/replay/")

    first, second = (press(admin_client, button) for _ in range(2))

    bulk = Run.objects.get(fn_id="jobs-bulk")
    assert f"/{bulk.pk}/change/" in said(first)
    assert SENT_BEFORE in said(second)
    assert len(history(FN)) == 1


def test_a_bulk_retry_that_is_sent_again_does_nothing_though_the_runs_failed_again(
    admin_client: Client,
) -> None:
    failed = [rows.failed_run() for _ in range(2)]
    confirmed = confirm_page(admin_client, "retry_selected", *failed)
    assert "Retry: 2 runs done." in said(press(admin_client, confirmed, post="yes"))
    Run.objects.update(status="failed", due_at=None, ended_at=rows.now())

    answer = press(admin_client, confirmed, post="yes")

    assert f"{SENT_BEFORE} Retry: 2 runs done before." in said(answer)
    assert set(Run.objects.values_list("status", flat=True)) == {"failed"}
    assert LogEntry.objects.count() == 2


def test_a_bulk_action_that_broke_off_goes_on_where_it_was(admin_client: Client) -> None:
    failed = [rows.failed_run() for _ in range(3)]
    confirmed = confirm_page(admin_client, "retry_selected", *failed)
    only_one = confirmed.fields | {"_selected_action": [str(failed[0].pk)], "post": "yes"}
    admin_client.post(confirmed.action, only_one)

    answer = press(admin_client, confirmed, post="yes")

    assert "Retry: 2 runs done." in said(answer)
    assert "1 run done before." in said(answer)


@pytest.mark.django_db(transaction=True)
def test_two_bulk_clicks_at_once_do_each_run_once(admin_client: Client) -> None:
    running = [rows.failed_run() for _ in range(4)]
    confirmed = confirm_page(admin_client, "retry_selected", *running)

    def click() -> int:
        client = Client()
        client.cookies = admin_client.cookies
        return press(client, confirmed, post="yes").status_code

    assert at_once(click, click) == [302, 302]
    assert LogEntry.objects.count() == Submission.objects.count() == 4


def test_what_is_left_to_the_engine_is_left_to_it_once(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.admin.bulk_actions.MAX_AT_ONCE", 1)
    failed = [rows.failed_run() for _ in range(2)]
    confirmed = confirm_page(
        admin_client, "retry_selected", *failed, query="status__exact=failed", select_across="1"
    )

    first, second = (press(admin_client, confirmed, post="all") for _ in range(2))

    bulk = Run.objects.get(fn_id="jobs-bulk")
    assert f"/{bulk.pk}/change/" in said(first)
    assert SENT_BEFORE in said(second)
    drain()


@pytest.mark.usefixtures("function")
def test_each_form_of_a_run_and_of_a_function_carries_a_token_of_its_own(
    admin_client: Client,
) -> None:
    rows.make_run(status="skipped", fn_id=FN, due_at=None, ended_at=rows.now())
    failed, waiting = rows.failed_run(fn_id=FN), rows.backing_off_run(fn_id=FN)
    tokens = []
    for page in (page_of(failed), page_of(waiting), FUNCTION):
        forms = forms_of(admin_client.get(page).content.decode())
        acts = [form for form in forms if re.search("rerun|cancel|state|replay", form.action)]
        tokens += [form.fields[FIELD] for form in acts]
    assert len(tokens) == len(set(tokens)) == 8
