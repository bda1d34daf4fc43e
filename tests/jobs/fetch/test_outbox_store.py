"""Storing answers: one statement for all of them, each under its own lease."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.api import Context, cancel
from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.fetch.outbox import (
    CompletedRequest,
    LeasedRequest,
    lease_requests,
    release,
    renew,
    store_responses,
)
from jobs.maintenance import sweeper
from jobs.models import Fetch, Run, Step
from jobs.platform.http.exchange import RequestOutcome
from jobs.runs.claiming import claim_due
from jobs.testing import drain, travel
from tests.support.functions import go, registered

pytestmark = pytest.mark.django_db
A_MINUTE = timedelta(minutes=1)  # longer than a lease


def asks(ctx: Context) -> Any:
    return ctx.step.fetch("call", "http://songs.test/").text


@pytest.fixture(autouse=True)
def function(settings):
    settings.JOBS = settings.JOBS | {"ALLOWED_HOSTS": ["songs.test"]}
    with registered(asks, retries=0):
        yield


def in_flight(count: int) -> list[LeasedRequest]:
    for _ in range(count):
        go()
    for claimed in claim_due(count):
        execute(claimed)
    return sorted(lease_requests(count), key=lambda leased_request: leased_request.run_id)


def answered(leased_request: LeasedRequest, body: str = "a waltz") -> CompletedRequest:
    answer = {"status_code": 200, "url": "http://songs.test/", "headers": {}, "body": body}
    return leased_request, RequestOutcome(
        response=answer, head={"status_code": 200, "bytes": len(body)}
    )


def broken(leased_request: LeasedRequest) -> CompletedRequest:
    return leased_request, RequestOutcome(error={"message": "the line is dead", "final": True})


def outcomes() -> list[tuple[str, Any]]:
    drain()
    return list(Run.objects.order_by("id").values_list("status", "output"))


@pytest.mark.needs_session("counts the statements of a session that has switched JIT off")
def test_many_answers_and_errors_land_in_one_statement():
    leased_requests = in_flight(4)
    with CaptureQueriesContext(connection) as asked:
        store_responses(
            [answered(f, f"waltz № {n}") for n, f in enumerate(leased_requests[:3])]
            + [broken(leased_requests[3])]
        )

    assert len(asked) == 1
    assert outcomes() == [("completed", f"waltz № {n}") for n in range(3)] + [("failed", None)]
    assert "the line is dead" in Run.objects.latest("id").error["message"]
    assert set(Fetch.objects.values_list("lease_token", "lease_until")) == {(None, None)}


@pytest.mark.django_db(transaction=True)
def test_the_cluster_is_told_by_its_wakeup_alone_however_many_are_stored():
    here, leased_requests = gateway.Gateway(), in_flight(3)
    with CaptureQueriesContext(connection) as asked:
        here._store([answered(leased_request) for leased_request in leased_requests])

    assert here._runs.consume()
    assert "notify" not in asked.captured_queries[0]["sql"]
    assert len(asked) == 1
    assert Run.objects.filter(due_at__isnull=False).count() == 3


def test_the_answer_of_a_gateway_that_lost_the_request_is_dropped_and_others_are_not(caplog):
    lost, kept = in_flight(2)
    travel(A_MINUTE)
    renew([kept])
    sweeper.sweep()
    (again,) = lease_requests(10)
    assert again.id == lost.id
    store_responses([answered(lost, "too late"), answered(kept)])

    assert f"An answer for run {lost.run_id} came too late" in caplog.text
    assert Fetch.objects.get(id=lost.id).status == "sending"
    store_responses([answered(again, "in time")])
    assert outcomes() == [("completed", "in time"), ("completed", "a waltz")]


def test_an_answer_is_still_good_after_a_lapsed_lease_if_no_gateway_has_asked_again():
    (leased_request,) = in_flight(1)
    lapse()
    store_responses([answered(leased_request)])

    assert lease_requests(10) == []
    assert outcomes() == [("completed", "a waltz")]


def test_a_gateway_that_stood_still_may_lease_anew_what_no_other_has_taken():
    (leased_request,) = in_flight(1)
    lapse()
    renew([leased_request])

    assert lease_requests(10) == []
    assert Fetch.objects.get().lease_token == leased_request.token


def test_what_was_handed_on_is_not_the_senders_any_more():
    (leased_request,) = in_flight(1)
    release([leased_request])
    renew([leased_request])
    store_responses([answered(leased_request, "too late")])

    assert Fetch.objects.get().status == "pending"
    assert Step.objects.get().output is None


def test_a_request_that_no_run_waits_for_any_more_is_handed_on_to_no_gateway():
    ended, waiting = in_flight(2)
    cancel(ended.run_id)
    release([ended, waiting])

    assert [leased_request.id for leased_request in lease_requests(10)] == [waiting.id]
    assert Fetch.objects.get(id=ended.id).error["message"] == "its run has ended"


def test_an_answer_for_an_earlier_attempt_is_not_taken_for_the_next():
    (leased_request,) = in_flight(1)
    store_responses([(leased_request, RequestOutcome(error={"message": "once"}))])
    Fetch.objects.update(status="pending", sent_at=None)  # as a next attempt is written
    store_responses([answered(leased_request, "too late")])

    assert Fetch.objects.get().status == "pending"


def lapse() -> None:
    """The lease is over, and a sweep has seen it."""
    Fetch.objects.update(lease_until="2020-01-01T00:00Z")
    assert sweeper.sweep() == 1
    assert Fetch.objects.get().status == "pending"


def test_an_answer_for_a_cancelled_run_wakes_no_run():
    (leased_request,) = in_flight(1)
    cancel(leased_request.run_id)
    store_responses([answered(leased_request)])

    run = Run.objects.get()
    assert (run.status, run.due_at) == ("cancelled", None)


def test_a_run_that_a_worker_has_in_hand_keeps_the_word():
    (leased_request,) = in_flight(1)
    Run.objects.update(status="running")
    store_responses([answered(leased_request)])

    assert Run.objects.get().due_at is not None


def test_a_run_that_is_due_is_held_until_the_answer_is_written():
    """Else a worker could take it, see no answer yet, and wait for one that has come."""
    (leased_request,) = in_flight(1)
    Run.objects.update(status="queued", due_at="2020-01-01T00:00Z")
    store_responses([answered(leased_request)])

    assert Run.objects.get().due_at.year > 2020


def test_a_run_that_waits_for_its_turn_is_left_to_its_line():
    (leased_request,) = in_flight(1)
    Run.objects.update(status="queued", due_at=None, reason="turn")
    store_responses([answered(leased_request)])

    assert Run.objects.get().due_at is None


# --- batches --------------------------------------------------------------------------------------


def test_a_batch_is_limited_by_the_size_of_its_answers():
    leased_request: Any = None
    small, large = (
        (leased_request, RequestOutcome(head={"bytes": size})) for size in (10, 4 * 2**20)
    )
    assert gateway._within_limits([small] * 500) == gateway.BATCH
    assert gateway._within_limits([large] * 500) == 2
    assert (
        gateway._within_limits([(leased_request, RequestOutcome(head={"bytes": 2**30})), small])
        == 1
    )


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_no_row_can_hold_is_an_error_of_its_own_request_alone(caplog):
    good, bad = in_flight(2)
    gateway.Gateway()._store([answered(good), answered(bad, "\0")])

    assert outcomes() == [("completed", "a waltz"), ("failed", None)]
    assert "the answer cannot be stored: DataError" in Run.objects.latest("id").error["message"]
    assert "Traceback" in caplog.text
