"""Failures of one sort have one kind, as an operator would call it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now
from hypothesis import given
from hypothesis import strategies as st

from jobs.api import NonRetriableError, rerun
from jobs.lib.failure_kinds import KIND_LIMIT, general, kind_of, reason_of
from jobs.metrics import mending, rollups
from jobs.models import RollupMark, Run
from jobs.testing import Answer, Endpoint, drain
from tests.support.ended import ended, minutes
from tests.support.functions import ran, registered, the_run

URL = "POST http://127.0.0.1:9640/generate_from_description"
REASONS = [
    (f'{URL} answered 401: {{"detail": "missing or invalid credentials"}}', "401 missing or"),
    (f"{URL} answered 502: <html><h1>Bad Gateway</h1></html>", "502 Bad Gateway"),
    (
        f'{URL} answered 422: {{"detail": [{{"loc": ["body"], "msg": "field required"}}]}}',
        "422 field",
    ),
    (f'{URL} answered 500: {{"error": "CUDA out of memory", "trace": "…', "500 CUDA out of memory"),
    (f"{URL}: no whole answer within 600 s", "no whole answer within 600 s"),
    ("", "NonRetriableError"),
]
SAME = [
    ("Song 77 of user 3 does not exist.", "Song 1234 of user 11 does not exist."),
    ("no key 'a b' in the reply", "no key 'c' in the reply"),
    (
        "run 0191c2b4-7e6f-7abc-8def-0123456789ab is gone",
        "run 0191c2b5-aaaa-7abc-8def-0123 is gone",
    ),
    ("cannot open https://x.example/1?a=2 now", "cannot open http://y.example/ now"),
    ("waited 2.50 s", "waited 31 s"),
    ("“Two cats” was deleted", "“A ballad about 12 dogs” was deleted"),
    ("lease 0xdeadbeef lost", "lease 0x1 lost"),
    ("a b c d e f g h i j k", "a b c d e f g h i other words"),
]
NAMES = st.sampled_from(["name", "message", "step", "cause"])
TOLD = st.recursive(
    st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(NAMES, inner)
)


def error(message: str, name: str = "FetchError", step: str = "call") -> dict[str, Any]:
    told = {"name": "StepError", "message": f"step “{step}” failed: {name}: {message}"}
    return told | {"step": step, "cause": {"name": name, "message": message}}


@pytest.mark.parametrize(("message", "begins"), REASONS)
def test_a_reason_tells_the_end_of_the_story(message: str, begins: str):
    assert str(reason_of(error(message, "NonRetriableError"))).startswith(f"call · {begins}")


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_an_operator_calls_the_same_has_one_kind(one: str, other: str):
    assert kind_of(error(one)) == kind_of(error(other))


def test_what_differs_in_step_status_class_or_words_has_another():
    kinds = {
        kind_of(error(f"{URL} answered 401: no")),
        kind_of(error(f"{URL} answered 500: no")),
        kind_of(error(f"{URL} answered 500: no", step="other")),
        kind_of(error("no", "KeyError")),
        kind_of(error("no", "ValueError")),
        kind_of(error("yes", "ValueError")),
        kind_of(None),
    }
    assert len(kinds) == 7


def test_a_name_with_a_digit_is_a_word():
    assert general("The reply has no s3_key") == "The reply has no s3_key"


@given(TOLD)
def test_every_error_has_a_kind(told: Any):
    assert 0 < len(kind_of(told)) <= KIND_LIMIT


@pytest.mark.django_db
def test_a_run_that_fails_has_its_kind(endpoint: Endpoint):
    endpoint.answers(*[Answer(401, {"detail": f"bad key {n}"}) for n in range(2)])
    runs = [ran(lambda ctx: ctx.step.fetch("call", endpoint.url)) for _ in range(2)]
    assert [run.failure_kind for run in runs] == ["call · 401 bad key …"] * 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    "handler", [lambda ctx: 1 / 0, lambda ctx: ctx.step.run("sum", lambda: 1 / 0)]
)
def test_so_does_one_whose_own_code_fails(handler: Any):
    run = ran(handler, retries=0)
    assert run.failure_kind.endswith("ZeroDivisionError division by zero")


@pytest.mark.django_db
def test_a_retry_keeps_the_kind_until_the_run_fails_in_another_way():
    def fail(word: str) -> Any:
        def handler(ctx: Any) -> None:
            raise NonRetriableError(word)

        return handler

    ran(fail("this"))
    with registered(fail("that")):
        rerun(the_run().id)
        assert the_run().failure_kind == "this"
        drain()
    assert the_run().failure_kind == "that"


@pytest.mark.django_db
def test_failures_of_before_get_their_kinds_a_piece_at_a_time(monkeypatch):
    monkeypatch.setattr(mending, "NAMED_AT_ONCE", 2)
    for number in range(5):
        ended(minutes(number + 2), "failed", error=error(f"no room for {number}"))
    ended(status="completed")
    while not rollups.roll_up():
        pass
    kinds = Run.objects.order_by().values_list("status", "failure_kind").distinct()
    assert set(kinds) == {("failed", "call · no room for …"), ("completed", "")}


@pytest.mark.django_db
def test_so_does_a_failure_that_a_cluster_of_the_code_before_has_written():
    while not rollups.roll_up():
        pass
    run = ended(minutes(0), "failed", error=error("no room"))
    Run.objects.update(ended_at=Now() - minutes(0.1))
    RollupMark.objects.update(rolled_to=Now() - minutes(1))
    rollups.roll_up()
    run.refresh_from_db()
    assert run.failure_kind == "call · no room"
