"""A step's transaction and its savepoint go ahead of its first statement, whoever sends that."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from jobs.api import Context, StepError, cancel
from jobs.models import Attempt
from jobs.platform.postgres import statements, step_cursor
from songs.models import Category
from tests.functions import ran

pytestmark = pytest.mark.django_db(transaction=True)

JAZZ = "SELECT count(*) FROM songs_category WHERE name = 'Jazz'"
ADD = "INSERT INTO songs_category (name, folded) VALUES (%s, %s)"


@pytest.fixture(autouse=True)
def fresh_connection() -> Iterator[None]:
    connection.close()
    yield
    connection.close()


def add(name: str = "Jazz") -> Category:
    return Category.objects.create(name=name, folded=name.lower())


def by_hand() -> None:
    with connection.cursor() as cursor:
        cursor.execute(ADD, ["Jazz", "jazz"])


def many() -> None:
    with connection.cursor() as cursor:
        cursor.executemany(ADD, [("Jazz", "jazz"), ("Blues", "blues")])


def copied() -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY songs_category (name, folded) FROM STDIN") as copy,
    ):
        copy.write_row(("Jazz", "jazz"))


def read_by_the_server() -> None:
    assert list(Category.objects.iterator()) == []
    add()


def nested() -> None:
    with transaction.atomic():
        add()


def past_django() -> None:
    connection.connection.execute(ADD, ["Jazz", "jazz"])


def by_the_engine() -> None:
    statements.execute("INSERT INTO songs_category (name, folded) VALUES ('Jazz', 'jazz')", {})


def by_the_engine_at_once() -> None:
    statements.at_once("INSERT INTO songs_category (name, folded) VALUES ('Jazz', 'jazz')", {})


def nothing() -> None:
    pass


WAYS = [add, by_hand, many, copied, read_by_the_server, nested, past_django]
WAYS += [by_the_engine, by_the_engine_at_once, nothing]


def often(way: Callable[[], Any]) -> None:
    """Until its statements are prepared."""
    for _ in range(step_cursor.OFTEN + 1):
        way()
        Category.objects.all().delete()


@pytest.mark.parametrize("is_prepared", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_whoever_sends_the_first_statement_sends_what_goes_ahead(
    way: Callable[[], Any], is_prepared: bool
):
    connection.ensure_connection()
    step_cursor.prepare_often(connection.connection)
    if is_prepared:
        often(way)
    with transaction.atomic():
        statements.begin()
        statements.before_next("SAVEPOINT here")
        way()
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK TO SAVEPOINT here")
            cursor.execute(JAZZ)
            assert cursor.fetchone() == (0,)


def test_it_waits_until_there_is_something_to_send():
    connection.ensure_connection()
    step_cursor.prepare_often(connection.connection)
    with transaction.atomic():
        statements.begin()
        statements.before_next("SAVEPOINT here")
        assert connection.connection.info.transaction_status.name == "IDLE"
        add()
        assert connection.connection.info.transaction_status.name == "INTRANS"


def test_an_error_of_the_statement_leaves_what_went_ahead():
    connection.ensure_connection()
    step_cursor.prepare_often(connection.connection)
    often(add)
    add()
    with transaction.atomic():
        statements.begin()
        statements.before_next("SAVEPOINT here")
        with pytest.raises(Exception, match="songs_category_folded"):
            add()
        transaction.set_rollback(False)
        transaction.savepoint_rollback("here")
        add("Blues")
    assert set(Category.objects.values_list("name", flat=True)) == {"Jazz", "Blues"}


def test_a_step_that_fails_before_it_has_sent_anything_takes_nothing_of_others_along():
    def fails() -> None:
        raise ValueError("before any statement")

    def handler(ctx: Context) -> None:
        ctx.step.run("nothing", nothing)
        ctx.step.run("nothing-again", nothing)
        ctx.step.run("add", add_and_say_nothing)
        with contextlib.suppress(StepError):
            ctx.step.run("fail", fails)
        ctx.step.run("add-blues", add_and_say_nothing, "Blues")

    assert ran(handler, retries=0).status == "completed"
    assert set(Category.objects.values_list("name", flat=True)) == {"Jazz", "Blues"}


def test_a_step_whose_prepared_statement_errs_takes_nothing_of_others_along():
    def handler(ctx: Context) -> None:
        for number in range(step_cursor.OFTEN + 2):
            ctx.step.run(f"add-{number}", add_and_say_nothing, f"Jazz {number}")
        with contextlib.suppress(StepError):
            ctx.step.run("again", add_and_say_nothing, "Jazz 0")
        ctx.step.run("add", add_and_say_nothing, "Blues")

    run = ran(handler, retries=0)
    assert run.status == "completed"
    assert run.steps_done == step_cursor.OFTEN + 4
    assert Attempt.objects.filter(run=run).count() == 1
    assert Category.objects.count() == step_cursor.OFTEN + 3


def test_what_waits_when_a_transaction_is_undone_goes_ahead_of_nothing_else():
    def handler(ctx: Context) -> None:
        ctx.step.run("add", add_and_say_nothing)
        ctx.step.run("add-blues", add_and_say_nothing, "Blues")
        ctx.step.run("nothing", nothing)  # its savepoint waits, and the last one's release
        cancel(ctx.run_id)

    assert ran(handler).status == "cancelled"
    assert not Category.objects.exists()
    assert ran(lambda ctx: ctx.step.run("add", add_and_say_nothing)).status == "completed"


def add_and_say_nothing(name: str = "Jazz") -> None:
    add(name)
