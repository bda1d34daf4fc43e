"""An error tells programs its kind by a code, which is remembered with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobs.api import Context, FetchCode, NonRetriableError, RetryAfterError, StepError, rerun
from jobs.models import Run, Step
from jobs.testing import drain, travel
from tests.support import hostile_endpoint
from tests.support.functions import go, ran, registered, the_run
from tests.support.hostile_endpoint import Adversary, allow, answer, redirect, says, silent

pytestmark = pytest.mark.django_db

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it"


def caught(url: str) -> Any:
    """The code and the status that a function finds in its request's error after an hour's sleep,
    when its memory has been read again."""
    with registered(catches(url), retries=0):
        go()
        drain()
        travel(timedelta(hours=1))
        drain()
    return the_run().output


def catches(url: str) -> Any:
    def handler(ctx: Context) -> list[Any]:
        try:
            ctx.step.fetch("call", url, timeout=0.4)
        except StepError as error:
            ctx.step.sleep("an hour", 3600)
            return [error.code, error.status_code]
        return []

    return handler


@pytest.mark.parametrize(
    ("manner", "code", "status"),
    [
        (answer(b"", 404), FetchCode.HTTP_4XX, 404),
        (answer(b"", 429), FetchCode.HTTP_4XX, 429),
        (answer(b"", 500), FetchCode.HTTP_5XX, 500),
        (answer(b"", 503), FetchCode.HTTP_5XX, 503),
        (silent, FetchCode.TIMEOUT, None),
        (hostile_endpoint.drips_body, FetchCode.TIMEOUT, None),
        (says(b""), FetchCode.UNREACHABLE, None),
        (says(HALF), FetchCode.UNUSABLE, None),
        (says(b"SSH-2.0-OpenSSH\r\n"), FetchCode.UNUSABLE, None),
        (redirect("https://elsewhere.example/"), FetchCode.UNUSABLE, None),
        (redirect("/make"), FetchCode.UNUSABLE, None),
        (hostile_endpoint.promises_10_gb, FetchCode.UNUSABLE, None),
        (answer(b"not packed", Content_Encoding="gzip"), FetchCode.UNUSABLE, None),
        (answer(b"x", Content_Encoding="rot13"), FetchCode.UNUSABLE, None),
    ],
    ids=[
        "404",
        "429",
        "500",
        "503",
        "silent",
        "too slow",
        "hung up",
        "broken off",
        "not HTTP",
        "to another host",
        "in circles",
        "too large",
        "not gzip",
        "odd encoding",
    ],
)
def test_each_way_to_fail_has_its_code_and_keeps_it_in_the_runs_memory(
    settings, manner, code, status
):
    with Adversary(manner) as server:
        allow(settings, server)
        assert caught(server.url) == [code.value, status]


def test_an_endpoint_without_a_server_is_unreachable(settings):
    with Adversary(silent) as server:
        allow(settings, server)
    assert caught(server.url) == ["unreachable", None]


def test_a_request_that_the_engine_does_not_send_is_refused(settings):
    allow(settings, "127.0.0.1")  # without its port: no loopback address then
    assert caught("http://127.0.0.1/") == ["refused", None]


def test_an_answer_that_is_not_json_is_unusable(settings):
    with Adversary(answer(b"<html>")) as server:
        allow(settings, server)
        run = ran(lambda ctx: ctx.step.run("read", ctx.step.fetch("call", server.url).json))
    assert (run.status, run.error["code"]) == ("failed", "unusable")


def test_the_hook_the_invoker_and_the_rerun_find_the_code_in_the_runs_error(settings):
    told: list[dict[str, Any]] = []

    def invoker(ctx: Context) -> list[Any]:
        try:
            ctx.step.invoke("child", function="callee")
        except StepError as error:
            return [error.code, error.status_code]
        return []

    with (
        Adversary(answer(b"", 404)) as server,
        registered(
            lambda ctx: ctx.step.fetch("call", server.url).text,
            fn_id="callee",
            trigger=[],
            on_failure=lambda ctx: told.append(ctx.event.data["error"]),
        ),
        registered(invoker),
    ):
        allow(settings, server)
        go()
        drain()
        assert the_run().output == ["http_4xx", 404]
        rerun(the_run("callee").id)
        drain()
    assert [(error["code"], error["status_code"]) for error in told] == [("http_4xx", 404)] * 2
    assert told[1] == the_run("callee").error


def test_a_function_that_words_its_failure_itself_keeps_the_code_in_the_cause(settings):
    def handler(ctx: Context) -> None:
        try:
            ctx.step.fetch("call", server.url)
        except StepError as error:
            raise NonRetriableError("no song today") from error

    with Adversary(answer(b"", 403)) as server:
        allow(settings, server)
        run = ran(handler)
    assert "code" not in run.error
    assert (run.error["cause"]["code"], run.error["cause"]["status_code"]) == ("http_4xx", 403)


def fails(error: Exception) -> Any:
    def body() -> None:
        raise error

    return lambda ctx: ctx.step.run("one", body)


def failed(error: Exception) -> Run:
    return ran(fails(error), retries=0)


@pytest.mark.parametrize(
    "error",
    [
        NonRetriableError("sold out", code="sold_out"),
        RetryAfterError("sold out", 60, code="sold_out"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_author_s_own_code_is_remembered_like_the_engines(error):
    run = failed(error)
    assert (run.error["code"], run.steps.get().error["code"]) == ("sold_out", "sold_out")


class Exits(Exception):
    """What other packages mean by `code` is something else."""

    code = 404
    status_code = 404


class Odd(NonRetriableError):
    @property
    def code(self) -> str:
        raise RuntimeError("not today")

    @code.setter
    def code(self, value: str) -> None:
        """Not kept."""


@pytest.mark.parametrize(
    "error",
    [Exits("x"), NonRetriableError("x", code=7), Odd("x"), NonRetriableError("x", status_code="x")],
    ids=["another package's", "a number", "unreadable", "a text as status"],
)
def test_a_code_that_is_no_text_of_an_engine_s_error_is_left_out(error):
    assert {"code", "status_code"}.isdisjoint(failed(error).error)


def test_a_code_is_cut_to_its_length_and_its_secrets_are_masked(settings):
    settings.MODAL_KEY = "the-real-key"
    assert len(failed(NonRetriableError("x", code="x" * 5_000)).error["code"]) == 40
    assert "the-real-key" not in failed(NonRetriableError("x", code="the-real-key")).error["code"]


def test_an_error_that_was_remembered_before_there_were_codes_has_an_empty_one(settings):
    with Adversary(answer(b"", 404)) as server:
        allow(settings, server)
        with registered(catches(server.url), retries=0):
            go()
            drain()
            Step.objects.filter(name="call").update(
                error={"name": "NonRetriableError", "message": "gone", "stack": ""}
            )
            travel(timedelta(hours=1))
            drain()
    assert the_run().output == ["", None]
