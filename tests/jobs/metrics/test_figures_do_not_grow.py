"""Law 12 for the panel's figures: a page reads a few thousand rows, whatever the history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs.api import Context, Event, send
from jobs.metrics import failures, rollups
from jobs.metrics.event_names import event_names
from jobs.metrics.functions import functions
from jobs.metrics.overview import overview
from jobs.metrics.spans import SPANS
from jobs.metrics.steps import steps
from jobs.models import Rollup, RollupMark, Run, UndoneEnd
from jobs.testing import drain
from tests.support.explain import Explained, explained
from tests.support.functions import registered
from tests.support.history import make_history, off_the_record, tidy_up

pytestmark = pytest.mark.django_db(transaction=True)
HISTORY = 30_000
MAX_PAGES = 6_000  # of one statement: a page for each row, and the way to it
MAX_QUERIES = 22  # of all pages together
LARGE = ("jobs_run", "jobs_event", "jobs_step", "jobs_rollup")
KINDS = """
UPDATE jobs_run SET failure_kind = 'call · 500 kind ' || (hashtext(id::text) & 15)
 WHERE status = 'failed'
"""


def work(ctx: Context) -> str:
    ctx.step.run("first", lambda: 1)
    if ctx.event.data.get("sleep"):
        ctx.step.sleep("nap", 3600)
    return "done"


def everything_that_is_looked_at(key: str) -> list[Any]:
    seen = overview(SPANS[key])
    of_kind = failures.open_runs_of("call · 500 kind 3")[:50]
    figures = functions(seen.charts, seen.unfinished)
    told = [figures, steps("test-function", SPANS[key]), event_names(SPANS[key])]
    return [*told, list(of_kind.defer("error", "output"))]


def looked_at(key: str) -> Explained:
    with transaction.atomic(), explained() as panel:
        everything_that_is_looked_at(key)
    return panel


@pytest.fixture
def _history(monkeypatch) -> Any:
    """A month of it, rolled up; some runs that sleep."""
    monkeypatch.setattr(rollups, "PASS_SECONDS", 600.0)
    with off_the_record(), registered(work):
        send([Event(name="test/go", data={"sleep": True}) for _ in range(300)])
        send(Event(name="test/go"))
        drain()
        make_history(Run.objects.filter(status="completed").latest("id"), HISTORY)
        with connection.cursor() as cursor:
            cursor.execute(KINDS)
        rollups.roll_up()
        tidy_up()
        yield
        for model in (Rollup, RollupMark, UndoneEnd):
            model.objects.all().delete()


@pytest.mark.usefixtures("_history")
def test_no_page_reads_more_than_a_few_thousand_rows():
    for key in SPANS:
        panel = looked_at(key)
        assert len(panel.pages) <= MAX_QUERIES
        for statement, pages in panel.pages.items():
            assert pages <= MAX_PAGES, panel.story(statement)[:4_000]
            assert not panel.scanned(statement, LARGE[:3]), panel.story(statement)[:4_000]
    with transaction.atomic():
        with connection.cursor() as cursor:  # as the pusher, which rolls up, reads its tables
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        RollupMark.objects.update(folded_to=F("folded_to") - timedelta(hours=1))  # an hour is over
        with explained() as counting:
            rollups.roll_up()
    for statement in counting.pages:
        assert not counting.scanned(statement, LARGE), counting.story(statement)[:4_000]
        assert counting.pages[statement] <= 2 * rollups.CHUNK, counting.story(statement)[:4_000]


@pytest.mark.usefixtures("_history")
def test_before_anything_is_rolled_up_no_more_is_read():
    """A site that has just been upgraded, and one whose clusters are all gone."""
    RollupMark.objects.all().delete()
    for statement, pages in looked_at("7d").pages.items():
        assert pages <= MAX_PAGES * 2, statement
    assert Run.objects.filter(ended_at__lt=Now()).count() > HISTORY
