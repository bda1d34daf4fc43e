"""The list of runs as an operator narrows it, and the pages that are reached from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.admin.run_words import Known, hook_parts, status_in_words
from jobs.models import Run
from tests.jobs.admin.panel import shown
from tests.support import rows

pytestmark = pytest.mark.django_db
LIST = reverse("admin:jobs_run_changelist")
FAILURES = reverse("admin:jobs_run_failures")
KIND = "call-modal-api · 401 missing or invalid credentials"


def listed(page: str, *runs: Run) -> list[bool]:
    return [f'id="run-{run.pk}"' in page for run in runs]


def mended(run: Run, **fields: Any) -> Run:
    Run.objects.filter(pk=run.pk).update(mended_at=rows.now(), **fields)
    return run


def test_a_known_functions_hook_is_told_apart_and_no_other_name_is_cut() -> None:
    names = ["make-song", "make-song-failure", "make-song-failure-retry", "draw", "draws"]

    assert hook_parts([*names, "unknown-cancel"], names) == {
        "make-song": ("make-song", ""),
        "make-song-failure": ("make-song", "-failure"),
        "make-song-failure-retry": ("make-song-failure", "-retry"),
        "draw": ("draw", ""),
        "draws": ("draws", ""),
        "unknown-cancel": ("unknown-cancel", ""),
    }


def test_the_list_names_a_hook_and_its_function(admin_client: Client) -> None:
    for name in ("draw-waveform", "draw-waveform-failure", "draw-waveforms"):
        rows.make_function(name)
        rows.make_run(fn_id=name)

    page = admin_client.get(reverse("admin:jobs_run_changelist")).content.decode()

    assert "<bdi>draw-waveforms</bdi>" in page
    assert '<bdi>draw-waveform</bdi> <span class="jobs-hook">-failure</span>' in page


def test_each_status_has_its_words() -> None:
    now = rows.now()
    known = Known(usual_steps=5, retries=3, errors=3)
    moment = {"started_at": now - timedelta(seconds=42), "ended_at": now}

    def words(**fields: Any) -> str:
        return status_in_words(Run(fn_id="f", **fields), now, known)

    assert words(status="running", steps_done=2) == "In progress (step 3/5)"
    assert words(status="completed", **moment) == "Completed (42 s)"
    assert words(status="failed", **moment) == "Failed (retry 2/3)"
    assert words(status="cancelled", **moment) == "Cancelled"
    assert words(status="queued", reason="turn") == "Queued: its turn"
    due = now + timedelta(seconds=14)
    backing_off = words(status="waiting", reason="backoff", attempt=2, due_at=due)
    assert backing_off == "Backing off: retry 2/3 in 14 s"


def test_a_night_in_which_no_person_looked_is_no_duration() -> None:
    now = rows.now()
    run = Run(
        status="completed",
        started_at=now - timedelta(hours=8),
        ended_at=now,
        idle=timedelta(hours=7, minutes=59),
    )

    assert status_in_words(run, now, Known()) == "Completed (1 min)"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"reason": "turn"}, [False, False, True]),
        ({"kind": KIND}, [True, False, False]),
        ({"open": "1"}, [True, False, False]),
        ({"open": "0"}, [False, True, False]),
        ({"cluster": "here/4711"}, [True, False, False]),
        ({"key": "17"}, [True, False, False]),
        ({"ended": "1h"}, [True, False, False]),
        ({"ended": "24h"}, [True, True, False]),
        ({"from": "2020-01-01T00:00"}, [True, True, True]),
        ({"until": "2020-01-01T00:00"}, [False, False, False]),
        ({"q": "key:17"}, [True, False, False]),
        ({"q": "key:1"}, [False, False, False]),
        ({"q": "401"}, [True, False, False]),
        ({"q": "MISSING or"}, [True, False, False]),
    ],
)
def test_the_address_narrows_the_list(admin_client: Client, query: Any, found: Any) -> None:
    keys = ["f:0:17"]
    failed = rows.failed_run(failure_kind=KIND)
    Run.objects.filter(pk=failed.pk).update(turn_keys=keys, worker="here/4711")
    old = mended(rows.failed_run(at=rows.now() - timedelta(hours=5)))
    waiting = rows.make_run(reason="turn", turn_keys=["f:0:170"])

    assert listed(shown(admin_client, LIST, **query), failed, old, waiting) == found


@pytest.mark.parametrize(
    "query",
    [
        *({name: "\x00"} for name in ("kind", "reason", "cluster", "key", "open", "q")),
        *({name: "w" * 10_000} for name in ("kind", "key", "q", "from", "ended")),
        {"ended": "soon"},
        {"from": "yesteryear"},
        {"until": "9999-99-99"},
        {"from": "0001-01-01T00:00"},
        {"status__exact": "bogus"},
        {"status__exact": "w" * 10_000},
    ],
)
def test_a_filter_that_makes_no_sense_is_told_in_a_sentence(
    admin_client: Client, query: dict[str, str]
) -> None:
    run = rows.make_run()

    page = shown(admin_client, LIST, **query)

    assert ("no span" in page) == ("ended" in query)
    assert ("is no time" in page) == bool({"from", "until"} & set(query))
    assert ("is no status" in page) == ("status__exact" in query)
    if {"ended", "from", "until"} & set(query):
        assert listed(page, run) == [True]


def test_a_search_says_what_it_has_searched(admin_client: Client) -> None:
    run = rows.make_run()

    assert "keys and kinds of failures of the newest 50,000 runs" in shown(
        admin_client, LIST, q="cat"
    )
    assert "whole keys of the newest 50,000 runs" in shown(admin_client, LIST, q="key:17")
    assert "the ids of all runs" in shown(admin_client, LIST, q=str(run.pk))


def test_the_statuses_are_counted_while_nothing_else_narrows_the_list(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.admin.run_list.MAX_COUNTED", 2)
    for _ in range(4):
        rows.completed_run()
    rows.failed_run()

    page = shown(admin_client, LIST)
    assert "completed <small>2+</small>" in page
    assert "failed, open <small>1</small>" in page
    assert "<small>2+</small>" not in shown(admin_client, LIST, fn_id=rows.FN)


def test_a_mended_failure_says_what_mended_it(admin_client: Client) -> None:
    better = rows.completed_run()
    run = mended(rows.failed_run(), mended_by=better.pk)
    other = mended(rows.failed_run(), dealt_with="The listener was given a credit.")

    page = shown(admin_client, LIST, status__exact="failed")
    assert f"/jobs/run/{better.pk}/change/" in page
    assert "dealt with" in page
    assert listed(page, run, other) == [True, True]
    assert listed(shown(admin_client, LIST, status__exact="failed", open="1"), run, other) == [
        False,
        False,
    ]


def test_what_ended_is_listed_by_when_it_ended(admin_client: Client) -> None:
    old = rows.failed_run(at=rows.now() - timedelta(days=1))
    new = rows.failed_run()
    Run.objects.filter(pk=old.pk).update(ended_at=rows.now())

    page = shown(admin_client, LIST, open="1")

    assert page.index(f'id="run-{old.pk}"') < page.index(f'id="run-{new.pk}"')


def test_errors_are_read_of_the_page_and_not_of_all_that_are_counted(admin_client: Client) -> None:
    rows.failed_run()

    with CaptureQueriesContext(connection) as captured:
        shown(admin_client, LIST, status__exact="failed")

    counting = [query["sql"] for query in captured if "COUNT(*) FROM (" in query["sql"]]
    assert counting
    assert not any('"error"' in sql for sql in counting)


def test_the_rows_that_move_come_alone(admin_client: Client) -> None:
    rows.make_run()

    part = admin_client.get(LIST, headers={"HX-Request": "true"}).content.decode()

    assert part.lstrip().startswith('<div id="runs"')
    assert "<html" not in part


def test_a_list_in_which_nothing_can_change_stands_still(admin_client: Client) -> None:
    rows.completed_run()

    assert "hx-trigger" in shown(admin_client, LIST)
    assert "hx-trigger" not in shown(admin_client, LIST, status__exact="completed")


def about(user: Any, events: Sequence[Any]) -> list[list[tuple[str, str]]]:
    return [[(f"song {(data or {}).get('songId', '<b>')}", "")] for data in events]


def test_the_project_says_what_runs_are_about_and_large_data_stay_where_they_are(
    admin_client: Client, settings: Any
) -> None:
    settings.JOBS = {**settings.JOBS, "RUNS_ABOUT": "tests.jobs.admin.test_panel_runs.about"}
    rows.make_run(event=rows.make_event(data={"songId": "small"}))
    large = {"songId": "large", "lyrics": [str(n) for n in range(20_000)]}
    rows.make_run(event=rows.make_event(data=large))

    page = shown(admin_client, LIST)

    assert "song small" in page
    assert "song large" not in page
    assert "song &lt;b&gt;" in page


def test_failures_are_grouped_by_kind_and_a_kind_is_a_list(admin_client: Client) -> None:
    runs = [rows.failed_run(failure_kind=KIND) for _ in range(3)]
    rows.failed_run(failure_kind="update-song · KeyError")
    mended(rows.failed_run(failure_kind=KIND))

    page = shown(admin_client, FAILURES)
    assert "4 open failures, 2 kinds" in page
    assert "kind=call-modal-api" in page

    kind = shown(admin_client, LIST, status__exact="failed", open="1", kind=KIND)
    assert listed(kind, *runs) == [True, True, True]
    assert "Retry all of these…" in kind


def test_all_of_a_kind_are_asked_for_without_a_tick(admin_client: Client) -> None:
    runs = [rows.failed_run(failure_kind=KIND) for _ in range(3)]
    rows.failed_run(failure_kind="update-song · KeyError")
    form = {"action": "retry_selected", "index": "0", "select_across": "1"}
    ticked = {"_selected_action": str(runs[0].pk)}

    address = f"{LIST}?status__exact=failed&open=1&kind={KIND}"
    asked = admin_client.post(address, form | ticked)

    assert "Retry 3 runs" in asked.content.decode()


# --- a run's page ---


def test_a_runs_page_leads_to_its_neighbours_in_the_list(admin_client: Client) -> None:
    now = rows.now()
    runs = [rows.failed_run(at=now - timedelta(minutes=n)) for n in range(3)]
    rows.completed_run(at=now - timedelta(seconds=90))
    address = reverse("admin:jobs_run_change", args=[runs[1].pk])

    page = shown(admin_client, address, _changelist_filters="status__exact=failed")

    older, newer = (page.split(f'rel="{rel}" href="')[1].split('"')[0] for rel in ("next", "prev"))
    assert (str(runs[2].pk) in older, str(runs[0].pk) in newer) == (True, True)
    assert f'href="{LIST}?status__exact=failed"' in page
    alone = shown(admin_client, address)
    assert 'rel="next"' not in alone


@pytest.mark.parametrize("filters", ["\x00", "status__exact=%00", "p=x", "a=1&b=2", "from=never"])
def test_a_way_back_that_makes_no_sense_costs_only_itself(
    admin_client: Client, filters: str
) -> None:
    address = reverse("admin:jobs_run_change", args=[rows.failed_run().pk])

    assert "Runs</a>" in shown(admin_client, address, _changelist_filters=filters)


def test_a_run_moves_until_it_has_ended(admin_client: Client) -> None:
    moving, over = rows.backing_off_run(), rows.completed_run()

    part = admin_client.get(
        reverse("admin:jobs_run_change", args=[moving.pk]), headers={"HX-Request": "true"}
    ).content.decode()
    assert part.lstrip().startswith('<div id="run"')
    assert "hx-trigger" in part
    assert "<html" not in part
    last = shown(admin_client, reverse("admin:jobs_run_change", args=[over.pk]))
    assert "hx-trigger" not in last


def test_a_request_is_copied_as_curl_without_its_secrets(admin_client: Client) -> None:
    run = rows.completed_run()

    page = shown(admin_client, reverse("admin:jobs_run_change", args=[run.pk]))

    command = page.split('data-copy="curl ')[1].split('" hidden')[0]
    assert "-X POST https://studio.example/generate_from_description" in command
    assert "&#x27;Modal-Key: &#x27;&quot;$MODAL_KEY&quot;" in command
    assert "studio-key" not in page


def test_a_runs_family_is_told(admin_client: Client) -> None:
    first = rows.failed_run()
    again = rows.completed_run(rerun_of=first)

    page = shown(admin_client, reverse("admin:jobs_run_change", args=[first.pk]))
    family = page.split('id="jobs-family"')[1].split("</section>")[0]
    assert f'rerun as <a href="{reverse("admin:jobs_run_change", args=[again.pk])}' in family
    page = shown(admin_client, reverse("admin:jobs_run_change", args=[again.pk]))
    family = page.split('id="jobs-family"')[1].split("</section>")[0]
    assert "rerun of <a" in family


def test_pages_cost_a_bounded_number_of_queries(admin_client: Client) -> None:
    rows.make_function()
    runs = [rows.failed_run(failure_kind=KIND) for _ in range(20)]
    filters = {"_changelist_filters": "status__exact=failed&open=1"}
    for address, query, most in (
        (LIST, {}, 15),
        (LIST, {"open": "1", "kind": KIND, "status__exact": "failed"}, 15),
        (FAILURES, {}, 15),
        (reverse("admin:jobs_run_change", args=[runs[0].pk]), filters, 22),
        (reverse("admin:admin_logentry_changelist"), {}, 15),
    ):
        with CaptureQueriesContext(connection) as captured:
            shown(admin_client, address, **query)
        assert len(captured) <= most, (address, len(captured))
