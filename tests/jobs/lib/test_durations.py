"""A duration is said in the same ways everywhere: a number of seconds, a Decimal, a timedelta."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from jobs import conf
from jobs.api import Cancel, InvalidFunction, InvalidStep, RetryAfterError, Timeouts
from jobs.lib import settings_check
from jobs.lib.backoff import delay
from jobs.lib.durations import in_words
from jobs.registry import catalog
from jobs.testing import drain, travel
from tests.support.functions import go, ran, registered, the_run

MINUTE = [60, 60.0, Decimal("60"), timedelta(minutes=1)]
NONE = ["60", True, float("nan"), float("inf"), Decimal("NaN"), 10**5000, b"60", [60], object()]

STEPS: dict[str, Any] = {
    "sleep": lambda step, url, span: step.sleep("s", span),
    "wait": lambda step, url, span: step.wait_for_event("s", event="test/x", timeout=span),
    "invoke": lambda step, url, span: step.invoke("s", function="sleeper", timeout=span),
    "fetch": lambda step, url, span: step.fetch("s", url, timeout=span),
}
OPTIONS: dict[str, Any] = {
    "timeouts.start": lambda span: {"timeouts": Timeouts(start=span)},
    "timeouts.finish": lambda span: {"timeouts": Timeouts(finish=span)},
    "cancel_on": lambda span: {"cancel_on": Cancel(event="test/x", timeout=span)},
    "backoff": lambda span: {"backoff": [span]},
}


@pytest.mark.django_db
@pytest.mark.parametrize("call", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("span", MINUTE, ids=lambda span: type(span).__name__)
def test_every_step_takes_each_of_them(call, span, endpoint):
    with registered(lambda ctx: ctx.step.sleep("long", 3600), fn_id="sleeper", trigger=[]):
        run = ran(lambda ctx: bool(call(ctx.step, endpoint.url, span)))
    step = run.steps.get()
    left = (step.due_at or run.created_at) - run.created_at
    assert run.status in ("waiting", "completed")
    assert run.status == "completed" or timedelta(seconds=59) < left <= timedelta(seconds=61)


@pytest.mark.django_db
@pytest.mark.parametrize("call", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("span", NONE, ids=map(str, range(len(NONE))))
def test_every_step_refuses_what_is_none_at_once(call, span, endpoint):
    with registered(lambda ctx: None, fn_id="sleeper", trigger=[]):
        run = ran(lambda ctx: call(ctx.step, endpoint.url, span), retries=3)
    attempt = run.attempts.get()
    assert (run.status, attempt.error_class) == ("failed", f"jobs.errors.{InvalidStep.__name__}")
    assert "are allowed, as a number" in attempt.error_message


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("span", MINUTE, ids=lambda span: type(span).__name__)
def test_every_option_takes_each_of_them_and_keeps_seconds(option, span):
    with registered(lambda ctx: None, **option(span)) as function:
        config = function.config()
    assert config["timeouts"] in ({}, {"start": 60.0}, {"finish": 60.0})
    assert config["backoff"] in ([1], [60.0])


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("span", NONE, ids=map(str, range(len(NONE))))
def test_every_option_refuses_what_is_none(option, span):
    known = list(catalog.all_functions())
    said = "seconds or timedeltas|a timedelta or a number of seconds"
    with pytest.raises(InvalidFunction, match=said), registered(lambda ctx: None, **option(span)):
        pass
    assert list(catalog.all_functions()) == known


@pytest.mark.parametrize("span", MINUTE, ids=lambda span: type(span).__name__)
def test_an_error_that_says_when_takes_each_of_them(span):
    assert delay(RetryAfterError("busy", span), 0, 1, now=datetime.now(UTC)) == 60.0


@pytest.mark.parametrize("table", [[60, 90.0], (timedelta(minutes=1), timedelta(seconds=90))])
def test_the_setting_takes_numbers_and_timedeltas(settings, table):
    settings.JOBS = {**settings.JOBS, "BACKOFF": table}
    assert conf.backoff() == [60.0, 90.0]


@pytest.mark.parametrize("table", [5, "5", [], ["5"], [-1], [True], [float("nan")], {1: 2}])
def test_a_setting_that_is_none_is_an_error_of_the_check(settings, table):
    settings.JOBS = {**settings.JOBS, "BACKOFF": table}
    with pytest.raises(ImproperlyConfigured, match="a list of seconds or timedeltas is allowed"):
        conf.backoff()
    assert [problem.id for problem in settings_check.check(None)] == ["jobs.E001"]


@pytest.mark.django_db
@pytest.mark.parametrize("past", [-5, -0.5, timedelta(days=-400), 0])
def test_a_sleep_of_less_than_nothing_is_no_sleep_as_one_until_the_past(past):
    def handler(ctx):
        ctx.step.sleep("by span", past)
        ctx.step.sleep_until("by time", datetime.now(UTC) - timedelta(days=400))
        return "awake"

    run = ran(handler)
    assert (run.status, run.output) == ("completed", "awake")


@pytest.mark.django_db
def test_a_wait_for_an_event_without_a_timeout_ends_after_366_days():
    def handler(ctx):
        return ctx.step.wait_for_event("paid", event="test/paid") is None

    with registered(handler):
        go()
        drain()
        assert (the_run().status, the_run().reason) == ("waiting", "event")
        travel(timedelta(days=365))
        drain()
        assert the_run().status == "waiting"
        travel(timedelta(days=1, seconds=1))
        drain()
    assert (the_run().status, the_run().output) == ("completed", True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0, "0 ms"), (0.0218, "22 ms"), (0.1, "0.1 s"), (9.94, "9.9 s"), (42, "42 s")),
        *((119, "119 s"), (250, "4 min"), (7_200, "2 h"), (3 * 86_400, "3 d")),
    ],
)
def test_a_span_in_words_keeps_a_figure_that_says_something(seconds, words):
    assert in_words(seconds) == words
