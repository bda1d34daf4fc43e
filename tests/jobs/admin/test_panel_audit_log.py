"""The audit log: who did what to what, and when; one act is one line."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.admin import logged_acts
from jobs.models import RegisteredFunction, Run
from songs.models import User
from tests.support import cast, rows

pytestmark = pytest.mark.django_db
LOG = reverse("admin:admin_logentry_changelist")


def shown(client: Client, **query: str) -> str:
    response = client.get(LOG, query)
    assert response.status_code == 200
    return response.content.decode()


def lines(page: str) -> list[str]:
    """The rows of the acts."""
    return (
        page.split("<tbody>")[1].split("</tbody>")[0].split("<tr>")[1:] if "<tbody>" in page else []
    )


def log(by: User, on: Any, what: str, seconds_ago: float = 0, **fields: Any) -> LogEntry:
    values = {
        "content_type": ContentType.objects.get_for_model(on),
        "object_id": str(on.pk),
        "object_repr": str(on)[:200],
        "action_flag": CHANGE,
    }
    return LogEntry.objects.create(
        user=by,
        change_message=what,
        action_time=rows.now() - timedelta(seconds=seconds_ago),
        **values | fields,
    )


@pytest.fixture
def olga(client: Client) -> User:
    account = cast.olga()
    client.force_login(account)
    return account


def test_an_act_says_who_did_what_to_what_and_when(client: Client, olga: User) -> None:
    run = rows.failed_run()
    log(olga, run, "Retried from the failed step.", 120)

    (line,) = lines(shown(client))

    for words in (
        "olga",
        "Retried from the failed step.",
        "UTC",
        "2 minutes ago",
        f"run {rows.FN}",
    ):
        assert words in line.replace("\xa0", " ")
    assert f'href="/admin/jobs/run/{run.pk}/change/"' in line


def test_what_was_done_to_many_at_once_is_one_line(client: Client, olga: User) -> None:
    runs = [rows.failed_run() for _ in range(5)]
    for number, run in enumerate(runs):
        log(olga, run, f"Rerun from the start. It runs as {run.pk}.", 200 - number)
        log(olga, run, f"Made by a rerun of {run.pk}.", 200 - number)
    log(olga, runs[0], f"Rerun from the start. It runs as {runs[0].pk}.", 20)
    vera = cast.staff("vera", "view_run")
    log(vera, runs[0], "Made by a rerun of nothing.", 10)

    found = lines(shown(client))

    assert [line.count("<li>") for line in found] == [0, 0, 5, 5]
    assert "5 runs" in found[3]
    assert "Rerun from the start. It runs as …." in found[3]
    assert all(f"/jobs/run/{run.pk}/change/" in found[3] for run in runs)


def test_acts_are_filtered_by_person_span_and_function(client: Client, olga: User) -> None:
    vera = cast.staff("vera", "view_run")
    log(olga, rows.make_function(), "Paused.", 60)
    log(olga, rows.failed_run(), "Retried.", 60)
    log(vera, rows.failed_run(fn_id="tidy-up"), "Cancelled.", 7200)

    def said(**query: str) -> set[str]:
        page = shown(client, **query)
        return {what for what in ("Paused.", "Retried.", "Cancelled.") if what in page}

    assert said() == {"Paused.", "Retried.", "Cancelled."}
    assert said(by=str(olga.pk)) == {"Paused.", "Retried."}
    assert said(span="hour") == {"Paused.", "Retried."}
    assert said(span="8h") == {"Paused.", "Retried.", "Cancelled."}
    assert said(fn_id=rows.FN) == {"Paused.", "Retried."}
    assert said(fn_id="tidy-up", by=str(vera.pk)) == {"Cancelled."}
    assert said(fn_id="tidy-up", by=str(olga.pk)) == set()
    assert "No act fits." in shown(client, fn_id="nothing")


def test_an_empty_log_says_that_no_operator_has_done_anything(client: Client, olga: User) -> None:
    assert "No operator has done anything yet." in shown(client)
    assert "No act fits." in shown(client, span="hour")
    page = client.get(reverse("admin:hand_over")).content.decode()
    assert "No operator has done anything in the last 8 hours." in page


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"by": "1' OR 1=1"}, "is no account&#x27;s number"),
        ({"by": "9" * 400}, "is no account&#x27;s number"),
        ({"by": "٣"}, "is no account&#x27;s number"),
        ({"span": "2h"}, "is no span; hour, 8h, today, yesterday, 7d are"),
        ({"span": "\0x"}, "is no span"),
        ({"before": "-1"}, "is no place in the log"),
        ({"before": "<script>alert(1)</script>"}, "is no place in the log"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_told_and_all_is_shown(
    client: Client, olga: User, query: dict[str, str], sentence: str
) -> None:
    log(olga, rows.failed_run(), "Retried.")

    page = shown(client, **query)

    assert sentence in page
    assert "Retried." in page
    assert "<script>alert" not in page


def test_a_functions_id_may_be_anything(client: Client, olga: User) -> None:
    log(olga, rows.failed_run(), "Retried.")

    for fn_id in ("\0", "<script>alert(1)</script>", "%", "w" * 10_000):
        assert "<script>alert" not in shown(client, fn_id=fn_id)


def test_links_lead_where_the_account_may_go(client: Client, olga: User) -> None:
    run, listener = rows.failed_run(), cast.penny()
    log(olga, run, "Retried.")
    log(olga, listener, "Granted.")
    log(olga, run, "Deleted.", action_flag=DELETION)
    client.force_login(cast.staff("viola", "view_logentry", "view_run"))

    page = shown(client)

    assert page.count(f"/admin/jobs/run/{run.pk}/change/") == 1
    assert f"/user/{listener.pk}/" not in page
    assert "Granted." in page


def test_without_the_permission_nothing_is_told(client: Client) -> None:
    client.force_login(cast.staff("viola", "view_run"))

    refused = client.get(LOG)

    assert refused.status_code == 403
    assert "“Can view log entry”" in refused.content.decode()


def test_older_acts_are_pages_away_and_none_is_left_out(
    client: Client, olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logged_acts, "MAX_SHOWN", 3)
    monkeypatch.setattr(logged_acts, "MAX_READ", 4)
    run = rows.failed_run()
    for number in range(10):
        log(olga, run, f"act {number}.", 100 - number)

    found, address = [], LOG
    while address:
        page = client.get(address).content.decode()
        found += [f"act {n}." for n in range(9, -1, -1) if f"act {n}." in page]
        older = page.partition('rel="next" href="')[2].partition('"')[0]
        address = LOG + older if older else ""

    assert found == [f"act {number}." for number in range(9, -1, -1)]


def test_a_long_log_costs_as_many_queries_as_a_short_one(client: Client, olga: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            shown(client)
        return len(captured)

    log(olga, rows.failed_run(), "Retried.")
    few = queries()
    for number in range(80):
        log(cast.staff(f"staff-{number}"), rows.make_run(), f"act {number}")

    assert queries() == few
    assert few <= 12


def test_a_change_of_rights_says_which(client: Client, olga: User) -> None:
    viola = cast.staff("viola", "view_run")
    kept, new = (Permission.objects.get(codename=code) for code in ("view_run", "cancel_run"))
    group = Group.objects.create(name="Night shift")
    address = reverse("admin:songs_user_change", args=[viola.pk])
    form = {
        "username": "viola",
        "email": viola.email,
        "is_active": "on",
        "is_staff": "",
        "groups": [group.pk],
        "user_permissions": [new.pk],
    }
    assert kept != new

    response = client.post(address, form)

    assert response.status_code == 302
    page = shown(client)
    for words in ("Staff status: no", "+ Night shift", "+ jobs.cancel_run", "− jobs.view_run"):
        assert words in page


def test_the_log_is_never_changed(client: Client, olga: User) -> None:
    entry = log(olga, rows.make_function(), "Paused.")

    assert client.get(reverse("admin:admin_logentry_add")).status_code == 403
    change = reverse("admin:admin_logentry_change", args=[entry.pk])
    assert client.post(change, {"change_message": "x"}).status_code == 403
    delete = reverse("admin:admin_logentry_delete", args=[entry.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    assert LogEntry.objects.get().change_message == "Paused."
    assert RegisteredFunction.objects.count() == 1
    assert not Run.objects.exists()
