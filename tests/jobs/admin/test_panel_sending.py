"""Send an event from the panel: once, with a permission, and with sentences for every slip."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jobs.api import Cancel, Event, TriggerEvent, send
from jobs.models import Event as EventRow
from jobs.models import Run
from jobs.testing import drain
from tests.jobs.admin.panel import history, said
from tests.support import cast, rows
from tests.support.functions import registered

pytestmark = pytest.mark.django_db
FORM = reverse("admin:jobs_event_send")


def typed(data: Any = None, **changes: str) -> dict[str, str]:
    """The form as a browser sends it."""
    text = json.dumps({"n": 1} if data is None else data)
    form = {
        "name": "test/go",
        "event_data": text,
        "id": "",
        "ts": "",
        "form_token": str(uuid.uuid4()),
    }
    return form | changes


def press(client: Client, **changes: Any) -> Any:
    return client.post(FORM, typed(**changes))


def page_of(event_id: Any) -> str:
    return reverse("admin:jobs_event_change", args=[event_id])


def test_an_event_is_sent_and_its_page_shows_the_runs_that_it_started(admin_client: Client) -> None:
    with registered(print):
        response = press(admin_client)

    event = EventRow.objects.get()
    assert response.url == page_of(event.pk)
    assert said(response) == "The event was sent. It has started 1 run."
    assert (event.name, event.data) == ("test/go", {"n": 1})
    assert history(event.pk) == ["admin: Sent by hand."]
    page = admin_client.get(response.url).content.decode()
    assert str(Run.objects.get().pk) in page
    assert 'hx-trigger="every 2s' in page


def test_its_runs_remember_the_account(admin_client: Client, admin_user: Any) -> None:
    with registered(print):
        press(admin_client)

    assert Run.objects.get().asked_by == str(admin_user.pk)


def test_a_double_click_sends_once(admin_client: Client) -> None:
    form = typed()
    first, second = admin_client.post(FORM, form), admin_client.post(FORM, form)

    assert EventRow.objects.count() == 1
    assert first.url == second.url
    assert "sent before, and does nothing twice" in said(second)


def test_a_known_senders_id_starts_nothing_and_leads_to_the_first_event(
    admin_client: Client,
) -> None:
    with registered(print):
        press(admin_client, id="order-17")
        response = press(admin_client, id="order-17")

    event = EventRow.objects.get()
    assert "came within the last 24 hours" in said(response)
    assert response.url == page_of(event.pk)
    assert (Run.objects.count(), len(history(event.pk))) == (1, 1)


def test_runs_of_an_event_of_a_later_time_wait_for_it(admin_client: Client) -> None:
    with registered(print):
        press(admin_client, ts="2099-01-01T10:00")
        drain()

    run = Run.objects.get()
    assert (run.status, run.due_at and run.due_at.year) == ("queued", 2099)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "Give the event a name."),
        ({"name": "jobs/mine"}, "names that begin with “jobs/” and “inngest/” are reserved"),
        ({"name": "Inngest/x"}, "are reserved"),
        ({"name": "a\x00b"}, "Null characters are not allowed."),
        ({"name": "w" * 300}, "at most 256 characters"),
        ({"event_data": '{\n  "a": 1,\n  "b" 2}'}, "in line 3, column 7"),
        ({"event_data": ""}, "in line 1, column 1"),
        ({"event_data": '{"a": 1, "a": 2}'}, "stands twice in one object"),
        ({"event_data": "[1]"}, "data must be a JSON object"),
        ({"event_data": '{"a": NaN}'}, "is not JSON"),
        ({"event_data": '{"a": "\\u0000"}'}, "NUL"),
        ({"event_data": "[" * 100_000}, "nested too deep"),
        ({"id": "w" * 300}, "at most 256 characters"),
        ({"ts": "tomorrow"}, "This is no time"),
        ({"ts": "1066-10-14T09:00"}, "is not between 1980 and 2100"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_slip_is_a_sentence_beside_what_was_typed(
    admin_client: Client, changes: dict[str, str], sentence: str
) -> None:
    response = admin_client.post(FORM, typed() | changes)

    page = response.content.decode()
    assert response.status_code == 422
    assert "Nothing was sent." in page
    assert sentence in page
    assert 'value="test/go"' in page or "name" in changes
    assert not EventRow.objects.exists()


def test_the_last_event_of_a_name_is_the_template(admin_client: Client) -> None:
    earlier = rows.now() - timedelta(minutes=1)
    rows.make_event("song/ordered", at=earlier, data={"title": "first"})
    last = rows.make_event("song/ordered", data={"title": "a <b>waltz</b>"})
    other = rows.make_event("listener/came", data={"who": "Wilma"})

    by_name = admin_client.get(FORM, {"name": "song/ordered"}).content.decode()
    by_event = admin_client.get(FORM, {"like": str(other.pk)}).content.decode()

    assert "a &lt;b&gt;waltz&lt;/b&gt;" in by_name
    assert str(last.pk) in by_name
    assert 'value="listener/came"' in by_event
    assert "Wilma" in by_event
    for query in ({"name": "a\x00b"}, {"like": "no id"}, {"name": "jobs/function.failed"}):
        assert admin_client.get(FORM, query).status_code == 200


def test_known_names_are_offered_with_the_functions_that_they_start(admin_client: Client) -> None:
    rows.make_function("sing", triggers=[{"event": "song/ordered", "if": None}])
    rows.make_function("count", triggers=[{"event": "song/*", "if": None}, {"cron": "* * * * *"}])
    rows.make_event("jobs/function.failed")
    rows.make_event("nothing/starts")

    page = admin_client.get(FORM).content.decode()

    assert '<option value="song/ordered">starts count, sing</option>' in page
    assert '<option value="nothing/starts">starts no function</option>' in page
    assert 'value="jobs/function.failed"' not in page
    assert 'value="song/*"' not in page


def test_an_event_is_sent_again_as_a_new_one(admin_client: Client) -> None:
    with registered(print):
        (first,) = send(Event(name="test/go", data={"n": 7}, id="order-17"))
        response = admin_client.post(reverse("admin:jobs_event_again", args=[first]))

    second = EventRow.objects.exclude(pk=first).get()
    assert response.url == page_of(second.pk)
    assert (second.name, second.data, second.dedupe_id) == ("test/go", {"n": 7}, "")
    assert Run.objects.count() == 2
    assert history(second.pk) == [f"admin: Sent again, after event {first}."]


def test_the_engines_own_events_are_not_sent_again(admin_client: Client) -> None:
    event = rows.make_event("jobs/function.failed")

    response = admin_client.post(reverse("admin:jobs_event_again", args=[event.pk]))

    assert "Nothing was sent." in said(response)
    assert "are reserved" in said(response)
    assert EventRow.objects.count() == 1
    assert (
        "The engine alone sends events of this name."
        in admin_client.get(page_of(event.pk)).content.decode()
    )


def test_sending_needs_its_permission(client: Client) -> None:
    event = rows.make_event()
    again = reverse("admin:jobs_event_again", args=[event.pk])
    client.force_login(cast.staff("viola", "view_event"))

    for answer in (client.get(FORM), client.post(FORM, typed()), client.post(again)):
        assert answer.status_code == 403
        assert "“Can send events and start functions by hand”" in answer.content.decode()
    assert EventRow.objects.count() == 1
    client.force_login(cast.staff("sam", "view_event", "send_event"))
    assert client.post(FORM, typed()).status_code == 302


def test_an_event_that_cancels_runs_needs_the_permission_to_cancel(client: Client) -> None:
    client.force_login(cast.staff("sam", "view_event", "send_event"))
    stops = Cancel(event="test/stop")
    with registered(print, cancel_on=[stops], trigger=TriggerEvent(event="test/go")):
        answer = press(client, name="test/stop")

    assert answer.status_code == 422
    assert "jobs.cancel_run" in answer.content.decode()
    assert not EventRow.objects.exists()


def test_the_copied_curl_sends_one_like_it() -> None:
    """The request that curl makes, with the check against forgery."""
    account = cast.olga()
    client = Client(enforce_csrf_checks=True)
    client.force_login(account)
    client.get(FORM)
    token = client.cookies["csrftoken"].value
    headers = {"X-CSRFToken": token, "Referer": "http://testserver/"}

    answer = client.post(FORM, {"name": "test/go", "event_data": '{"n": 1}'}, headers=headers)

    assert answer.status_code == 302
    assert EventRow.objects.get().data == {"n": 1}


def test_looking_sends_nothing(admin_client: Client) -> None:
    event = rows.make_event()

    assert admin_client.get(reverse("admin:jobs_event_again", args=[event.pk])).status_code == 405
    gone = reverse("admin:jobs_event_again", args=[uuid.uuid4()])
    assert admin_client.post(gone).status_code == 404
    assert EventRow.objects.count() == 1


@pytest.mark.parametrize("unseen", ["\u200b", "\u3164", "\u2800\ufeff"])
def test_a_name_that_shows_nothing_is_no_name(admin_client: Client, unseen: str) -> None:
    page = press(admin_client, name=unseen).content.decode()
    assert "Give the event a name." in page
    assert not EventRow.objects.exists()
