"""A run that waits for an answer says for how long, and how long it usually takes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.admin.in_flight import InFlight, in_flight, usual_span
from jobs.admin.words import between, situation
from jobs.models import Run
from tests.support import rows
from tests.support.explain import explained
from tests.support.history import make_history, off_the_record

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
STEP = "call-modal-api"
HISTORY = 20_000  # runs, in some 700 pages
MAX_PAGES = 500


def seconds(*spans: float) -> list[timedelta]:
    return [timedelta(seconds=span) for span in spans]


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [
        (30, 70, "30–70 s"),
        (29.6, 70.4, "30–70 s"),
        (0.12, 0.34, "120–340 ms"),
        (0.8, 4.25, "0.8–4.2 s"),
        (8, 119.4, "8–119 s"),
        (50, 130, "50 s – 2 min 10 s"),
        (184, 7500, "3 min 4 s – 2 h 5 min"),
        (21.3, 21.4, "21 s"),
        (0, 0, "0 ms"),
    ],
)
def test_a_range_is_told_as_people_tell_it(least: float, most: float, words: str) -> None:
    assert between(*seconds(least, most)) == words


@pytest.mark.parametrize(
    ("flight", "words"),
    [
        (InFlight(NOW - timedelta(seconds=42), None), "HTTP in flight, 42 s"),
        (
            InFlight(NOW - timedelta(seconds=42), (timedelta(seconds=30), timedelta(seconds=70))),
            "HTTP in flight, 42 s, usually 30–70 s",
        ),
        (
            InFlight(NOW - timedelta(seconds=69), (timedelta(seconds=30), timedelta(seconds=70))),
            "HTTP in flight, 69 s, usually 30–70 s",
        ),
        (InFlight(NOW - timedelta(seconds=184), None), "HTTP in flight, 3 min 4 s"),
        (InFlight(NOW + timedelta(seconds=2), None), "HTTP in flight, 0 s"),
        (InFlight(None, None), "HTTP request waits to be sent"),
        (None, "HTTP in flight"),
    ],
)
def test_a_run_says_how_long_it_has_waited_for_its_answer(flight, words: str) -> None:
    run = Run(status="waiting", reason="fetch", due_at=None)
    assert situation(run, NOW, flight=flight) == words


# --- how long it usually takes --------------------------------------------------------------------


def completed(took: float, **fields) -> Run:
    """A run whose request took so many seconds."""
    run = rows.make_run(status="completed", ended_at=rows.now(), **fields)
    rows.make_fetch(run, rows.now() - timedelta(minutes=5), took, 200)
    return run


def waiting(sent: bool = True) -> Run:
    """A run whose request has been in flight for 42 s."""
    at = rows.now() - timedelta(seconds=42)
    run = rows.make_run(at, status="waiting", reason="fetch", started_at=at)
    rows.make_step(run, STEP, at, None, kind="fetch")
    status = {"status": "sending"} if sent else {"status": "pending", "sent_at": None}
    rows.make_fetch(run, at, 0, 200, **{"ended_at": None, "response_head": None} | status)
    return run


@pytest.mark.django_db
def test_of_a_few_the_fastest_and_the_slowest_are_told() -> None:
    assert usual_span(rows.FN, STEP) is None
    for took in (40, 70, 30):
        completed(took)
    assert usual_span(rows.FN, STEP) == tuple(seconds(30, 70))


@pytest.mark.django_db
def test_of_many_the_fastest_and_the_slowest_tenth_are_left_out() -> None:
    for took in (1, 2, *range(20, 36), 500, 600):
        completed(took)
    assert usual_span(rows.FN, STEP) == tuple(seconds(20, 35))


@pytest.mark.django_db
def test_only_the_latest_completed_runs_of_the_same_step_and_function_count() -> None:
    completed(999)
    for _ in range(50):
        completed(60)
    rows.failed_run()
    completed(5, fn_id="another")
    other = completed(60)
    rows.make_fetch(other, rows.now(), 7, 200, step_name="another step")
    assert usual_span(rows.FN, STEP) == tuple(seconds(60, 60))


@pytest.mark.django_db
def test_of_several_requests_of_a_run_the_first_one_counts() -> None:
    run = waiting()
    started = run.created_at
    rows.make_fetch(
        run, started - timedelta(seconds=8), 0, 200, step_name="b", status="sending", ended_at=None
    )
    rows.make_fetch(run, started, 0, 200, step_name="c", status="pending", sent_at=None)
    leased_request = in_flight([run])[run.pk]
    assert leased_request.since == started - timedelta(seconds=8)


@pytest.mark.django_db(transaction=True)
def test_its_history_costs_a_page_little() -> None:
    with off_the_record():
        last = [completed(60) for _ in range(60)][-1]
        rows.make_step(last, STEP, rows.now(), 60, kind="fetch")
        run = waiting()
        make_history(last, HISTORY)
        with transaction.atomic(), explained() as seen:
            in_flight([run])
    assert len(seen.pages) == 2
    for statement, pages in seen.pages.items():
        assert pages < MAX_PAGES, seen.story(statement)


# --- the pages ------------------------------------------------------------------------------------


def page(client: Client, name: str, *args) -> str:
    response = client.get(reverse(f"admin:jobs_run_{name}", args=args))
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.django_db
def test_a_runs_page_and_the_list_tell_it(admin_client: Client) -> None:
    for took in (30, 50, 70):
        completed(took)
    run = waiting()
    words = re.compile(r"Waiting: HTTP in flight for 4\d s, usually 30–70 s")
    assert words.search(page(admin_client, "change", run.pk))
    assert words.search(page(admin_client, "changelist"))


@pytest.mark.django_db
def test_a_request_that_waits_for_its_turn_is_told_from_one_in_flight(admin_client) -> None:
    run = waiting(sent=False)
    assert "HTTP request waits to be sent" in page(admin_client, "change", run.pk)


@pytest.mark.django_db
def test_many_that_wait_cost_the_list_no_more_than_one(admin_client: Client) -> None:
    completed(30)
    waiting()
    with CaptureQueriesContext(connection) as one:
        page(admin_client, "changelist")
    for _ in range(20):
        waiting()
    with CaptureQueriesContext(connection) as many:
        page(admin_client, "changelist")
    assert len(many) == len(one)
