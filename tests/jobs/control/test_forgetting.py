"""jobs.api.forget: the words of an event and of all that came of it go, and its runs stay.

A canary is said in every place that a payload can come to; then it is looked for in every row.
"""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.urls import reverse

from jobs.api import (
    Context,
    Event,
    InvalidEvent,
    InvalidTransition,
    NonRetriableError,
    StepError,
    answers,
    bulk,
    cancel,
    forget,
    pause,
    replay_skipped,
    rerun,
    send,
    unfinished_runs,
)
from jobs.control import forgetting
from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.maintenance import retention
from jobs.metrics import ends
from jobs.models import Attempt, Fetch, LogLine, Run, Step
from jobs.models import Event as EventRow
from jobs.runs.queue import claim_due
from jobs.testing import Answer, Endpoint, drain, travel
from tests.support.blocking import others
from tests.support.canary import rows
from tests.support.commit_boundaries import Cluster, a_minute_later, deaths, forget_everything
from tests.support.functions import go, registered, the_run

pytestmark = pytest.mark.django_db
WORD = "Zebrafink"
LONG = timedelta(days=1)
PATIENCE = 30  # seconds


def holding() -> set[str]:
    """The tables that still hold the word."""
    return {table for table, row in rows() if WORD.lower() in row.lower()}


def loud(url: str) -> Any:
    """Says its event's word everywhere, and fails with it."""

    def handler(ctx: Context) -> Any:
        word = ctx.event.data["word"]
        ctx.logger.info("about %s", word)
        ctx.step.run("remember", lambda: {"said": word})
        ctx.step.fetch("ask", f"{url}/{word}?q={word}", method="POST", json={"word": word})
        ctx.step.invoke("deeper", function="child", data={"word": word})
        try:
            ctx.step.wait_for_event(
                "wait", event="test/answer", if_exp=f"async.data.word == '{word}'", timeout=60
            )
            ctx.step.run("stumble", stumble, word)
        except StepError:
            ctx.step.run("fall", fall, word)

    return handler


def stumble(word: str) -> None:
    raise RuntimeError(f"stumbled over {word}")


def fall(word: str) -> None:
    raise NonRetriableError(f"fell over {word}", code="fell")


def child(ctx: Context) -> Any:
    return ctx.step.run("echo", lambda: [ctx.event.data["word"]])


def hook(ctx: Context) -> Any:
    return ctx.step.run("mourn", lambda: ctx.event.data["error"]["message"])


def a_loud_run(endpoint: Endpoint) -> Run:
    """A run that failed, with its hook, an invoked run, an edited rerun, and a sentence of an
    operator's."""
    endpoint.answers(Answer(503, f"no {WORD}"), Answer(200, {"word": WORD}))
    with (
        registered(child, fn_id="child", trigger=[]),
        registered(loud(endpoint.url), on_failure=hook, retries=1),
    ):
        go({"word": WORD}, id=f"of {WORD}")
        for _ in range(4):
            drain()
            send(Event(name="test/answer", data={"word": WORD}, id="the answer"))
            travel(timedelta(minutes=2))
        first = Run.objects.filter(fn_id="test-function").order_by("id")[0]
        rerun(first.id)
        rerun_until_it_ends()
        rerun(first.id, data={"word": f"{WORD} again"})
        rerun_until_it_ends()
    Run.objects.filter(id=first.id).update(dealt_with=f"told {WORD}")
    first.refresh_from_db()
    return first


def rerun_until_it_ends() -> None:
    for _ in range(4):
        drain()
        travel(timedelta(minutes=2))


def skeleton() -> dict[str, Any]:
    """All that is to stay."""
    return {
        "runs": sorted(
            Run.objects.exclude(fn_id=forgetting.FUNCTION).values_list(
                "id", "fn_id", "status", "started_at", "ended_at", "steps_done", "epoch"
            )
        ),
        "steps": sorted(
            Step.objects.exclude(run__fn_id=forgetting.FUNCTION).values_list(
                "id", "name", "kind", "status", "attempts", "output_bytes"
            )
        ),
        "attempts": sorted(
            Attempt.objects.values_list("id", "step_name", "error_class", "ended_at")
        ),
        "lines": sorted(LogLine.objects.values_list("id", "level", "step_name", "at")),
        "requests": sorted(
            Fetch.objects.values_list("id", "method", "status", "response__status_code")
        ),
        "events": Counter(
            EventRow.objects.exclude(name=forgetting.EVENT).values_list("name", flat=True)
        ),
    }


def counted() -> Counter[tuple[str, str]]:
    """The ends as the panel's charts count them."""
    found = ends.counted(*spanning())
    return Counter(
        {(c.fn_id, c.status): c.runs for c in found.values() if c.fn_id != "jobs-forget"}
    )


def spanning() -> tuple[Any, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now() - interval '9 days', now() + interval '1 day'")
        since, until = cursor.fetchone()
        return since, until


def test_no_row_holds_a_word_of_a_forgotten_event_and_every_row_is_still_there(endpoint):
    run = a_loud_run(endpoint)
    said = {"jobs_event", "jobs_run", "jobs_step", "jobs_attempt", "jobs_logline", "jobs_fetch"}
    answers = EventRow.objects.filter(name="test/answer").values_list("id", flat=True)
    forget(list(answers))  # a fact of its own
    assert holding() >= said
    whole, figures = skeleton(), counted()

    forget([run.event_id])
    drain()
    assert holding() == set()
    assert skeleton() == whole
    assert counted() == figures
    assert run.error["message"]
    run.refresh_from_db()
    assert run.error == {
        "name": "StepError",
        "message": "forgotten",
        "stack": "",
        "step": "fall",
        "code": "fell",
    } | {"cause": run.error["cause"]}
    assert run.forgotten_at is not None


# Names that an author gives, kinds, numbers of machines, ids.
STAYS = {
    "jobs_event": {"name"},
    "jobs_run": {"fn_id", "status", "reason", "worker", "asked_by", "dealt_by"},
    "jobs_step": {"name", "kind", "status", "awaits"},
    "jobs_attempt": {"step_name", "status", "worker", "error_class"},
    "jobs_logline": {"step_name", "level"},
    "jobs_fetch": {"step_name", "method", "idempotency_key", "status"},
    "jobs_undoneend": {"fn_id", "status"},
}
VALUES = {
    "jsonb": f'\'{{"{WORD}": ["{WORD}"]}}\'',
    "text": f"'http://x.test/{WORD}'",
    "character varying": f"'{WORD}'",
    "ARRAY": f"ARRAY['{WORD}']",
}
COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
 WHERE table_schema = current_schema() AND table_name = %s
   AND (data_type IN ('jsonb', 'text', 'character varying') OR udt_name IN ('_text', '_varchar'))
"""


def test_each_column_that_can_hold_words_is_forgotten_or_named_here(endpoint):
    """A column that is new in one of these tables has to be thought of."""
    run = a_loud_run(endpoint)
    with connection.cursor() as cursor:
        for table, stays in STAYS.items():
            cursor.execute(COLUMNS, [table])
            columns = {name: kind for name, kind in cursor.fetchall() if name not in stays}
            told = ", ".join(f"{name} = {VALUES[kind]}" for name, kind in columns.items())
            where = "name NOT LIKE 'jobs/%'" if table == "jobs_event" else "true"
            cursor.execute(f"UPDATE {table} SET {told} WHERE {where}")
            assert cursor.rowcount
    forget(
        [run.event_id, *EventRow.objects.filter(name="test/answer").values_list("id", flat=True)]
    )
    drain()
    left = {(table, row) for table, row in rows() if WORD.lower() in row.lower()}
    assert left == set()


def test_the_panel_says_that_a_run_is_forgotten_and_offers_to_run_nothing_again(admin_client):
    with registered(child):
        run = go({"word": WORD})
        drain()
        address = reverse("admin:jobs_run_change", args=[run.pk])
        assert "Rerun from the start" in admin_client.get(address).content.decode()
        forget([run.event_id])
        drain()
        page = admin_client.get(address).content.decode()
        assert "What this run worked with was forgotten" in page
        assert "Rerun" not in page
        event = reverse("admin:jobs_event_change", args=[run.event_id])
        page = admin_client.get(event).content.decode()
        assert "What this event said was forgotten" in page
        assert "Send again" not in page


def test_to_forget_twice_changes_nothing_more(endpoint):
    run = a_loud_run(endpoint)
    forget([run.event_id])
    drain()
    first = {row for table, row in rows() if table in ("jobs_step", "jobs_fetch", "jobs_event")}
    forget([str(run.event_id), str(run.event_id), uuid.uuid4()])
    drain()
    again = the_run(forgetting.FUNCTION)
    assert again.output == {"runs": 0, "events": 0}
    assert first <= {row for table, row in rows()}


def test_other_events_keep_their_words():
    with registered(child):
        forgotten, kept = (go({"word": f"{WORD} {n}"}) for n in range(2))
        drain()
        forget([forgotten.event_id])
        drain()
    kept.refresh_from_db()
    assert kept.output == [f"{WORD} 1"]
    assert EventRow.objects.get(id=kept.event_id).data == {"word": f"{WORD} 1"}
    assert EventRow.objects.get(id=forgotten.event_id).data == {}


# --- what has not ended ---------------------------------------------------------------------------


def sleeper(ctx: Context) -> Any:
    ctx.step.run("before", lambda: ctx.event.data["word"])
    ctx.step.sleep("long", 3_600)
    return ctx.step.run("after", lambda: ctx.event.data["word"])


def test_an_unfinished_run_goes_on_with_its_words_and_is_forgotten_once_it_ends():
    with registered(sleeper):
        run = go({"word": WORD})
        drain()
        forget([run.event_id])
        drain()
        assert Step.objects.get(run=run, name="before").output == WORD
        travel(timedelta(hours=2))
        drain()
        run.refresh_from_db()
        assert run.status == "completed"
        travel(LONG)
        drain()
    assert holding() == set()
    assert the_run(forgetting.FUNCTION).status == "completed"


def test_it_looks_less_and_less_often_at_what_does_not_end():
    with registered(sleeper):
        run = go({"word": WORD})
        pause("test-function")
        looks = []
        for idle in range(16):
            looks.append(forgetting.round_of([str(run.event_id)], idle)["rest"])
    assert looks[:3] == [5.0, 10.0, 20.0]
    assert looks[-1] == 6 * 3_600


def test_the_forgotten_of_a_rolled_back_transaction_is_remembered():
    with registered(child):
        run = go({"word": WORD})
        drain()
        with transaction.atomic():
            forget([run.event_id])
            transaction.set_rollback(True)
        drain()
    run.refresh_from_db()
    assert run.output == [WORD]


def test_an_answer_that_comes_after_the_cancellation_is_waited_for_and_forgotten(endpoint):
    def handler(ctx: Context) -> Any:
        return ctx.step.fetch("ask", endpoint.url, method="POST", json=ctx.event.data).text

    endpoint.answers(Answer(200, {"word": WORD}))
    with registered(handler):
        run = go({"word": WORD})
        for claimed in claim_due(10):
            execute(claimed)
        [request] = gateway.lease_requests(10)
        cancel(run.id)
        forget([run.event_id])
        assert answers([run.event_id], step="ask") == (1, [])
        forgetting.round_of([str(run.event_id)])
        assert Fetch.objects.get(run=run).body  # in flight: it is still the sender's
        gateway.store_responses([(request, gateway.perform_now(request))])
        in_flight, [response] = answers([run.event_id], step="ask")
        assert (in_flight, response.status_code, response.json()) == (0, 200, {"word": WORD})
        drain()
    assert holding() == set()


def test_a_child_is_remembered_until_its_parent_has_read_it():
    def parent(ctx: Context) -> Any:
        first = ctx.step.invoke("ask", function="child", data=ctx.event.data)
        ctx.step.sleep("long", 3_600)
        return first

    with registered(child, fn_id="child", trigger=[]), registered(parent):
        run = go({"word": WORD})
        drain()
        forget([run.event_id])
        drain()
        assert Run.objects.get(fn_id="child").output == [WORD]
        for _ in range(3):
            travel(LONG)
            drain()
    assert holding() == set()
    assert the_run().status == "completed"


def test_a_child_that_ends_after_its_parent_is_forgotten_too():
    def parent(ctx: Context) -> Any:
        return ctx.step.invoke("ask", function="slow", data=ctx.event.data)

    with registered(sleeper, fn_id="slow", trigger=[]), registered(parent):
        run = go({"word": WORD})
        drain()
        cancel(run.id)
        forget([run.event_id])
        drain()
        for _ in range(3):
            travel(LONG)
            drain()
    assert holding() == set()


# --- who else is at work --------------------------------------------------------------------------


def test_a_forgotten_run_is_not_run_again_in_any_way():
    with registered(child):
        run = go({"word": WORD})
        drain()
        pause("test-function")
        skipped = go({"word": WORD})
        forget([run.event_id, skipped.event_id])
        drain()
        for how in ({"from_start": True}, {"data": {"word": "x"}}, {"from_step": "echo"}):
            with pytest.raises(InvalidTransition, match=r"was forgotten at .* cannot run again"):
                rerun(run.id, **how)
        assert list(replay_skipped("test-function")) == []
        bulk("rerun", fn_id="test-function")
        drain()
    assert Run.objects.filter(fn_id="test-function").count() == 2
    assert the_run("jobs-bulk").output["refused"] == 0


@pytest.mark.django_db(transaction=True)
def test_a_run_that_another_transaction_has_locked_is_left_to_the_next_round():
    with registered(child):
        run = go({"word": WORD})
        drain()
    asked = [str(run.event_id)]
    with others() as start, transaction.atomic():
        Run.objects.select_for_update().get(id=run.id)
        done = start(lambda: forgetting.round_of(asked)).result(PATIENCE)
    assert (done["runs"], done["events"], done["left"]) == (0, 0, asked)
    done = forgetting.round_of(asked)
    assert (done["runs"], done["events"], done["left"]) == (1, 1, [])


def test_retention_and_forgetting_do_not_mind_each_other(settings):
    settings.JOBS = {**settings.JOBS, "RETENTION_DAYS": 1}
    with registered(child):
        old = go({"word": WORD})
        drain()
        travel(timedelta(days=3))
        young = go({"word": WORD})
        drain()
    forget([old.event_id, young.event_id])
    retention.forget()
    drain()
    assert not Run.objects.filter(id=old.id).exists()
    assert Run.objects.get(id=young.id).forgotten_at is not None
    assert holding() == set()


def test_a_round_is_bounded_and_the_rest_is_another_rounds(monkeypatch):
    monkeypatch.setattr(forgetting, "BATCH", 2)
    monkeypatch.setattr(forgetting, "BATCHES", 2)
    with registered(child):
        sent = send([Event(name="test/go", data={"word": WORD}) for _ in range(7)])
        drain()
    done = forgetting.round_of(sent)
    assert (done["runs"], len(done["left"])) == (4, 3)
    forget(sent)
    drain()
    assert holding() == set()


def test_a_long_list_is_several_runs(monkeypatch):
    monkeypatch.setattr(forgetting, "MOST_ASKED", 2)
    with registered(child):
        sent = send([Event(name="test/go", data={"word": WORD}) for _ in range(5)])
        drain()
    assert len(forget(sent)) == 3
    drain()
    assert holding() == set()


@pytest.mark.parametrize("given", ["not an id", 7, None, ["x"]])
def test_what_is_no_id_is_refused_and_nothing_is_begun(given):
    with pytest.raises(InvalidEvent, match="is not the id of an event"):
        forget([given])
    with pytest.raises(InvalidEvent, match="takes a list of ids"):
        forget(str(uuid.uuid4()))
    assert not Run.objects.exists()


def test_nothing_to_forget_begins_nothing():
    assert forget([]) == []
    assert not Run.objects.exists()


def test_unfinished_runs_are_those_of_the_event_and_of_its_reruns():
    with registered(sleeper), registered(child, fn_id="other"):
        run = go({"word": WORD})
        drain()
        cancel(run.id)
        again = rerun(run.id, from_start=True)
        assert unfinished_runs([run.event_id], fn_id="test-function") == [again]
        assert unfinished_runs([run.event_id], fn_id="other") == []


# --- whatever dies --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_whatever_dies_while_words_are_forgotten_they_are_gone_in_the_end(before, monkeypatch):
    monkeypatch.setattr(forgetting, "BATCH", 1)

    def begin() -> None:
        forget_everything()
        sent = send([Event(name="test/go", data={"word": WORD}) for _ in range(2)])
        assert Cluster().work()
        forget(sent)

    with registered(child):
        begin()
        cluster = Cluster()
        assert a_minute_later(cluster)
        assert holding() == set()
        whole = Counter(Run.objects.values_list("fn_id", "status"))
        boundaries = cluster.boundaries(before=before)
        died_at = []
        for dead in deaths(begin, boundaries):
            assert a_minute_later(Cluster())
            assert holding() == set()
            assert Counter(Run.objects.values_list("fn_id", "status")) == whole
            died_at.append(dead.commits[-1])
    assert died_at.count("forgetting.round_of") == 4


def test_the_search_for_what_came_of_an_event_reads_by_indexes_alone():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {forgetting.REMEMBERED_RUNS}", {"roots": [uuid.uuid4()]})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "jobs_event_told" in plan
    assert "Seq Scan" not in plan
