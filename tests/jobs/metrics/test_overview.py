"""The first look at the panel says in a sentence whether all is well, or what is not."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.api import TriggerCron, pause
from jobs.maintenance import cron
from jobs.metrics.functions import functions
from jobs.metrics.needs import CODES, Level
from jobs.metrics.overview import overview
from jobs.metrics.spans import SPANS, InvalidSpan, span_of
from jobs.metrics.steps import steps
from jobs.metrics.unfinished import count_unfinished
from jobs.testing import Answer, Endpoint, travel
from tests.support.ended import ended, minutes
from tests.support.functions import ran, registered
from tests.support.rows import make_cluster, make_fetch, make_function, make_run, now

pytestmark = pytest.mark.django_db
HOUR = SPANS["1h"]
PULSE = {"looked": 1.0, "claimed": 1.0, "problem": "", "at_work": 1, "workers": 2}


@pytest.fixture
def cluster() -> None:
    make_cluster(pulse=PULSE)


def told() -> list[str]:
    needs = overview(HOUR).needs
    assert {need.code for need in needs} <= set(CODES)
    return [str(need) for need in needs]


@pytest.mark.parametrize("key", SPANS)
def test_what_ended_is_counted_in_every_span(key: str):
    ran(lambda ctx: ctx.step.run("first", lambda: 1))
    seen = overview(SPANS[key])
    assert seen.charts.all.total.completed == 1
    assert seen.charts.of("test-function").total.completed == 1
    assert [f.series.total.completed for f in functions(seen.charts) if f.fn_id == "test-function"]
    (step,) = steps("test-function", SPANS[key]).steps
    assert (step.name, step.runs, step.failed) == ("first", 1, 0)


@pytest.mark.usefixtures("cluster")
def test_one_look_is_ten_queries(django_assert_max_num_queries):
    for number in range(5):
        ended(minutes(5), "failed", failure_kind=f"kind {number}")
    with django_assert_max_num_queries(10):
        overview(SPANS["7d"])


@pytest.mark.usefixtures("cluster")
def test_all_is_well_in_one_sentence():
    for _ in range(42):
        ended(minutes(5), wait=0.3)
    ended(minutes(5), fn_id="other")
    seen = overview(HOUR, "sing", "song")
    assert seen.is_well
    assert seen.sentence == "All is well: 42 songs in the last hour, typical wait 0.3 s."


def test_without_a_cluster_the_sentence_says_so():
    assert overview(HOUR).sentence == "No cluster has ever been heard of."
    make_cluster(pulse=PULSE)
    make_run()
    travel(minutes(4))
    seen = overview(HOUR)
    assert seen.sentence == "No cluster is alive: the last one died 4 min ago. 1 run is queued."
    assert seen.needs[0].level == Level.BAD


@pytest.mark.usefixtures("cluster")
def test_a_run_that_waits_for_a_worker_for_long_is_told():
    run = make_run(now() - minutes(4), due_at=now() - minutes(4))
    assert told() == ["The oldest due run waits 4 min. 1 of 2 workers are busy."]
    assert count_unfinished().oldest_due == run.id


@pytest.mark.usefixtures("cluster")
def test_the_kinds_that_fail_are_told_the_worst_first():
    for number in range(12):
        ended(
            minutes(10) - minutes(number / 2),
            "failed",
            failure_kind="call · 500 no room",
            turn_keys=[str(number)],
        )
    ended(minutes(300), "failed", failure_kind="old")
    assert told() == [
        "12 runs failed: call · 500 no room. First 10 min ago, last 4 min ago, 12 keys.",
        "1 run failed: old. First 5 h ago, last 5 h ago.",
    ]


def test_a_paused_handler_says_what_does_not_happen_meanwhile():
    with registered(lambda ctx: None, fn_id="sing-failure"):
        make_function("sing", on_failure="sing-failure")
        pause("sing-failure", reason="the mail server is down")
        travel(minutes(3))
        make_cluster(pulse=PULSE)
        make_run(fn_id="sing-failure", status="skipped", ended_at=now())
        (line,) = told()
    assert line == (
        "sing-failure has been paused for 3 min. “the mail server is down” 1 skipped. "
        "Nothing is told when a run of sing fails."
    )


@pytest.mark.usefixtures("cluster")
def test_a_function_that_no_cluster_knows_is_told():
    make_run(fn_id="removed", reason="function", due_at=now())
    assert told() == ["No cluster knows removed. 1 run waits for it."]


@pytest.mark.usefixtures("cluster")
def test_requests_that_wait_to_be_sent_are_told():
    make_fetch(
        make_run(status="waiting"),
        now() - minutes(1),
        1,
        200,
        status="pending",
        url="http://studio.example/",
        sent_at=None,
        ended_at=None,
        created_at=now() - minutes(1),
    )
    (line,) = told()
    assert line.startswith("1 request to studio.example waits to be sent,")
    assert "the oldest for 60 s; 0 are in flight." in line


@pytest.mark.usefixtures("cluster")
def test_a_cluster_that_died_is_told_for_an_hour_and_one_that_stopped_is_not():
    make_cluster("dead", pulse=PULSE, seen_at=now() - minutes(4))
    make_cluster("stopped", pulse=PULSE, seen_at=now() - minutes(4), stopped_at=now() - minutes(4))
    assert told() == ["studio-1 died. It is silent for 4 min, without a good-bye."]


def test_runs_are_counted_by_state_and_reason():
    make_run(reason="turn")
    make_run(status="waiting", reason="fetch"), make_run(status="waiting", reason="sleep")
    make_run(status="running", fn_id="dance")
    ended()
    seen = count_unfinished()
    assert (seen.queued, seen.running, seen.waiting, seen.count()) == (1, 1, 2, 4)
    assert seen.count("waiting", "sleep") == 1
    assert seen.pending == {"dance": 1, "generate-song-event": 3}
    assert not seen.is_capped


def test_the_time_of_a_steps_requests_is_from_their_sending_to_their_answer(endpoint: Endpoint):
    def make(ctx: Any) -> None:
        ctx.step.fetch("call", endpoint.url)
        ctx.step.run("break", lambda: 1 / 0)

    endpoint.answers(Answer(body={}))
    run = ran(make, retries=0)
    run.fetches.update(sent_at=now() - minutes(2), ended_at=now() - minutes(1))
    found = {step.name: step for step in steps("test-function", HOUR).steps}
    assert found["call"].p50 == pytest.approx(60, abs=1)
    assert found["call"].slowest_run == run.id
    assert (found["break"].failed, found["break"].runs) == (1, 1)
    assert found["call"].share > 0.9


def test_a_functions_next_tick_and_its_pause_are_told():
    with registered(lambda ctx: None, fn_id="sing", trigger=TriggerCron(cron="0 0 29 2 *")):
        cron.sync()
        pause("sing")
        (row,) = [row for row in functions(overview(HOUR).charts) if row.fn_id == "sing"]
    assert row.paused_at is not None
    assert row.next_tick is not None
    assert (row.next_tick.year, row.next_tick.month, row.next_tick.day) == (2028, 2, 29)


def test_a_span_that_is_none_is_refused_in_a_sentence():
    assert span_of("") is HOUR
    with pytest.raises(InvalidSpan, match=r"'2h' is no span; 15m, 1h, 24h, 7d are\."):
        span_of("2h")
