"""A 303 is where the answer will be: asked there with GET, remembered, and never elsewhere."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.api import Context, Secret
from jobs.execution.executor import execute
from jobs.fetch import gateway, outbox
from jobs.models import Fetch
from jobs.platform.http import client
from jobs.runs.claiming import claim_due
from jobs.testing import Answer, Endpoint, drain, travel
from tests.support.functions import go, ran, registered, the_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def key(settings):
    settings.MODAL_KEY = "the-real-key"


def orders(endpoint):
    def handler(ctx: Context) -> object:
        response = ctx.step.fetch(
            "call",
            f"{endpoint.url}/make",
            method="POST",
            json={"seed": 7},
            headers={"Modal-Key": Secret("MODAL_KEY")},
        )
        return response.json()

    return handler


def see_other(url: str) -> Answer:
    return Answer(303, "", {"Location": url})


def asked(endpoint) -> list[str]:
    return [f"{asked.method} {asked.path}" for asked in endpoint.asked]


def test_a_303_within_the_origin_is_followed_with_get_and_the_same_headers(endpoint):
    endpoint.answers(see_other("/result/7"), see_other("/result/7"), Answer(body={"song": 7}))
    run = ran(orders(endpoint))

    assert run.output == {"song": 7}
    assert asked(endpoint) == ["POST /make", "GET /result/7", "GET /result/7"]
    assert {a.headers["modal-key"] for a in endpoint.asked} == {"the-real-key"}
    assert [a.body for a in endpoint.asked[1:]] == ["", ""]


def test_the_result_url_is_remembered_so_that_a_crash_asks_there_and_orders_nothing(endpoint):
    class Crash(BaseException):
        pass

    endpoint.answers(see_other(f"{endpoint.url}/result/7"), Answer(body={"song": 7}))
    with registered(orders(endpoint)):
        go()
        execute(*claim_due(10))
        (leased_request,) = gateway.lease_requests(10)

        def crash(url: str) -> None:
            outbox.remember_result_url(leased_request, url)
            raise Crash

        with pytest.raises(Crash):
            client.perform(leased_request.request, crash)
        assert Fetch.objects.get().result_url == f"{endpoint.url}/result/7"
        travel(timedelta(minutes=1))
        drain()
    assert the_run().output == {"song": 7}
    assert asked(endpoint) == ["POST /make", "GET /result/7"]


@pytest.mark.parametrize("broken", [Answer(hangs=True), Answer(body={"n": 1}, breaks_off=True)])
def test_a_connection_that_breaks_while_waiting_for_the_result_orders_nothing_twice(
    endpoint, broken
):
    endpoint.answers(see_other("/result/7"), broken, Answer(body={"song": 7}))

    def handler(ctx: Context) -> object:
        return ctx.step.fetch("call", f"{endpoint.url}/make", method="POST", timeout=0.5).json()

    with registered(handler):
        go()
        drain()
        travel(timedelta(seconds=2))
        drain()
    assert the_run().output == {"song": 7}
    assert asked(endpoint) == ["POST /make", "GET /result/7", "GET /result/7"]


def test_a_303_to_another_origin_is_refused_and_no_secret_is_seen_there(endpoint, settings):
    with Endpoint().open() as thief:
        settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": [endpoint.host, thief.host]}
        endpoint.answers(see_other(f"{thief.url}/result"))
        run = ran(orders(endpoint))

    assert run.status == "failed"
    assert "redirects to" in run.error["message"]
    assert asked(endpoint) == ["POST /make"]
    assert thief.asked == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_other_redirect_is_followed(endpoint, status):
    endpoint.answers(Answer(status, "", {"Location": "/elsewhere"}))
    run = ran(orders(endpoint), retries=0)

    assert asked(endpoint) == ["POST /make"]
    assert run.status == "failed"


def test_going_round_in_circles_comes_to_an_end(endpoint):
    endpoint.answers(*[see_other("/again")] * 40)
    run = ran(orders(endpoint), retries=0)

    assert run.status == "failed"
    assert "redirected 25 times" in run.error["message"]
