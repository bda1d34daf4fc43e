"""A rerun with other data than the event brought."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jobs.events.validation import SIZE_LIMIT
from jobs.models import Event, Run
from tests.jobs.admin.panel import FN, history, page_of, said
from tests.jobs.admin.people import staff
from tests.support import rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("panel_function")]


def editor_of(run: Run) -> str:
    return reverse("admin:jobs_run_edit", args=[run.pk])


def edit(client: Client, run: Run, text: str) -> Any:
    return client.post(editor_of(run), {"event_data": text})


def with_more(run: Run, **more: Any) -> dict[str, Any]:
    return run.event.data | more


def content(response: Any) -> str:
    return html.unescape(response.content.decode())


def test_a_run_is_made_of_the_edited_event_and_the_old_one_stays(admin_client: Client) -> None:
    run = rows.failed_run(fn_id=FN)
    data = with_more(run, tempo="slow")

    response = edit(admin_client, run, json.dumps(data))

    new = Run.objects.select_related("event").get(rerun_of=run)
    assert response.url == page_of(new)
    assert (new.status, new.steps_done, new.event.data) == ("queued", 0, data)
    assert (new.event.name, new.event_id == run.event_id) == (run.event.name, False)
    run.refresh_from_db()
    assert (run.status, "tempo" in run.event.data) == ("failed", False)


def test_the_history_of_both_says_who_changed_what(admin_client: Client) -> None:
    run = rows.completed_run(fn_id=FN)

    response = edit(admin_client, run, json.dumps(with_more(run, tempo="slow")))

    new = Run.objects.get(rerun_of=run)
    assert history(run.pk) == [f"admin: Rerun with other data (tempo). It runs as {new.pk}."]
    assert history(new.pk) == [f"admin: Made by a rerun of {run.pk}."]
    assert "Rerun with other data (tempo)." in said(response)


def test_the_editor_shows_what_the_event_brought(admin_client: Client) -> None:
    run = rows.failed_run(fn_id=FN)
    Event.objects.filter(pk=run.event_id).update(data={"title": "Für Élise </textarea>", "n": 1})

    page = content(admin_client.get(editor_of(run)))

    assert '{\n  "n": 1,\n  "title": "Für Élise </textarea>"\n}' in page
    assert f'href="{editor_of(run)}"' in content(admin_client.get(page_of(run)))


def test_what_a_step_could_not_tell_apart_counts_as_other_data(admin_client: Client) -> None:
    run = rows.failed_run(fn_id=FN)
    Event.objects.filter(pk=run.event_id).update(data={"instrumental": True})

    edit(admin_client, run, '{"instrumental": 1}')

    assert Run.objects.get(rerun_of=run).event.data == {"instrumental": 1}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "This is not JSON: Expecting value, in line 1, column 1."),
        ('{\r\n  "a": 1,\r\n  b: 2\r\n}', "in line 3, column 3."),
        ("[1, 2]", "data must be a JSON object (a dict), not list."),
        ('{"a": 1, "a": 2}', "“a” stands twice in one object; leave one of them."),
        ('{"a": NaN}', "is nan"),
        ('{"a": "\\u0000"}', "NUL"),
        ('{"a": "\\ud800"}', "lone surrogate"),
        ('{"a": ' + "9" * 5000 + "}", "too many digits"),
        ('{"a": ' + "[" * 100_000, "nested too deep"),
        ('{"a": "' + "x" * SIZE_LIMIT + '"}', "at most 524,288 are allowed"),
    ],
    ids=[
        *("nothing", "no JSON", "a list", "a name twice", "NaN", "NUL", "half a character"),
        *("too many digits", "too deep", "too long"),
    ],
)
def test_what_cannot_be_data_is_said_and_nothing_typed_is_lost(
    admin_client: Client, text: str, sentence: str
) -> None:
    run = rows.failed_run(fn_id=FN)

    response = edit(admin_client, run, text)

    assert response.status_code == 422
    page = content(response)
    assert sentence in page
    assert text.replace("\r", "") in page.replace("\r", "")
    assert not Run.objects.filter(rerun_of=run).exists()
    assert Event.objects.count() == 1


def test_the_same_data_in_another_order_is_no_other_data(admin_client: Client) -> None:
    run = rows.failed_run(fn_id=FN)
    Event.objects.filter(pk=run.event_id).update(data={"a": 1, "b": 2})

    page = content(edit(admin_client, run, '{"b": 2, "a": 1}'))

    assert "rerun the run from the start" in page
    assert not Run.objects.filter(rerun_of=run).exists()


def test_a_run_that_goes_on_is_left_alone(admin_client: Client) -> None:
    run = rows.backing_off_run(fn_id=FN)

    page = content(edit(admin_client, run, '{"tempo": "slow"}'))

    assert "only a finished run can be rerun" in page
    assert "tempo" in page
    assert not Run.objects.filter(rerun_of=run).exists()
    assert editor_of(run) not in content(admin_client.get(page_of(run)))


def test_a_function_that_is_gone_is_a_sentence(admin_client: Client) -> None:
    run = rows.completed_run(fn_id="gone")

    page = content(edit(admin_client, run, '{"tempo": "slow"}'))

    assert "gone" in page
    assert Event.objects.count() == 1


def test_editing_has_a_permission_of_its_own() -> None:
    run = rows.failed_run(fn_id=FN)
    mender, editor = staff("rerun_run", "cancel_run", name="mender"), staff("edit_run", name="ed")

    assert edit(mender, run, '{"tempo": "slow"}').status_code == 403
    assert mender.get(editor_of(run)).status_code == 403
    assert editor_of(run) not in content(mender.get(page_of(run)))
    assert not Run.objects.filter(rerun_of=run).exists()

    edit(editor, run, '{"tempo": "slow"}')

    assert Run.objects.filter(rerun_of=run).exists()


def test_what_the_engine_sends_itself_is_not_edited(admin_client: Client) -> None:
    """Else an account that may edit could make a bulk action that it may not ask for."""
    run = rows.completed_run(fn_id=FN)
    Event.objects.filter(pk=run.event_id).update(name="jobs/bulk.requested")

    for response in (admin_client.get(editor_of(run)), edit(admin_client, run, '{"a": 1}')):
        assert response.url == page_of(run)
        assert "The data of “jobs/bulk.requested” comes from the engine alone" in said(response)
    assert editor_of(run) not in content(admin_client.get(page_of(run)))
    assert not Run.objects.filter(rerun_of=run).exists()


def test_a_stranger_is_sent_to_the_door() -> None:
    run = rows.failed_run(fn_id=FN)

    assert edit(Client(), run, '{"tempo": "slow"}').url.startswith(reverse("admin:login"))
    assert not Run.objects.filter(rerun_of=run).exists()


def test_a_form_from_another_site_is_refused(admin_user: Any) -> None:
    run = rows.failed_run(fn_id=FN)
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)

    assert edit(client, run, '{"tempo": "slow"}').status_code == 403


def test_an_unknown_run_is_not_found(admin_client: Client) -> None:
    run = rows.failed_run(fn_id=FN)
    Run.objects.filter(pk=run.pk).delete()

    assert admin_client.get(editor_of(run)).status_code == 404
