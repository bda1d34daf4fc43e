"""jobs.api.forget: the words of an event and of all that came of it go, and its runs stay.

A canary is said in every place that a payload can come to; then it is looked for in every row.
"""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from jobs.api import (
    Context,
    Event,
    NonRetriableError,
    StepError,
    forget,
    rerun,
    send,
)
from jobs.control import forgetting
from jobs.metrics import ended_runs
from jobs.models import Attempt, Fetch, LogLine, Run, Step
from jobs.models import Event as EventRow
from jobs.testing import Answer, Endpoint, drain, travel
from tests.support.canary import rows
from tests.support.forgetting import WORD, child, holding
from tests.support.functions import go, registered, the_run

pytestmark = pytest.mark.django_db


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
            Fetch.objects.values_list("id", "method", "status", "response_head__status_code")
        ),
        "events": Counter(
            EventRow.objects.exclude(name=forgetting.EVENT).values_list("name", flat=True)
        ),
    }


def counted() -> Counter[tuple[str, str]]:
    """The ends as the panel's charts count them."""
    found = ended_runs.counted(*spanning())
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
