"""What becomes of a request whose answer is no good: retried, or failed at once with its words."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest

from jobs.api import Context, Secret, rerun
from jobs.models import Run
from jobs.testing import Answer, drain, travel
from tests.support.functions import go, ran, registered, the_run

pytestmark = pytest.mark.django_db


def through(url: str, *, retries: int = 3, rounds: int = 6, **options) -> Run:
    """A run that makes one request, to its end, the waits between attempts passed over."""

    def handler(ctx: Context) -> object:
        return ctx.step.fetch("call", url, **options).json()

    with registered(handler, retries=retries):
        go()
        for _ in range(rounds):
            drain()
            travel(timedelta(seconds=2))
    return the_run()


def errors(run: Run) -> list[str]:
    attempts = run.attempts.filter(step_name="call", status="error")
    return [attempt.error_message for attempt in attempts]


def test_a_500_is_asked_again_and_the_next_answer_counts(endpoint):
    endpoint.answers(Answer(500, "the GPU fell over"), Answer(body={"n": 1}))
    run = through(endpoint.url)

    assert (run.status, run.output) == ("completed", {"n": 1})
    assert errors(run) == [f"GET {endpoint.url} answered 500: the GPU fell over"]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_another_try_may_better_is_tried_again(endpoint, status):
    endpoint.answers(Answer(status))
    run = through(endpoint.url)

    assert run.status == "completed"
    assert [a.status for a in run.attempts.filter(step_name="call")] == ["error", "completed"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422])
def test_what_no_try_will_better_fails_at_once_with_the_bodys_first_words(endpoint, status):
    endpoint.answers(Answer(status, '{"detail": "seed must be positive"}'))
    run = through(endpoint.url)

    assert run.status == "failed"
    assert len(endpoint.asked) == 1
    assert f'answered {status}: {{"detail": "seed must be positive"}}' in run.error["message"]


def test_every_attempt_carries_the_same_idempotency_key(endpoint):
    endpoint.answers(*[Answer(500)] * 4)
    run = through(endpoint.url, retries=3)

    assert run.status == "failed"
    assert [asked.headers["idempotency-key"] for asked in endpoint.asked] == [f"{run.id}:call"] * 4


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_header_sets_the_delay(endpoint, status):
    endpoint.answers(Answer(status, headers={"Retry-After": "120"}))
    run = through(endpoint.url, rounds=1)

    attempt = run.attempts.get()
    assert (attempt.retry_at - attempt.ended_at).total_seconds() == pytest.approx(120, abs=2)


def test_a_retry_after_that_is_nonsense_changes_nothing(endpoint):
    endpoint.answers(*[Answer(503, headers={"Retry-After": v}) for v in ("²", "9" * 400, "x")])
    run = through(endpoint.url, rounds=12)

    assert run.status in ("completed", "waiting")
    assert all("answered 503" in message for message in errors(run))


@pytest.mark.parametrize("year", ["99999999999", "9" * 5000])
def test_a_retry_after_beyond_all_years_leaves_the_attempt_the_steps_and_a_retry_asks_again(
    endpoint, year
):
    endpoint.answers(Answer(429, headers={"Retry-After": f"Fri, 31 Dec {year} 23:59:59 GMT"}))
    run = through(endpoint.url, retries=0)

    assert (run.status, run.steps.get().status) == ("failed", "failed")
    assert "answered 429" in run.error["message"]
    with registered(lambda ctx: ctx.step.fetch("call", endpoint.url).json(), retries=0):
        rerun(run.id)
        drain()
    run.refresh_from_db()
    assert (run.status, len(endpoint.asked)) == ("completed", 2)


def test_html_instead_of_json_fails_with_its_first_words(endpoint):
    endpoint.answers(Answer(200, "<html><h1>Scheduled maintenance</h1>" + "x" * 5_000))
    run = through(endpoint.url)

    assert run.status == "failed"
    assert "is not JSON: <html><h1>Scheduled maintenance" in run.error["message"]
    assert len(run.error["message"]) < 400
    assert len(endpoint.asked) == 1


def test_an_answer_that_takes_too_long_is_an_attempt_and_the_next_may_be_faster(endpoint):
    endpoint.answers(Answer(hangs=True), Answer(body={"n": 1}))
    run = through(endpoint.url, timeout=0.3)

    assert (run.status, run.output) == ("completed", {"n": 1})
    assert "no whole answer within 0.3 s" in errors(run)[0]


def test_an_answer_that_breaks_off_is_asked_for_again(endpoint):
    endpoint.answers(Answer(body={"n": "1" * 1_000}, breaks_off=True), Answer(body={"n": 1}))
    run = through(endpoint.url)

    assert (run.status, run.output) == ("completed", {"n": 1})
    assert len(errors(run)) == 1


def test_an_endpoint_without_a_server_is_retried_and_then_fails_with_the_reason(settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and no server listens
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": [host]}
        run = through(f"http://{host}/", retries=1)

    assert run.status == "failed"
    assert len(errors(run)) == 2
    assert "refused" in errors(run)[0].lower()


def test_the_function_may_catch_a_request_that_failed(endpoint):
    endpoint.answers(Answer(404, "no such song"))

    def handler(ctx: Context) -> str:
        try:
            ctx.step.fetch("call", endpoint.url)
        except Exception as error:
            return str(error)
        return ""

    run = ran(handler)
    assert run.status == "completed"
    assert "answered 404: no such song" in run.output


BAD = {
    "another host": ({"url": "http://example.com/"}, "allowed host"),
    "another scheme": ({"url": "file:///etc/passwd"}, "allowed host"),
    "no url": ({"url": ""}, "allowed host"),
    "a user in the url": ({"url": "http://me:pw@{host}/"}, "allowed host"),
    "a method that is none": ({"method": "STEAL"}, "method 'STEAL'"),
    "no time": ({"timeout": 0}, "timeout=0"),
    "more than two hours": ({"timeout": 7201}, "timeout=7201"),
    "json and data": ({"json": {}, "data": "x"}, "not both"),
    "json that is none": ({"json": {1, 2}}, "json cannot be written"),
    "data that is no text": ({"data": b"bytes"}, "data must be a text, not bytes"),
    "a header with a line break": ({"headers": {"X": "a\r\nY: b"}}, "holds a line break"),
    "a secret in the body": ({"json": {"key": "the-real-key"}}, "pass it as a header"),
    "a secret in the url": ({"url": "http://{host}/?key=the-real-key"}, "pass it as a header"),
    "a secret that is none": ({"headers": {"X": Secret("NO_SUCH_KEY")}}, "NO_SUCH_KEY is missing"),
}


@pytest.mark.parametrize(("options", "sentence"), BAD.values(), ids=BAD)
def test_a_request_that_must_not_be_made_fails_with_a_sentence(
    endpoint, settings, options, sentence
):
    settings.MODAL_KEY = "the-real-key"
    url = options.pop("url", endpoint.url).replace("{host}", endpoint.host)
    run = ran(lambda ctx: ctx.step.fetch("call", url, **options), retries=3)

    assert run.status == "failed"
    assert sentence in run.error["message"]
    assert "the-real-key" not in str(run.error)
    assert endpoint.asked == []
