"""The list of runs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.admin.filters import beginning
from jobs.models import RegisteredFunction
from tests.support import rows

pytestmark = pytest.mark.django_db
LIST = reverse("admin:jobs_run_changelist")


def shown(client: Client, **query: str) -> str:
    response = client.get(LIST, query)
    assert response.status_code == 200
    return response.content.decode()


def queries(client: Client) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        shown(client)
    return len(captured)


def test_it_shows_each_run_in_words(admin_client: Client) -> None:
    rows.make_function()
    rows.completed_run()
    rows.failed_run()
    rows.backing_off_run()
    rows.make_run(reason="turn")

    page = shown(admin_client)

    for words in (
        *("Backing off: retry 2/3 in 12 s", "Queued: its turn", "Completed (22 s)"),
        *("Failed (retry 3/3)", "2 of 5 steps done", "0 of 5 steps done", "21.9 s"),
        *("call-modal-api · ", "500 Internal Server Error: the GPU &lt;fell&gt; over"),
    ):
        assert words in page


def test_no_run_waits_for_its_turn_while_its_function_stands_still(admin_client: Client) -> None:
    rows.make_function()
    event = rows.make_run(reason="turn").event
    page = reverse("admin:jobs_run_change", args=[event.runs.get().pk])
    pages = (LIST, page, reverse("admin:jobs_event_change", args=[event.pk]))

    def those_with(words: str) -> list[str]:
        said = re.compile(rf"queued(: |</span>.*· ){words}")
        return [a for a in pages if said.search(admin_client.get(a).content.decode().lower())]

    assert those_with("its turn") == list(pages)
    still = {"paused_at": rows.now(), "stands_still": True}
    RegisteredFunction.objects.update(**still)
    assert those_with("its turn") == []
    assert those_with("its function is paused") == list(pages)


def test_a_run_whose_lease_has_run_out_is_stalled(admin_client: Client) -> None:
    now = rows.now()
    lease = {"lease_token": rows.id_at(now), "lease_until": now - timedelta(seconds=1)}
    rows.make_run(status="running", started_at=now, **lease)

    assert "stalled" in shown(admin_client)


def test_fifty_runs_cost_as_many_queries_as_five(admin_client: Client) -> None:
    rows.make_function()
    for _ in range(5):
        rows.failed_run()
    few = queries(admin_client)
    for number in range(45):
        rows.completed_run(at=rows.now() - timedelta(minutes=number + 1))

    assert queries(admin_client) == few
    assert few <= 15


def test_the_list_leaves_what_runs_carry_in_the_database(admin_client: Client) -> None:
    rows.completed_run(event=rows.make_event(data={"lyrics": "la"}))

    with CaptureQueriesContext(connection) as captured:
        shown(admin_client)

    fetched = [query["sql"].split(" FROM ")[0] for query in captured]
    assert not any('"jobs_run"."output"' in sql for sql in fetched)
    read = [sql for sql in fetched if '"jobs_event"."data"' in sql]
    assert all("pg_column_size" in sql for sql in read)  # small ones alone, for what they say


def test_a_run_is_found_by_its_id_by_its_events_id_and_by_its_key(admin_client: Client) -> None:
    wanted = rows.make_run(turn_keys=["generate-song-event:0:wanted"])
    other = rows.make_run()

    for term in (str(wanted.pk), str(wanted.event_id), "wanted", f" {wanted.pk} "):
        page = shown(admin_client, q=term)
        assert f"/{wanted.pk}/" in page
        assert f"/{other.pk}/" not in page


def test_the_search_in_keys_does_not_go_through_all_of_history(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.admin.run_search.MAX_SEARCHED", 2)
    old = rows.make_run(at=rows.now() - timedelta(days=1))
    for _ in range(3):
        rows.make_run()

    page = shown(admin_client, q=":0:42")
    assert f"/{old.pk}/" not in page
    assert f"/{old.pk}/" in shown(admin_client, q=str(old.pk))


def test_filters_are_by_status_by_function_and_by_age(admin_client: Client) -> None:
    rows.make_function()
    failed = rows.failed_run()
    old = rows.completed_run(at=rows.now() - timedelta(days=40))
    waiting = rows.make_run(status="waiting")

    for query, found, not_found in (
        ({"status__exact": "failed"}, failed, old),
        ({"status__exact": "waiting"}, waiting, failed),
        ({"status__exact": ["waiting", "failed"]}, failed, old),
        ({"status__exact": "completed"}, old, failed),
        ({"created": "30d"}, failed, old),
        ({"created": "hour"}, failed, old),
    ):
        page = shown(admin_client, **query)
        assert f"/{found.pk}/" in page
        assert f"/{not_found.pk}/" not in page
    assert f"/{failed.pk}/" not in shown(admin_client, fn_id="another-function")
    assert f"/{failed.pk}/" in shown(admin_client, fn_id=rows.FN)


@pytest.mark.parametrize(
    "query",
    [
        {"q": "\x00"},
        {"q": "%' OR 1=1 --"},
        {"status__exact": "bogus"},
        {"created": "yesteryear"},
        {"p": "99999"},
        {"event__id__exact": "not-a-uuid"},
        {"nonsense": "1"},
    ],
)
def test_a_query_that_makes_no_sense_is_no_server_error(
    admin_client: Client, query: dict[str, str]
) -> None:
    rows.make_run()

    assert admin_client.get(LIST, query).status_code in (200, 302)


def test_an_unknown_filter_is_told_and_the_others_are_kept(admin_client: Client) -> None:
    failed, queued = rows.failed_run(), rows.make_run()

    answer = admin_client.get(
        LIST, {"status__exact": "failed", "<x>": "1", "event__id__exact": "no-id"}, follow=True
    )

    assert answer.redirect_chain == [(f"{LIST}?status__exact=failed", 302)]
    page = answer.content.decode()
    assert "This list does not know the filter “&lt;x&gt;=1”: it is left out." in page
    assert "does not know the filter “event__id__exact=no-id”" in page
    assert f"/{failed.pk}/" in page
    assert f"/{queued.pk}/" not in page


def test_a_count_stops_counting_and_says_so(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.admin.base.MAX_COUNTED", 3)
    for _ in range(5):
        rows.make_run()

    assert "3 or more runs" in shown(admin_client)


def test_what_a_listener_wrote_is_inert(admin_client: Client) -> None:
    rows.make_run(
        status="failed",
        ended_at=rows.now(),
        error={"name": "E", "message": "<script>alert(1)</script>"},
        turn_keys=["<script>alert(2)</script>"],
    )

    page = shown(admin_client)

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_today_begins_at_the_first_midnight_of_a_day_that_has_two(monkeypatch) -> None:
    second_pass = datetime(2027, 11, 7, 5, 30, tzinfo=UTC)  # 0:30 in Havana, as an hour before
    monkeypatch.setattr(timezone, "now", lambda: second_pass)

    with timezone.override("America/Havana"):
        midnight = beginning("today")
    assert midnight is not None
    assert midnight.astimezone(UTC) == datetime(2027, 11, 7, 4, 0, tzinfo=UTC)
