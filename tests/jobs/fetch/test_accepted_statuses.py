"""An answer whose status the author accepts is a value; one that is an error tells programs what
came with it.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest

from jobs.api import Context, FetchCode, NonRetriableError, StepError
from jobs.lib import secrets
from jobs.models import Run
from jobs.testing import Answer, drain, travel
from tests.support.functions import go, ran, registered, the_run

pytestmark = pytest.mark.django_db

BAD = [402, 404, 408, 409, 425, 429, 500, 503, 599]


@pytest.mark.parametrize("status", BAD)
def test_an_accepted_status_is_returned_and_not_retried_also_when_the_run_goes_on(endpoint, status):
    endpoint.answers(Answer(status, {"why": "sold out"}, headers={"Retry-After": "60"}))
    seen = []

    def handler(ctx: Context) -> None:
        answer = ctx.step.fetch("call", endpoint.url, accept=[status])
        seen.append([answer.ok, answer.status_code, answer.json(), answer.headers["Retry-After"]])
        ctx.step.sleep("nap", 60)

    with registered(handler):
        go()
        drain()
        travel(timedelta(minutes=1))
        drain()
    run = the_run()
    assert seen == [[False, status, {"why": "sold out"}, "60"]] * 2
    assert (run.status, run.attempts.count(), len(endpoint.asked)) == ("completed", 0, 1)


def test_ok_tells_the_accepted_from_the_others(endpoint):
    endpoint.answers(Answer(404), Answer(200))

    def handler(ctx: Context) -> list[bool]:
        return [ctx.step.fetch("call", endpoint.url, accept=404).ok for _ in range(2)]

    assert ran(handler).output == [False, True]


def test_other_statuses_are_errors_as_without_it(endpoint):
    endpoint.answers(Answer(503), Answer(410))

    def handler(ctx: Context) -> Any:
        return ctx.step.fetch("call", endpoint.url, accept=[402, 404]).status_code

    with registered(handler):
        go()
        for _ in range(2):
            drain()
            travel(timedelta(seconds=2))
    run = the_run()
    assert (run.status, run.error["status_code"], len(endpoint.asked)) == ("failed", 410, 2)


def test_what_was_accepted_once_stays_an_answer_when_the_code_accepts_it_no_more(endpoint):
    endpoint.answers(Answer(404))
    for accept in ([404], []):

        def handler(ctx: Context, accept: Any = accept) -> int:
            answer = ctx.step.fetch("call", endpoint.url, accept=accept)
            ctx.step.sleep("nap", 60)
            return answer.status_code

        with registered(handler):
            if accept:
                go()
            drain()
            travel(timedelta(minutes=1))
            if not accept:
                drain()
    assert (the_run().status, the_run().output) == ("completed", 404)


ACCEPTED = {
    "one": 404,
    "a member": HTTPStatus.NOT_FOUND,
    "a tuple": (404, 409),
    "a set": {404},
    "a range": range(400, 500),
}


@pytest.mark.parametrize("accept", ACCEPTED.values(), ids=ACCEPTED)
def test_statuses_are_given_in_any_collection(endpoint, accept):
    endpoint.answers(Answer(404))
    run = ran(lambda ctx: ctx.step.fetch("call", endpoint.url, accept=accept).status_code)
    assert run.output == 404


@pytest.mark.parametrize(
    "accept", [200, [404, 200], 600, ["404"], "404", None, True, [True], 404.0, {404: 1}, b"404"]
)
def test_what_is_no_such_status_is_refused_before_anything_is_sent(endpoint, accept):
    run = ran(lambda ctx: ctx.step.fetch("call", endpoint.url, accept=accept).ok, retries=3)
    assert (run.status, run.error["name"], endpoint.asked) == ("failed", "InvalidStep", [])
    assert "statuses from 400 to 599 are allowed" in run.error["message"]


# --- what an error tells --------------------------------------------------------------------------


def caught(url: str, seen: list[StepError], **options: Any) -> Run:
    """A run that catches its request's error, and is called again after it."""

    def handler(ctx: Context) -> None:
        try:
            ctx.step.fetch("call", url, **options)
        except StepError as error:
            seen.append(error)
        ctx.step.sleep("nap", 60)

    with registered(handler, retries=0):
        go()
        drain()
        travel(timedelta(minutes=1))
        drain()
    return the_run()


@pytest.mark.parametrize(("status", "code"), [(402, FetchCode.HTTP_4XX), (502, FetchCode.HTTP_5XX)])
def test_an_error_has_the_answers_status_code_headers_and_body(endpoint, status, code):
    endpoint.answers(Answer(status, {"reason": "no funds"}, headers={"X-Request": "abc"}))
    seen: list[StepError] = []
    run = caught(endpoint.url, seen)

    assert run.status == "completed"
    assert len(seen) == 2
    for error in seen:
        assert (error.status_code, error.code, error.body) == (
            status,
            code,
            '{"reason": "no funds"}',
        )
        assert error.headers["X-Request"] == "abc"


def test_a_long_body_is_masked_before_it_is_cut(endpoint, settings):
    settings.API_KEY = "s3cret-and-long"
    settings.JOBS = {**settings.JOBS, "SECRETS": ["API_KEY"]}
    secrets._look_again()
    body = "x" * 3_990 + settings.API_KEY + "y" * 300_000
    endpoint.answers(Answer(400, body, headers={"X-Key": settings.API_KEY}))
    seen: list[StepError] = []
    run = caught(endpoint.url, seen)

    assert seen[0].body == "x" * 3_990 + "[API_KEY]" + "…"
    assert seen[0].headers["X-Key"] == "[API_KEY]"
    assert "s3cret" not in str(run.steps.get(name="call").error)


def test_many_headers_are_kept_up_to_a_limit_and_each_whole(endpoint):
    endpoint.answers(Answer(400, headers={f"X-{n}": "v" * 1_000 for n in range(20)}))
    seen: list[StepError] = []
    caught(endpoint.url, seen)

    kept = {name: value for name, value in seen[0].headers.items() if value == "v" * 1_000}
    assert 5 <= len(kept) <= 8
    assert {len(value) for name, value in seen[0].headers.items() if "X-" in name} == {1_000}


def test_the_runs_error_and_its_hook_have_them_too(endpoint):
    endpoint.answers(Answer(409, "taken"))
    told: list[dict[str, Any]] = []
    run = ran(
        lambda ctx: ctx.step.fetch("call", endpoint.url).ok,
        on_failure=lambda ctx: told.append(ctx.event.data["error"]),
    )
    assert (run.error["status_code"], run.error["body"]) == (409, "taken")
    assert (told[0]["status_code"], told[0]["body"]) == (409, "taken")


def test_an_error_without_an_answer_has_no_body_and_no_headers():
    seen: list[StepError] = []

    def handler(ctx: Context) -> None:
        try:
            ctx.step.run("one", int, "x")
        except StepError as error:
            seen.append(error)

    ran(handler, retries=0)
    assert (seen[0].body, dict(seen[0].headers), seen[0].status_code) == ("", {}, None)


class Odd(NonRetriableError):
    """An author's own attributes of these names."""

    body = 5  # type: ignore[assignment]
    headers = "x"  # type: ignore[assignment]


def test_an_authors_error_with_other_attributes_of_these_names_is_told_without_them():
    def fails() -> None:
        raise Odd("no")

    run = ran(lambda ctx: ctx.step.run("one", fails))
    assert (run.status, run.error["name"], "body" in run.error) == ("failed", "StepError", False)
