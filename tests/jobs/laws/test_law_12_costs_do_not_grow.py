"""Law 12: the same work reads as many pages with a million ended runs in the tables as with none.

Pages, not seconds: a statement whose plan turns bad is named, with its plan.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from jobs.api import (
    Cancel,
    Concurrency,
    Context,
    Event,
    TriggerCron,
    TriggerEvent,
    bulk,
    cancel,
    rerun,
    send,
)
from jobs.control import bulk as bulk_module
from jobs.control import (
    bulk_batch,
    cancel_on,
    cancellation_events,
    forgetting,
    pauses,
    scrubbing,
)
from jobs.control.cancellation_sets import cancel_in_sets
from jobs.events.event import EventPayload
from jobs.ids import new_id
from jobs.maintenance import cron, retention, sweeper
from jobs.metrics import mending, rollups
from jobs.models import CronSchedule, Fetch, Run
from jobs.models import Event as EventRow
from jobs.platform.postgres import statements
from jobs.runs import claiming
from jobs.testing import drain
from songs.models import User
from tests.support.explain import Explained, explained
from tests.support.functions import registered
from tests.support.history import make_history, off_the_record, tidy_up

HISTORY = 1_000_000
QUIET = 20_000  # ended runs
UNKNOWN = 300_000  # by the planner's guesses, dear enough to go through
EMPTIED = 5_000  # ended runs in tables that were analyzed when they were empty
BACKLOG = 2_000  # runs that are due
LONG = 5_000  # a longer one
FEW = 100  # of either
SOME = 10  # of these, where each is done by itself
# Of one statement that looks at every line: some 250, with four looks of up to four pages each.
MAX_OF_ALL_LINES = 4_000
# Of one statement that reads a whole index, and its rows, once; again and again would be millions.
MAX_OF_ALL_ROWS = 8_000
OF_ALL_UNFINISHED = " jobs_run_unfinished "  # the panel's
# Of one statement of the engine. An insertion among a million rows now and then looks through free
# space and splits a page in each of a dozen indexes; a scan would read tens of thousands.
MAX_PAGES = 500
DEEPER = 100  # a batch descends some fifty times, in B-trees of three levels and not of one or two
MAX_LISTED = 500  # of one statement of the panel, which counts no further than 10,000 rows
LARGE = ("jobs_run", "jobs_event", "jobs_step")


def work(ctx: Context) -> str:
    ctx.step.run("first", lambda: 1)
    if ctx.event.data.get("sleep"):
        ctx.step.sleep("nap", 3600)
    if ctx.event.data.get("fetch"):
        ctx.step.fetch("call", "http://127.0.0.1:9/")
    if ctx.event.data.get("wait"):
        ctx.step.wait_for_event("wait", event="history/3", timeout=3600)
    if ctx.event.data.get("invoke"):
        ctx.step.invoke("invoke", function="test-function-failure")
    if ctx.event.data.get("fail"):
        ctx.step.run("fail", int, "no number")
    return "done"


def mourn(ctx: Context) -> None:
    return None


OPTIONS: dict[str, Any] = {
    "trigger": [TriggerEvent(event="test/go"), TriggerCron(cron="0 0 29 2 *")],
    "concurrency": [
        Concurrency(limit=1, key="has(event.data.user) ? event.data.user : null"),
        Concurrency(limit=500),
    ],
    "on_failure": mourn,
    "retries": 0,
}


def live_runs() -> Run:
    """Some hundred runs that sleep, each holding its turn, and as many that wait for theirs;
    returns one that has ended."""
    send([Event(name="test/go", data={"user": n % 200, "sleep": True}) for n in range(400)])
    send(Event(name="test/go", data={"user": "ended"}))
    drain()
    return Run.objects.filter(status="completed").latest("id")


def a_bit_of_everything() -> None:
    """What the engine does all day."""
    send([Event(name="test/go", data={"user": f"new {n}"}, id=f"new-{n}") for n in range(4)])
    send(Event(name="test/go", data={"user": "new 1"}, id="new-1"))
    send(Event(name="test/go", data={"user": "fails", "fail": True}))
    for what in ("fetch", "wait", "invoke"):
        send(Event(name="test/go", data={"user": what, what: True}))
    CronSchedule.objects.filter(fn_id="test-function").update(next_at=Now())
    drain()
    send(Event(name="history/3"))
    drain()
    sleeper = Run.objects.filter(reason="sleep", due_at__gt=Now()).earliest("due_at")
    cancel(sleeper.id)
    rerun(Run.objects.filter(status="failed").latest("id").id)
    drain()
    claiming.next_due(1.0)
    retention.delete_ended(batches=2)


def operators_look(client: Client) -> None:
    """The panel's lists, as they come and filtered."""
    runs, events = reverse("admin:jobs_run_changelist"), reverse("admin:jobs_event_changelist")
    pages = [
        runs,
        f"{runs}?status__exact=failed",
        f"{runs}?status__exact=waiting",
        f"{runs}?fn_id=test-function",
        events,
    ]
    asked = ("name=history/3", "runs=failed", "runs=pending&name=history/3", "q=history", "span=7d")
    pages += [f"{events}?{query}" for query in asked]
    pages.append(reverse("admin:jobs_registeredfunction_changelist"))
    pages += [reverse("admin:jobs_cluster_changelist"), reverse("admin:admin_logentry_changelist")]
    for page in pages:
        assert client.get(page).status_code == 200, page


def costs(client: Client) -> tuple[Explained, Explained]:
    """What the engine and the panel read now; nothing of it stays."""
    with transaction.atomic():
        with explained() as engine:
            a_bit_of_everything()
        with explained() as panel:
            operators_look(client)
        transaction.set_rollback(True)
    tidy_up()
    return engine, panel


@pytest.mark.django_db(transaction=True)
def test_a_million_ended_runs_cost_nothing(settings, client: Client):
    settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": ["127.0.0.1:9"], "RETENTION_BATCH": 5}
    client.force_login(User.objects.create_superuser("operator", "o@example.org", "secret"))
    with off_the_record(), registered(work, **OPTIONS):
        cron.sync()
        ended = live_runs()
        tidy_up()
        young, _ = costs(client)
        make_history(ended, HISTORY)
        old, old_panel = costs(client)
    for statement, pages in old.pages.items():
        allowed = max(MAX_PAGES, young.pages.get(statement, 0) + DEEPER)
        assert pages <= allowed, f"more than {allowed} pages\n{old.story(statement)}"
        assert not old.scanned(statement, LARGE), f"no index\n{old.story(statement)}"
    for statement, pages in old_panel.pages.items():
        assert pages <= MAX_LISTED, old_panel.story(statement)
    assert any("jobs_run_line_2" in node for plan in old.plans.values() for node in plan)
    assert any(OF_ALL_UNFINISHED in node for plan in old_panel.plans.values() for node in plan)


@pytest.mark.django_db(transaction=True)
def test_the_statistics_of_a_quiet_hour_do_for_a_busy_one(settings):
    """By them every index of what is unfinished is empty, and to read a whole one as cheap as to
    look into another."""
    settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": ["127.0.0.1:9"], "RETENTION_BATCH": 5}
    with off_the_record(), registered(work, **OPTIONS):
        cron.sync()
        send([Event(name="test/go", data={"user": n % 50}) for n in range(400)])
        drain()
        make_history(Run.objects.earliest("id"), QUIET)
        send([Event(name="test/go", data={"user": n % 50}) for n in range(400)])
        drain()
        tidy_up()
        live_runs()
        with transaction.atomic(), explained() as engine:
            a_bit_of_everything()
    for statement, pages in engine.pages.items():
        story, nodes = engine.story(statement), engine.plans[statement]
        assert not any(OF_ALL_UNFINISHED in node for node in nodes), f"not its index\n{story}"
        assert not engine.scanned(statement, LARGE), f"no index\n{story}"
        assert pages <= MAX_OF_ALL_LINES, f"more than {MAX_OF_ALL_LINES} pages\n{story}"


@pytest.mark.django_db(transaction=True)
def test_a_history_of_which_no_statistics_are_known_costs_no_more(settings):
    """As after a restore or a major upgrade, until it has been analyzed."""
    settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": ["127.0.0.1:9"], "RETENTION_BATCH": 5}
    with off_the_record(), registered(work, **OPTIONS):
        cron.sync()
        ended = live_runs()
        make_history(ended, UNKNOWN)
        with transaction.atomic(), explained() as engine:
            forget_statistics()
            a_bit_of_everything()
            cancel_on.batch({"name": "history/4", "id": "order-4"}, "", str(ended.id))
            transaction.set_rollback(True)
        tidy_up()
    for statement, pages in engine.pages.items():
        story = engine.story(statement)
        assert not engine.scanned(statement, LARGE), f"no index\n{story}"
        assert pages <= MAX_OF_ALL_LINES, f"more than {MAX_OF_ALL_LINES} pages\n{story}"


def forget_statistics() -> None:
    with connection.cursor() as cursor:
        names = [f"'{name}'::regclass" for name in LARGE]
        cursor.execute(f"DELETE FROM pg_statistic WHERE starelid IN ({', '.join(names)})")


@pytest.mark.django_db(transaction=True)
def test_by_the_figures_of_an_emptied_table_none_is_read_again_and_again(settings):
    """By them each table, and each index, has no row. So a join's order says nothing, and what is
    inside it may be read anew for each row outside."""
    settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": ["127.0.0.1:9"], "RETENTION_BATCH": 5}
    with off_the_record(), registered(work, **OPTIONS):
        cron.sync()
        ended = live_runs()
        send([Event(name="test/go", data={"user": f"waits {n}", "wait": True}) for n in range(50)])
        drain()
        make_history(ended, EMPTIED)
        with transaction.atomic(), explained() as engine:
            as_if_emptied()
            a_bit_of_everything()
            what_happens_now_and_then()
            transaction.set_rollback(True)
        tidy_up()
    for statement, pages in engine.pages.items():
        assert pages <= MAX_OF_ALL_ROWS, engine.story(statement)


def what_happens_now_and_then() -> None:
    pauses.pause("test-function", stop_running=True)
    pauses.resume("test-function")
    (event_id,) = send(Event(name="test/go", data={"user": "forgotten"}))
    drain()
    forgetting.forget([event_id])
    Fetch.objects.filter(status="pending").update(
        status="sending", lease_token=new_id(), lease_until=Now()
    )
    drain()


def as_if_emptied() -> None:
    """What an analysis leaves of tables from which everything was deleted a moment before."""
    forget_statistics()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_class SET reltuples = 0, relpages = CASE relkind WHEN 'r' THEN 3 ELSE 1 END"
            " WHERE relname LIKE 'jobs\\_%' AND relkind IN ('r', 'i')"
        )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("options", [{}, {"concurrency": OPTIONS["concurrency"]}])
def test_a_cluster_takes_a_few_of_a_long_queue_at_the_cost_of_a_few(options):
    """By the statistics of a quiet hour it would as well collect and sort all that is due."""
    connection.close()
    with off_the_record(), registered(work, **options), registered(mourn, fn_id="another"):
        tidy_up()
        statements.read_by_index()
        short, long = taking_ten(of=20), taking_ten(of=BACKLOG)
    connection.close()
    for statement, nodes in long.plans.items():
        collects = any("Bitmap Heap Scan jobs_run " in node for node in nodes)
        assert not collects, long.story(statement)
        allowed = short.pages[statement] + DEEPER
        assert long.pages[statement] <= allowed, long.story(statement)
    assert any(
        "jobs_run_shares" in node for node in long.plans[" ".join(claiming.CLAIM_DUE.split())]
    )


def by_a_bulk_action(of: int) -> Explained:
    with transaction.atomic():
        send([Event(name="test/go", data={"user": n}) for n in range(of)])
        own = bulk("cancel", fn_id="test-function")
        with explained() as engine:
            told = bulk_batch.batch("cancel", {"fn_id": "test-function"}, "", "", own)
        assert told["done"] == FEW
        transaction.set_rollback(True)
    return engine


def by_an_event(of: int) -> Explained:
    with transaction.atomic():
        send([Event(name="test/go", data={"user": n}) for n in range(of)])
        (event_id,) = send(Event(name="test/stop"))
        own = Run.objects.get(event=event_id)
        event = EventPayload.of_row(own.event).as_json()
        with explained() as engine:
            told = cancel_on.batch(event, "", str(own.id))
        assert told["cancelled"] == FEW
        transaction.set_rollback(True)
    return engine


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cancel_few", [by_a_bulk_action, by_an_event])
def test_a_few_runs_of_a_long_queue_are_cancelled_at_the_cost_of_a_few(cancel_few, monkeypatch):
    """Without statistics all that wait would be read and sorted for each batch."""
    monkeypatch.setattr(bulk_batch, "BATCH", FEW)
    monkeypatch.setattr(cancel_on, "BATCH", FEW)
    with off_the_record(), registered(work, cancel_on=[Cancel(event="test/stop")], **OPTIONS):
        forget_statistics()
        short, long = cancel_few(of=2 * FEW), cancel_few(of=LONG)
    for statement, nodes in long.plans.items():
        collects = any("Bitmap Heap Scan jobs_run " in node for node in nodes)
        assert not collects, long.story(statement)
        allowed = 3 * short.pages[statement] + DEEPER
        assert long.pages[statement] <= allowed, long.story(statement)


def queue(of: int) -> None:
    send([Event(name="test/go", data={"user": n}) for n in range(of)])


END = """
UPDATE jobs_run SET status = 'failed', failure_kind = 'first · ValueError', due_at = NULL,
       created_at = now() - interval '60 days',
       ended_at = now() - interval '60 days' + random() * interval '1 day'
 WHERE fn_id = 'test-function' AND status = 'queued'
"""


def end(of: int) -> None:
    queue(of)
    with connection.cursor() as cursor:
        cursor.execute(END)


def retry_all() -> None:
    own = bulk("retry", everything=True)
    bulk_batch.batch("retry", {}, "", "", own)


def expire(of: int) -> None:
    queue(of)
    Run.objects.filter(fn_id="test-function").update(expires_at=Now())


NEXT_OF_MANY: dict[str, tuple[Callable[[int], None], Callable[[], object]]] = {
    "bulk": (end, retry_all),
    "retention": (end, lambda: retention.delete_ended(batches=2)),
    "rollups": (end, rollups.roll_up),
    "sweeper": (expire, sweeper.sweep),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("statistics", ["none", "of now"])
@pytest.mark.parametrize("which", list(NEXT_OF_MANY))
def test_the_next_few_of_many_are_read_at_the_cost_of_a_few(
    which: str, statistics: str, settings, monkeypatch: pytest.MonkeyPatch
):
    """Else all that are left would be read and sorted for each batch."""
    settings.JOBS = {**settings.JOBS, "RETENTION_BATCH": FEW}
    monkeypatch.setattr(bulk_batch, "BATCH", SOME)
    monkeypatch.setattr(sweeper, "MAX_EXPIRED", SOME)
    monkeypatch.setattr(rollups, "CHUNK", FEW)
    monkeypatch.setattr(rollups, "PASS_SECONDS", 0)
    monkeypatch.setattr(mending, "NAMED_AT_ONCE", FEW)
    fill, act = NEXT_OF_MANY[which]
    with off_the_record(), registered(work, **OPTIONS):
        short, long = (costs_of(act, partial(fill, of), statistics) for of in (2 * FEW, LONG))
    lists = [statement for statement in long.pages if statement.startswith('SELECT "jobs_run"')]
    assert lists
    for statement in lists:
        allowed = short.pages.get(statement, 0) + DEEPER
        assert long.pages[statement] <= allowed, long.story(statement)


def cancel_most_before(of: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but a few are told of; those are cancelled, and are yet to be told of."""
    queue(of)
    runs = Run.objects.filter(fn_id="test-function").order_by("id")
    ids = list(runs.values_list("id", flat=True))
    for least, some in ((of, ids[FEW:]), (FEW, ids[:FEW])):
        monkeypatch.setattr(cancellation_events, "LEAST", least)
        assert cancel_in_sets(some, "") == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("statistics", ["none", "of now"])
def test_the_events_of_a_few_cancelled_runs_are_written_at_the_cost_of_a_few(
    statistics: str, monkeypatch: pytest.MonkeyPatch
):
    """Else all that were written before would be read, to see whether these are among them."""

    def tell() -> None:
        data = EventRow.objects.get(name=cancellation_events.EVENT).data
        assert cancellation_events.tell(data, 0)["told"] == FEW

    fill = partial(cancel_most_before, monkeypatch=monkeypatch)
    with off_the_record(), registered(work, **OPTIONS):
        short, long = (costs_of(tell, partial(fill, of), statistics) for of in (2 * FEW, LONG))
    statement = " ".join(cancellation_events.INSERT_LATER.split())
    assert long.pages[statement] <= 3 * short.pages[statement] + DEEPER, long.story(statement)


RELATE = """
UPDATE jobs_run SET rerun_of_id = CASE WHEN status = 'queued' THEN %(ended)s::uuid END,
       invoked_by_id = CASE WHEN status = 'failed' THEN %(queued)s::uuid END
 WHERE fn_id = 'test-function'
"""


def relate() -> Run:
    """Half of the runs are reruns of one, which is returned, as half are invoked by another."""
    end(LONG // 2)
    queue(LONG // 2)
    ended, queued = (Run.objects.filter(status=one).latest("id") for one in ("failed", "queued"))
    with connection.cursor() as cursor:
        cursor.execute(RELATE, {"ended": ended.id, "queued": queued.id})
    return ended


@pytest.mark.django_db(transaction=True)
def test_by_the_figures_of_an_emptied_table_no_run_reads_all_others_for_itself():
    """Joined, each would read an index whole for its reruns, or for the run that invoked it."""
    with off_the_record(), registered(work, **OPTIONS):
        with transaction.atomic():
            rerun_before = relate()
            runs = Run.objects.filter(status="failed").order_by("id")
            ids = list(runs.values_list("id", flat=True)[:FEW])
            as_if_emptied()
            with explained() as engine:
                found = list(bulk_module.matching("rerun", {}).order_by("id")[:FEW])
                assert scrubbing.forget_runs(ids) == 0
            transaction.set_rollback(True)
        tidy_up()
    assert len(found) == FEW
    assert rerun_before not in found
    for statement, pages in engine.pages.items():
        assert pages <= MAX_OF_ALL_ROWS, engine.story(statement)


def costs_of(act: Callable[[], object], fill: Callable[[], None], statistics: str) -> Explained:
    with transaction.atomic():
        fill()
        forget_statistics()
        if statistics == "of now":
            analyze()
        with explained() as engine:
            act()
        transaction.set_rollback(True)
    tidy_up()
    return engine


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(LARGE)}")


def taking_ten(of: int) -> Explained:
    """What is read for it; nothing of it stays."""
    with transaction.atomic():
        send([Event(name="test/go", data={"user": n}) for n in range(of)])
        with explained() as engine:
            assert len(claiming.claim_due(10)) == 10
        transaction.set_rollback(True)
    return engine
