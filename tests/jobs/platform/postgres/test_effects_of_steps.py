"""A step that fails takes its own effects back, and nothing of the steps before it in the same
transaction, whatever way its statements go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from django.db import connection, transaction

from jobs.api import Context, StepError, cancel
from jobs.models import Attempt
from jobs.platform.postgres import statements, step_cursor
from songs.models import Category
from tests.support.functions import ran

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "INSERT INTO songs_category (name, folded) VALUES (%s, %s)"


@pytest.fixture(autouse=True)
def fresh_connection() -> Iterator[None]:
    connection.close()
    yield
    connection.close()


def add(name: str = "Jazz") -> None:
    Category.objects.create(name=name, folded=name.lower())


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
    assert [category.name for category in Category.objects.iterator()] == ["Waltz"]
    add()


def nested() -> None:
    with transaction.atomic():
        add()


def past_django() -> None:
    connection.connection.execute(ADD, ["Jazz", "jazz"])


def by_the_engine() -> None:
    statements.execute("INSERT INTO songs_category (name, folded) VALUES ('Jazz', 'jazz')", {})


def by_the_engine_at_once() -> None:
    statements.execute_nowait(
        "INSERT INTO songs_category (name, folded) VALUES ('Jazz', 'jazz')", {}
    )


def nothing() -> None:
    pass


WAYS = [add, by_hand, many, copied, read_by_the_server, nested, past_django]
WAYS += [by_the_engine, by_the_engine_at_once, nothing]


def names() -> set[str]:
    return set(Category.objects.values_list("name", flat=True))


@pytest.mark.parametrize("is_prepared", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_step_that_fails_takes_back_what_it_did_and_nothing_of_others(
    way: Callable[[], None], is_prepared: bool
):
    def fails() -> None:
        way()
        raise ValueError("after its effects")

    def often(ctx: Context) -> None:
        for number in range(step_cursor.PREPARED_AFTER + 1):
            ctx.step.run(f"way-{number}", way)
            ctx.step.run(
                f"delete-{number}", lambda: Category.objects.exclude(name="Waltz").delete()
            )

    def handler(ctx: Context) -> None:
        ctx.step.run("add", add, "Waltz")
        if is_prepared:
            often(ctx)
        with contextlib.suppress(StepError):
            ctx.step.run("fail", fails)
        ctx.step.run("go-on", add, "Polka")

    assert ran(handler, retries=0).status == "completed"
    assert names() == {"Waltz", "Polka"}


def test_a_step_that_fails_before_it_has_sent_anything_takes_nothing_of_others_along():
    def fails() -> None:
        raise ValueError("before any statement")

    def handler(ctx: Context) -> None:
        ctx.step.run("nothing", nothing)
        ctx.step.run("nothing-again", nothing)
        ctx.step.run("add", add)
        with contextlib.suppress(StepError):
            ctx.step.run("fail", fails)
        ctx.step.run("add-blues", add, "Blues")

    assert ran(handler, retries=0).status == "completed"
    assert names() == {"Jazz", "Blues"}


def test_a_step_whose_prepared_statement_errs_takes_nothing_of_others_along():
    def handler(ctx: Context) -> None:
        for number in range(step_cursor.PREPARED_AFTER + 2):
            ctx.step.run(f"add-{number}", add, f"Jazz {number}")
        with contextlib.suppress(StepError):
            ctx.step.run("again", add, "Jazz 0")
        ctx.step.run("add", add, "Blues")

    run = ran(handler, retries=0)
    assert run.status == "completed"
    assert run.steps_done == step_cursor.PREPARED_AFTER + 4
    assert Attempt.objects.filter(run=run).count() == 1
    assert Category.objects.count() == step_cursor.PREPARED_AFTER + 3


def test_a_transaction_that_a_cancellation_undoes_leaves_the_connection_usable():
    def handler(ctx: Context) -> None:
        ctx.step.run("add", add)
        ctx.step.run("add-blues", add, "Blues")
        ctx.step.run("nothing", nothing)
        cancel(ctx.run_id)

    assert ran(handler).status == "cancelled"
    assert not Category.objects.exists()
    assert ran(lambda ctx: ctx.step.run("add", add)).status == "completed"
