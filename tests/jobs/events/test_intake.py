"""How events and their runs are written: one statement for all of them, one trip for a sender that
has no transaction, and all of it or nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from jobs.api import Context, Event, Timeouts, send
from jobs.events import wake
from jobs.models import Event as Stored
from jobs.models import RegisteredFunction, Run
from jobs.testing import drain
from tests.support.functions import registered

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_known():
    wake.awaited_until.clear()


def go(**data: object) -> Event:
    return Event(name="test/go", data=data)


def inserts(queries: CaptureQueriesContext) -> int:
    return sum("INSERT INTO" in query["sql"] for query in queries)


def test_an_event_and_its_run_are_one_statement():
    with registered(lambda ctx: None), CaptureQueriesContext(connection) as queries:
        send(go())
    assert inserts(queries) == 1
    assert Run.objects.get().event == Stored.objects.get()


def test_a_thousand_events_are_one_statement_and_a_longer_list_is_one_transaction():
    with registered(lambda ctx: None), CaptureQueriesContext(connection) as queries:
        send([go(number=number) for number in range(2_500)])
    assert inserts(queries) == 3
    assert Run.objects.count() == Stored.objects.count() == 2_500
    assert Stored.objects.values_list("received_at").distinct().count() <= 3


def test_large_events_are_spread_over_several_statements():
    with registered(lambda ctx: None), CaptureQueriesContext(connection) as queries:
        send([go(text="x" * 500_000) for _ in range(40)])
    assert inserts(queries) == 3
    assert Run.objects.count() == 40


def test_a_run_has_what_its_function_says():
    RegisteredFunction.objects.create(fn_id="test-function", name="test")
    with registered(lambda ctx: None, timeouts=Timeouts(start=timedelta(minutes=5))):
        send(go())
    run = Run.objects.get()
    assert (run.status, run.reason, run.worker, run.turn_keys) == ("queued", "", "", [])
    assert run.due_at is not None
    assert run.expires_at == run.due_at + timedelta(minutes=5)
    assert run.created_at == run.event.received_at == run.event.ts


def waits(ctx: Context) -> None:
    ctx.step.wait_for_event(
        "waits", event="test/answer", timeout=timedelta(days=1), if_exp="async.data.is_right"
    )


def answer(*, is_right: bool) -> Event:
    return Event(name="test/answer", data={"is_right": is_right})


def in_a_transaction() -> contextlib.AbstractContextManager[object]:
    return transaction.atomic()


@pytest.mark.parametrize("around", [contextlib.nullcontext, in_a_transaction])
def test_an_event_that_a_step_waits_for_is_stored_once_and_wakes_its_run(around):
    with registered(waits):
        send(go())
        drain()
        with around():
            send(answer(is_right=False))  # by this one the sender learns that the name is awaited
        drain()
        assert Run.objects.get().status == "waiting"
        with around():
            send([answer(is_right=True), answer(is_right=True)])
        drain()
    assert Run.objects.get().status == "completed"
    assert Stored.objects.filter(name="test/answer").count() == 3


@contextlib.contextmanager
def runs_cannot_be_stored() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no more runs'; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON jobs_run EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse CASCADE")


def test_what_cannot_be_stored_leaves_nothing_and_a_callers_transaction_knows_it():
    with registered(lambda ctx: None), runs_cannot_be_stored():
        with pytest.raises(DatabaseError, match="no more runs"):
            send(go())
        assert not Stored.objects.exists()

        with transaction.atomic():
            with pytest.raises(DatabaseError, match="no more runs"):
                send(go())
            with pytest.raises(TransactionManagementError):
                Stored.objects.exists()  # else the caller's own rows would go without a word
    assert not Stored.objects.exists()


def test_what_a_send_writes_goes_with_its_callers_transaction():
    with registered(lambda ctx: None), transaction.atomic():
        send([go(), go()])
        transaction.set_rollback(True)
    assert not Stored.objects.exists()
    assert not Run.objects.exists()
