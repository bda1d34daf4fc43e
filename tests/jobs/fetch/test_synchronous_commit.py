"""What leaves the database is on the disk before; nothing waits for the disk twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from jobs.api import Context, Event, send
from jobs.execution.executor import execute
from jobs.fetch.outbox import LeasedRequest, lease_requests, store_responses
from jobs.platform.http.exchange import RequestOutcome
from jobs.runs.claiming import claim_due
from songs.models import Category
from tests.support.functions import go, registered

pytestmark = pytest.mark.django_db(transaction=True)
URL = "http://songs.test/"


@pytest.fixture(autouse=True)
def production(settings) -> Iterator[None]:
    """The other tests do not wait for the disk at all."""
    settings.JOBS = settings.JOBS | {"ALLOWED_HOSTS": ["songs.test"]}
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        yield
        cursor.execute("SET synchronous_commit = off")


def create() -> None:
    Category.objects.create(name="Waltz", folded="waltz")


def tell() -> None:
    transaction.on_commit(lambda: None)


def asks(ctx: Context) -> None:
    ctx.step.run("create", create)
    ctx.step.fetch("call", URL)


def tells_and_asks(ctx: Context) -> None:
    ctx.step.run("tell", tell)
    ctx.step.fetch("call", URL)


def sends_and_asks(ctx: Context) -> None:
    ctx.step.run("send", lambda: send(Event(name="test/sent")))
    ctx.step.fetch("call", URL)


def sleeps(ctx: Context) -> None:
    ctx.step.run("create", create)
    ctx.step.sleep("later", 60)


def ends(ctx: Context) -> None:
    ctx.step.run("create", create)


def advance() -> None:
    (claimed,) = claim_due(1)
    execute(claimed)


def log(which: str) -> Any:
    """A place in the write-ahead log."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_current_wal_{which}_lsn() - '0/0'::pg_lsn")
        return cursor.fetchone()[0]


def waits() -> list[str]:
    """Advance a run; what the commits behind the statements that write its steps wait for."""
    said = []

    def listen(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if sql.startswith("WITH steps AS"):
            said.append(connection.connection.execute("SHOW synchronous_commit").fetchone()[0])
        return result

    with connection.execute_wrapper(listen):
        advance()
    return said


def test_a_request_that_is_taken_is_on_the_disk_and_so_is_all_that_its_run_has_done():
    with registered(asks):
        go()
        advance()
        done = log("insert")
        assert len(lease_requests(1)) == 1
        assert log("flush") >= done


def test_the_steps_before_a_request_wait_for_it_to_be_taken():
    with registered(asks):
        go()
        assert waits() == ["off"]
    assert setting() == "on"


def test_a_word_to_the_clusters_after_the_commit_is_nothing_outside_the_database():
    with registered(sends_and_asks):
        go()
        assert waits() == ["off"]


@pytest.mark.parametrize("function", [ends, sleeps])
def test_a_run_that_ends_or_sleeps_waits_for_the_disk(function: Any):
    with registered(function):
        go()
        assert waits() == ["on"]


def test_what_follows_a_commit_outside_the_database_follows_it_on_the_disk():
    with registered(tells_and_asks):
        go()
        assert waits() == ["on"]


def test_landing_does_not_wait_for_the_disk():
    with registered(asks):
        go()
        advance()
        (leased_request,) = lease_requests(1)
        with transaction.atomic():
            store_responses([(leased_request, answer(leased_request))])
            assert setting() == "off"
    assert setting() == "on"


def setting() -> Any:
    return connection.connection.execute("SHOW synchronous_commit").fetchone()[0]


def answer(leased_request: LeasedRequest) -> RequestOutcome:
    answer = {"status_code": 200, "url": leased_request.request.url, "headers": {}, "body": ""}
    return RequestOutcome(response=answer, head={"status_code": 200, "bytes": 0})
