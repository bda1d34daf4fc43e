"""Mending what failed: the confirmation knows the kinds, a result page follows, a sentence deals
with the rest, and a pause says why."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from jobs.models import RegisteredFunction, Run
from tests.jobs.admin.panel import FN, history
from tests.support import cast, rows

pytestmark = pytest.mark.django_db
LIST = reverse("admin:jobs_run_changelist")
ASKED, REMEMBERED, GONE = "call-modal-api · 500", "update-song · KeyError", "load-song · gone"


def failed(kind: str, step: str, name: str, **fields: Any) -> Run:
    """A run that failed at a step of its own, behind a request that was answered."""
    cause = {"name": name, "message": "s3_key"}
    error = {"name": "StepError", "message": "it failed", "step": step, "cause": cause}
    run = rows.make_run(status="failed", ended_at=rows.now(), failure_kind=kind, error=error)
    start = rows.now()
    rows.make_step(run, "call-modal-api", start, 1, kind="fetch", output={"body": "{}"})
    rows.make_step(run, step, start, 1, status="failed", **fields)
    return run


def choose(client: Client, *runs: Run, **data: Any) -> Any:
    ticked = [str(run.pk) for run in runs]
    form = {"action": "retry_selected", "_selected_action": ticked}
    return client.post(LIST, form | data, follow=True)


def statuses(*runs: Run) -> list[str]:
    found = dict(Run.objects.filter(pk__in=[run.pk for run in runs]).values_list("pk", "status"))
    return [found[run.pk] for run in runs]


def test_the_confirmation_says_what_a_retry_cannot_help(admin_client: Client) -> None:
    runs = [
        rows.failed_run(failure_kind=ASKED),
        failed(REMEMBERED, "update-song", "KeyError"),
        failed(GONE, "load-song", "Song.DoesNotExist"),
    ]

    page = choose(admin_client, *runs).content.decode()

    for words in (
        "the failed step is done again.",
        "the remembered answer would fail again.",
        f'name="rerun_from" value="{REMEMBERED}" checked',
        "Rerun from “call-modal-api” instead",
        "a retry cannot help.",
        f'name="leave_out" value="{GONE}" checked',
    ):
        assert words in page
    assert statuses(*runs) == ["failed", "failed", "failed"]


def test_each_kind_gets_what_helps_it_and_a_result_page_follows(
    admin_client: Client, panel_function: None
) -> None:
    again = rows.failed_run(failure_kind=ASKED, fn_id=FN)
    remembered = failed(REMEMBERED, "update-song", "KeyError")
    Run.objects.filter(pk=remembered.pk).update(fn_id=FN)
    gone = failed(GONE, "load-song", "Song.DoesNotExist")

    form = {"post": "yes", "rerun_from": [REMEMBERED], "leave_out": [GONE]}
    page = choose(admin_client, again, remembered, gone, **form).content.decode()

    assert statuses(again, remembered, gone) == ["queued", "failed", "failed"]
    new = Run.objects.get(rerun_of=remembered)
    assert list(new.steps.values_list("name", flat=True)) == []
    assert "2 retried by <bdi>admin</bdi>" in page
    assert "0 completed, 2 under way, 0 failed again." in page
    assert f"/jobs/run/{new.pk}/change/" in page


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"by": "x", "from": "y", "until": "z"},
        {"by": "1", "from": "2026-13-99", "until": "now"},
        {"by": "99999999999999999999", "from": "2026-01-01T00:00:00+00:00", "until": "\x00"},
    ],
)
def test_a_result_of_nothing_is_not_found(admin_client: Client, query: dict[str, str]) -> None:
    assert admin_client.get(reverse("admin:jobs_run_result"), query).status_code == 404


def test_a_failure_is_dealt_with_in_a_sentence(admin_client: Client) -> None:
    run = rows.failed_run(failure_kind=ASKED)
    address = reverse("admin:jobs_run_deal", args=[run.pk])

    page = admin_client.post(address, {"sentence": "The listener has a credit."}, follow=True)

    run.refresh_from_db()
    assert (run.status, run.dealt_with) == ("failed", "The listener has a credit.")
    assert run.mended_at is not None
    text = page.content.decode()
    assert "Dealt with: 1 run." in text
    assert "by <bdi>admin</bdi>: The listener has a credit." in text
    assert history(run.pk) == ["admin: Dealt with: The listener has a credit."]


@pytest.mark.parametrize("sentence", ["", "  ", "\x00", "w" * 501, "\u200b \u2800"])
def test_a_sentence_that_is_none_changes_nothing(admin_client: Client, sentence: str) -> None:
    run = rows.failed_run(failure_kind=ASKED)

    address = reverse("admin:jobs_run_deal", args=[run.pk])
    page = admin_client.post(address, {"sentence": sentence}, follow=True).content.decode()

    assert "Nothing was changed." in page
    run.refresh_from_db()
    assert run.mended_at is None


def test_all_open_failures_of_a_kind_are_dealt_with_once(admin_client: Client) -> None:
    runs = [rows.failed_run(failure_kind=ASKED) for _ in range(3)]
    other = rows.failed_run(failure_kind=GONE)
    form = {"kind": ASKED, "sentence": "Known."}

    page = admin_client.post(reverse("admin:jobs_run_deal_kind"), form, follow=True)

    assert "Dealt with: 3 runs." in page.content.decode()
    assert Run.objects.filter(mended_at__isnull=False).count() == len(runs)
    assert Run.objects.get(pk=other.pk).mended_at is None
    assert LogEntry.objects.count() == 1
    again = admin_client.post(reverse("admin:jobs_run_deal_kind"), form, follow=True)
    assert "This form was sent before" in again.content.decode()
    more = form | {"sentence": "Known for long."}
    last = admin_client.post(reverse("admin:jobs_run_deal_kind"), more, follow=True)
    assert "No open failure is among them." in last.content.decode()


def test_to_deal_with_failures_is_a_permission_of_its_own(client: Client) -> None:
    client.force_login(cast.staff("viola", "view_run", "rerun_run"))
    run = rows.failed_run(failure_kind=ASKED)

    for address in (
        reverse("admin:jobs_run_deal", args=[run.pk]),
        reverse("admin:jobs_run_deal_kind"),
    ):
        refused = client.post(address, {"kind": ASKED, "sentence": "Known."})
        assert refused.status_code == 403
        assert "Can say that failed runs are dealt with" in refused.content.decode()
        assert client.get(address).status_code == 405
    assert Run.objects.get(pk=run.pk).mended_at is None
    page = client.get(reverse("admin:jobs_run_change", args=[run.pk])).content.decode()
    assert "Dealt with…" not in page


def test_a_pause_keeps_its_reason_and_says_what_it_does(admin_client: Client) -> None:
    rows.make_function()
    hook = rows.make_function(f"{rows.FN}-failure", on_failure=None)
    page = reverse("admin:jobs_registeredfunction_change", args=[hook.pk])

    assert f"nothing is told when a run of {rows.FN} fails" in (
        admin_client.get(page).content.decode().replace("\n", " ")
    )
    state = reverse("admin:jobs_registeredfunction_state", args=[hook.pk])
    admin_client.post(state, {"to": "paused", "reason": "The mails were wrong."})

    paused = RegisteredFunction.objects.get(pk=hook.pk)
    assert paused.pause_reason == "The mails were wrong."
    assert "by admin: “The mails were wrong.”" in admin_client.get(page).content.decode()
    assert history(hook.pk)[-1].endswith("Why: The mails were wrong.")


def test_the_hand_over_is_a_text_of_what_is_open(admin_client: Client, client: Client) -> None:
    rows.failed_run(failure_kind=ASKED)
    rows.failed_run(failure_kind=ASKED)
    rows.make_function()
    state = reverse("admin:jobs_registeredfunction_state", args=[rows.FN])
    admin_client.post(state, {"to": "paused", "reason": "The mails <b>were</b> wrong."})
    address = reverse("admin:hand_over")

    words = admin_client.get(reverse("admin:hand_over_text")).content.decode()

    assert "Clusters alive: 0" in words
    assert f"- 2 runs: {ASKED}; first" in words
    assert f"- {rows.FN}, since" in words
    assert "by admin: “The mails <b>were</b> wrong.”." in words
    assert "admin: Paused; unfinished runs go on to their end." in words
    assert (
        "“The mails &lt;b&gt;were&lt;/b&gt; wrong.”" in admin_client.get(address).content.decode()
    )
    client.force_login(cast.staff("viola", "view_run"))
    assert "Acts of the last" not in client.get(address).content.decode()
    client.force_login(cast.staff("vera", "view_event"))
    assert client.get(address).status_code == 403
