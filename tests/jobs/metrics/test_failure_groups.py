"""What fails, since when, how much and whom it concerns: a group for each kind."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.api import NonRetriableError
from jobs.metrics.failures import BARS, failures
from jobs.metrics.remedies import Remedy
from jobs.testing import Answer, Endpoint
from tests.support.ended import ended, minutes
from tests.support.functions import ran
from tests.support.rows import make_cluster

pytestmark = pytest.mark.django_db
KIND = "call-modal-api · 401 missing or invalid credentials"
ANSWER = 'POST http://studio/ answered 401: {"detail": "missing or invalid credentials"}'
REFUSED = {"step": "call-modal-api", "cause": {"name": "NonRetriableError", "message": ANSWER}}


def test_a_group_counts_runs_and_listeners_and_knows_when():
    make_cluster("a", pulse={"pusher": 4, "pid": 3, "looked": 1.0, "problem": ""})
    runs = [
        ended(
            minutes(50 - number),
            "failed",
            failure_kind=KIND,
            error=REFUSED,
            worker="studio-1/4",
            turn_keys=[f"sing:0:{number % 3}"],
        )
        for number in range(10)
    ]
    ended(minutes(1), "failed", failure_kind="another", fn_id="dance")
    found = failures()
    assert (found.runs, found.is_capped) == (11, False)
    first, second = found.groups
    assert (first.kind, first.runs, first.keys, first.functions) == (KIND, 10, 3, ["sing"])
    assert (first.step, first.what) == ("call-modal-api", "401")
    assert first.words == "missing or invalid credentials"
    assert (first.first, first.last) == (runs[0].ended_at, runs[-1].ended_at)
    assert (first.clusters, first.sample) == (["studio-1:3"], runs[-1].id)
    assert (len(first.sparkline), sum(first.sparkline)) == (BARS, 10)
    assert first.share == pytest.approx(10 / 11)
    assert (second.kind, second.functions) == ("another", ["dance"])


def test_groups_of_a_time_and_of_a_function_have_no_others():
    ended(minutes(50), "failed", failure_kind="old")
    ended(minutes(5), "failed", failure_kind="new", fn_id="dance")
    new = ended(minutes(5), "failed", failure_kind="new")
    assert [g.kind for g in failures(new.ended_at - minutes(1)).groups] == ["new"]
    assert [(g.kind, g.runs) for g in failures(fn_id="dance").groups] == [("new", 1)]


def test_a_failed_request_is_asked_again_by_a_retry(endpoint: Endpoint):
    endpoint.answers(Answer(401, {"detail": "bad key"}))
    ran(lambda ctx: ctx.step.fetch("call", endpoint.url))
    (group,) = failures().groups
    assert group.advice.remedy == Remedy.RETRY


def test_what_an_answer_does_not_have_is_had_by_asking_again(endpoint: Endpoint):
    def make(ctx: Any) -> None:
        answer = ctx.step.fetch("call", endpoint.url)
        ctx.step.run("update", lambda: answer.json()["s3_key"])

    endpoint.answers(Answer(body={"other": 1}))
    ran(make, retries=0)
    (group,) = failures().groups
    assert (group.advice.remedy, group.advice.from_step) == (Remedy.RERUN_FROM, "call")
    assert group.advice.why == "The remembered answer of call would fail again; rerun from call."


def gone() -> None:
    raise NonRetriableError("The song was deleted.")


def test_what_is_gone_is_left_out():
    ran(lambda ctx: ctx.step.run("find", gone))
    (group,) = failures().groups
    assert group.advice.remedy == Remedy.LEAVE_OUT


def test_anything_else_is_tried_again():
    ran(lambda ctx: ctx.step.run("connect", open, "/nowhere"), retries=0)
    (group,) = failures().groups
    assert group.advice.remedy == Remedy.RETRY
