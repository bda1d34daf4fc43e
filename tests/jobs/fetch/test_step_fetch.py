"""`step.fetch` against a real endpoint: asked once, remembered for ever, no worker waits."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.api import Context, Secret
from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.models import Fetch
from jobs.runs.claiming import claim_due
from jobs.testing import Answer, drain, travel
from tests.support.functions import go, ran, registered, the_run

pytestmark = pytest.mark.django_db


def calls(endpoint, **options):
    """A function that makes one request and returns what it reads."""

    def handler(ctx: Context) -> dict:
        response = ctx.step.fetch("call", f"{endpoint.url}/songs?a=1", **options)
        return {"status": response.status_code, "ok": response.ok, "json": response.json()}

    return handler


def test_an_answer_is_remembered_and_the_function_reads_it(endpoint):
    endpoint.answers(Answer(body={"s3_key": "söng.mp3"}))
    run = ran(calls(endpoint))

    assert run.status == "completed"
    assert run.output == {"status": 200, "ok": True, "json": {"s3_key": "söng.mp3"}}
    assert [(asked.method, asked.path) for asked in endpoint.asked] == [("GET", "/songs?a=1")]
    step = run.steps.get()
    assert (step.kind, step.status, step.output["status_code"]) == ("fetch", "completed", 200)


def test_json_goes_as_json_with_the_headers_that_were_given(endpoint, settings):
    settings.MODAL_KEY = "the-real-key"
    headers = {"Modal-Key": Secret("MODAL_KEY"), "X-Plain": "plain"}
    ran(calls(endpoint, method="post", json={"seed": 7, "text": "ä"}, headers=headers))

    (asked,) = endpoint.asked
    assert (asked.method, asked.json()) == ("POST", {"seed": 7, "text": "ä"})
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["modal-key"] == "the-real-key"
    assert asked.headers["x-plain"] == "plain"


def test_a_text_goes_as_it_is(endpoint):
    ran(calls(endpoint, method="PUT", data="a=1&b=ä", headers={"Content-Type": "text/plain"}))

    (asked,) = endpoint.asked
    assert (asked.body, asked.headers["content-type"]) == ("a=1&b=ä", "text/plain")


def test_a_request_in_flight_holds_no_worker(endpoint):
    with registered(calls(endpoint)):
        go()
        (claimed,) = claim_due(10)
        execute(claimed)
        run = the_run()
        assert (run.status, run.reason, run.due_at, run.lease_token) == (
            "waiting",
            "fetch",
            None,
            None,
        )
        assert Fetch.objects.get().status == "pending"
        assert claim_due(10) == []
        drain()
    assert the_run().status == "completed"


def test_a_remembered_answer_is_never_asked_for_again(endpoint):
    endpoint.answers(Answer(body={"n": 1}), Answer(body={"n": 2}))
    seen = []

    def handler(ctx: Context) -> None:
        seen.append(ctx.step.fetch("call", endpoint.url).json()["n"])
        ctx.step.sleep("nap", 60)

    with registered(handler):
        go()
        drain()
        travel(timedelta(minutes=1))
        drain()
    assert seen == [1, 1]
    assert len(endpoint.asked) == 1


def test_requests_in_a_loop_are_each_their_own(endpoint):
    endpoint.answers(*[Answer(body={"n": n}) for n in range(3)])

    def handler(ctx: Context) -> list[int]:
        return [ctx.step.fetch("call", endpoint.url).json()["n"] for _ in range(3)]

    assert ran(handler).output == [0, 1, 2]
    keys = [asked.headers["idempotency-key"] for asked in endpoint.asked]
    assert len(set(keys)) == 3


def test_a_secret_is_read_at_the_moment_of_sending(endpoint, settings):
    settings.MODAL_KEY = "old-value"
    with registered(calls(endpoint, headers={"Modal-Key": Secret("MODAL_KEY")})):
        go()
        execute(*claim_due(10))
        assert Fetch.objects.get().headers["Modal-Key"] == {"$secret": "MODAL_KEY"}
        settings.MODAL_KEY = "new-value"
        drain()
    assert endpoint.asked[0].headers["modal-key"] == "new-value"


def test_a_gateway_that_died_leaves_its_request_to_the_next(endpoint):
    with registered(calls(endpoint)):
        go()
        execute(*claim_due(10))
        (leased_request,) = gateway.lease_requests(10)
        assert drain() == 0
        travel(timedelta(minutes=1))
        drain()
        assert the_run().status == "completed"
        gateway.store_responses([(leased_request, gateway.perform_now(leased_request))])
    assert the_run().output["json"] == {}
    assert len({asked.headers["idempotency-key"] for asked in endpoint.asked}) == 1


def test_a_step_of_any_name_may_ask(endpoint):
    run = ran(lambda ctx: ctx.step.fetch("歌を “作る”", endpoint.url).status_code, retries=0)

    assert run.output == 200
