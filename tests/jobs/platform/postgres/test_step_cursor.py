"""What steps ask again and again is planned once for a worker's connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, NotSupportedError, connection, transaction
from django.db.models import Count, Func, Q, TextField, Value
from django.db.models.functions import JSONObject, Substr

from jobs.api import Context, StepError
from jobs.execution.executor import execute
from jobs.platform.postgres import step_cursor as preparing
from jobs.platform.postgres import step_statements
from jobs.platform.postgres.pipeline import PipelineConnection
from jobs.runs.claiming import claim_due
from songs.models import Category
from tests.support.blocking import Uncommitted, others, wait_until_blocked
from tests.support.functions import at_once, go, ran, registered, the_run

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs_session("counts what is prepared in its own session"),
]

OFTEN = preparing.PREPARED_AFTER + 1
POOLED = pytest.param(True, marks=pytest.mark.needs_pipeline("plain cursors prepare nothing"))


@pytest.fixture(autouse=True, params=[False, POOLED], ids=["direct", "behind a pool"])
def is_pooled(request, monkeypatch) -> Iterator[bool]:
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", request.param)
    for _ in range(3 if request.param else 0):  # until its sessions are trusted
        ran(lambda ctx: ctx.step.run("nothing", str))
    yield request.param
    connection.close()


def change(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def prepared(text: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return sum(text in row[0] for row in cursor.fetchall())


def count(name: str) -> int:
    return Category.objects.filter(name=name).count()


def counted(ctx: Context) -> int:
    for number in range(OFTEN):
        ctx.step.run(f"count-{number}", count, "Jazz")
    return OFTEN


def test_a_statement_that_steps_ask_often_is_prepared():
    assert ran(counted).output == OFTEN
    assert prepared('FROM "songs_category"') == 1


def test_nothing_is_prepared_for_steps_unless_the_settings_say_so(settings):
    settings.JOBS = settings.JOBS | {"PREPARE_STEPS": False}
    connection.close()
    assert ran(counted).output == OFTEN
    assert prepared("songs_category") == 0


def test_a_rollback_inside_a_step_takes_no_statement_of_the_engine_along():
    """psycopg then forgets what it has prepared for the product."""

    def rolls_back() -> None:
        with transaction.atomic():
            Category.objects.create(name="Spoiled", folded="spoiled")
            transaction.set_rollback(True)

    def handler(ctx: Context) -> int:
        counted(ctx)
        assert prepared('FROM "songs_category"') == 1
        ctx.step.run("roll-back", rolls_back)
        return count("Spoiled")

    first, second = ran(handler), ran(handler)
    assert [run.status for run in (first, second)] == ["completed", "completed"]
    assert first.output == second.output == 0
    assert not first.attempts.exists()


def by_hand() -> str:
    """For a value that stands here the server takes none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT (interval %s)::text", ["1 day"])
        return cursor.fetchone()[0]


def grouped() -> list[Any]:
    """Twice the same value; the server's would be two."""
    start = Substr("name", Value(1), Value(2))
    found = Category.objects.annotate(start=start).values_list("start")
    return list(found.annotate(number=Count("*")).order_by("start").values_list("start", "number"))


def of_very_many() -> int:
    return Category.objects.filter(pk__in=range(70_000), name="Jazz").count()


def by_hand_inside_the_orms() -> int:
    return Category.objects.extra(where=["now() > now() - interval %s"], params=["1 day"]).count()


def by_a_raw_query() -> int:
    """Each of the two would be a smallint, and so would the product."""
    return Category.objects.raw('SELECT "id", %s * %s AS area FROM songs_category', [300, 300])[
        0
    ].area


def of_a_type() -> str:
    """With a float a sum of money would lose its last digits."""
    kind = Func(Value(1.5), template="pg_typeof(%(expressions)s)::text", output_field=TextField())
    return Category.objects.annotate(kind=kind).values_list("id", "kind")[0][1]


def of_any_type() -> dict[str, str]:
    made = JSONObject(kind=Value("music"))
    return Category.objects.annotate(made=made).values_list("id", "made")[0][1]


def sorted_without_repetition() -> int:
    """Twice the same value, in a statement inside."""
    starts = Category.objects.distinct().order_by(Substr("name", 1, 2))
    return Category.objects.filter(pk__in=starts[:2].values("pk")).count()


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (by_hand, "1 day"),
        (grouped, [["Ja", 2], ["Ro", 1]]),
        (of_very_many, 0),
        (by_hand_inside_the_orms, 3),
        (by_a_raw_query, 90_000),
        (of_a_type, "numeric"),
        (of_any_type, {"kind": "music"}),
        (sorted_without_repetition, 2),
    ],
)
def test_what_the_server_cannot_be_given_values_for_goes_as_everywhere(ask, answer):
    for number, name in enumerate(("Jazz", "Jam", "Rock")):
        Category.objects.create(name=name, folded=name.casefold(), pk=100_000 + number)

    def handler(ctx: Context) -> list[Any]:
        return [ctx.step.run(f"ask-{number}", ask) for number in range(OFTEN)]

    run = ran(handler, retries=0)
    assert (run.status, run.output) == ("completed", [answer] * OFTEN)


@pytest.fixture
def migrate() -> Iterator[Callable[[], None]]:
    """Changes the type of a column, on another connection; in the end it has its old one."""
    column = "songs_category ALTER folded"
    before = Category._meta.get_field("folded").db_type(connection)
    yield lambda: at_once(lambda: change(f"ALTER TABLE {column} TYPE text"))[0]
    change(f"ALTER TABLE {column} TYPE {before}")


def test_a_migration_under_a_running_worker_costs_no_attempt(migrate):
    """A prepared statement may not return another type than before."""
    Category.objects.create(name="Jazz", folded="jazz", pk=100_000)

    def look() -> str:
        return Category.objects.get(pk=100_000).folded

    def handler(ctx: Context) -> list[str]:
        return [ctx.step.run(f"look-{number}", look) for number in range(OFTEN)]

    before = ran(handler)
    assert prepared('FROM "songs_category"') == 1
    migrate()
    after = ran(handler)
    for run in (before, after):
        assert (run.status, run.output) == ("completed", ["jazz"] * OFTEN)
        assert not run.attempts.exists()


def test_a_run_that_was_interrupted_meets_no_second_workers_old_plan(migrate, is_pooled):
    """The next worker's connection may have prepared the statement as well. Behind a pool none is
    interrupted: the trip that opens a transaction is repeated.
    """
    Category.objects.create(name="Jazz", folded="jazz", pk=100_000)

    def look() -> str:
        return Category.objects.get(pk=100_000).folded

    def handler(ctx: Context) -> list[str]:
        return [ctx.step.run(f"look-{number}", look) for number in range(OFTEN)]

    def work() -> None:
        for claimed in claim_due(1, "worker"):
            execute(claimed)

    def work_often() -> None:
        for _ in range(4):
            go()
            work()

    with registered(handler, retries=0), ThreadPoolExecutor(1) as second:
        try:
            work_often()
            second.submit(work_often).result()
            migrate()
            go()
            work()
            assert the_run().requeue_count == (0 if is_pooled else 1)
            second.submit(work).result()
        finally:
            second.submit(lambda: connection.close()).result()
        run = the_run()
    assert (run.status, run.output) == ("completed", ["jazz"] * OFTEN)
    assert not run.attempts.exists()


CHANGES = {
    "alters": ["ALTER TABLE songs_category ALTER folded TYPE {}"],
    "after a comment": ["-- a type\nALTER TABLE songs_category ALTER folded TYPE {}"],
    "in one text": ["SELECT 1; ALTER TABLE songs_category ALTER folded TYPE {}"],
    "by a block": ["DO $$BEGIN ALTER TABLE songs_category ALTER folded TYPE {}; END$$"],
    "forgets": ["DEALLOCATE ALL"],
}


@pytest.mark.needs_pipeline("psycopg alone does not notice all of them")
@pytest.mark.parametrize("texts", CHANGES.values(), ids=CHANGES)
def test_a_step_that_changes_a_table_is_asked_no_old_plan(texts):
    """Nor is the next one, after the change was undone."""
    Category.objects.create(name="Jazz", folded="jazz")
    called: list[str] = []

    def look() -> str:
        return [Category.objects.get(name="Jazz").folded for _ in range(OFTEN)][-1]

    def changes() -> str:
        called.append("once")
        look()
        with transaction.atomic():
            with connection.cursor() as cursor:
                for text in texts:
                    cursor.execute(text.format("text"))
            look()
            transaction.set_rollback(True)
        return look()

    for _ in range(4):
        ran(lambda ctx: ctx.step.run("look", look))
    for number in range(1, 4):
        run = ran(lambda ctx: [ctx.step.run("change", changes), ctx.step.run("look", look)])
        assert (run.output, len(called)) == (["jazz", "jazz"], number)
        assert not run.log_lines.exists()


@pytest.mark.needs_pipeline("plain cursors prepare nothing")
def test_a_step_that_changes_a_table_each_time_leaves_no_old_plans_in_the_servers_memory():
    def changes() -> int:
        change("DO $$BEGIN END$$")
        return count("Jazz")

    def left() -> int:
        for _ in range(5):
            assert ran(lambda ctx: ctx.step.run("change", changes)).status == "completed"
        return prepared("")

    left()
    assert left() == left()


@pytest.mark.needs_pipeline("psycopg alone counts them itself")
def test_a_text_whose_values_change_their_types_is_not_prepared_for_each_of_them(monkeypatch):
    monkeypatch.setattr(step_statements, "MAX_PREPARED", 3)
    query = 'SELECT "id" FROM songs_category WHERE "published" IN (%s, %s, %s)'

    def ask() -> int:
        found: list[Any] = []
        with connection.cursor() as cursor:
            for _ in range(2 * OFTEN):
                for values in product([None, 1], repeat=3):
                    cursor.execute(query, values)
                    found += cursor.fetchall()
        return len(found)

    for _ in range(3):
        assert ran(lambda ctx: ctx.step.run("ask", ask)).output == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements WHERE statement LIKE '%published%'")
        names = [name for (name,) in cursor.fetchall()]
    assert 0 < len([name for name in names if name.startswith("jobs_")]) <= 3


# --- trips ----------------------------------------------------------------------------------------


@pytest.fixture
def trips(monkeypatch) -> list[str]:
    """A word for each answer that a worker waits for: the engine's trips, and psycopg's."""
    made: list[str] = []
    converse = PipelineConnection._converse
    answer = PipelineConnection._answer_blocking
    execute_by_psycopg = psycopg.Cursor.execute

    def note(word: str, trip: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any, **options: Any) -> Any:
            made.append(word)
            return trip(*given, **options)

        return noted

    monkeypatch.setattr(PipelineConnection, "_converse", note("the engine's", converse))
    monkeypatch.setattr(PipelineConnection, "_answer_blocking", note("the engine's", answer))
    monkeypatch.setattr(psycopg.Cursor, "execute", note("psycopg's", execute_by_psycopg))
    return made


@pytest.mark.needs_pipeline("plain cursors defer nothing")
def test_a_frequent_statement_its_steps_savepoint_and_the_release_of_the_last_are_one_trip(trips):
    found: list[list[str]] = []

    def body() -> int:
        before = len(trips)
        answer = count("Jazz")
        found.append(trips[before:])
        return answer

    def handler(ctx: Context) -> int:
        ctx.step.run("first", count, "Jazz")
        before = len(trips)
        for number in range(3):
            ctx.step.run(f"count-{number}", body)
        return len(trips) - before

    for _ in range(3):
        ran(handler)
    found.clear()
    assert ran(handler).output == 3
    assert found == [["the engine's"]] * 3


@pytest.mark.needs_pipeline("plain cursors defer nothing")
def test_steps_that_send_nothing_cost_no_trip(trips):
    def handler(ctx: Context) -> int:
        ctx.step.run("first", count, "Jazz")
        before = len(trips)
        for number in range(3):
            ctx.step.run(f"nothing-{number}", str)
        return len(trips) - before

    assert ran(handler).output == 0


def test_a_callback_of_a_step_that_fails_is_not_made_and_those_of_silent_steps_are():
    made: list[str] = []

    def fails() -> None:
        transaction.on_commit(lambda: made.append("fails"))
        raise ValueError("after its callback")

    def handler(ctx: Context) -> None:
        ctx.step.run("first", count, "Jazz")
        for name in ("one", "two"):
            ctx.step.run(name, lambda name=name: transaction.on_commit(lambda: made.append(name)))
        with suppress(StepError):
            ctx.step.run("fails", fails)
        ctx.step.run("three", lambda: transaction.on_commit(lambda: made.append("three")))

    assert ran(handler, retries=0).status == "completed"
    assert made == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("name", "value", "shows"),
    [
        ("read_only", True, "on"),
        ("deferrable", True, "on"),
        ("isolation_level", 4, "serializable"),
    ],
)
def test_a_transaction_outside_steps_is_what_psycopg_was_told_however_often_it_comes(
    name, value, shows
):
    setting = "transaction_isolation" if name == "isolation_level" else f"transaction_{name}"
    query = f"""SELECT "id", current_setting('{setting}') FROM songs_category WHERE "name" = %s"""

    def ask() -> list[str]:
        found: list[str] = []
        setattr(connection.connection, name, value)
        for _ in range(OFTEN + 1):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(query, ["Jazz"])
                found.append(cursor.fetchone()[1])
        setattr(connection.connection, name, None)
        return found

    def handler(ctx: Context) -> list[str]:
        ctx.step.run("add", lambda: Category.objects.create(name="Jazz", folded="jazz").name)
        return ctx.step.run("ask", ask, atomic=False)

    assert ran(handler, retries=0).output == [shows] * (OFTEN + 1)


# --- what does not fit ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "values", "kind"),
    [
        ('SELECT "id" FROM songs_category WHERE "id" % 2 = %s', [0], "ProgrammingError"),
        ('SELECT "id" FROM songs_category WHERE "name" = %s', {"name": "Jazz"}, "TypeError"),
    ],
)
def test_what_psycopg_refuses_is_refused_however_often_it_comes(query, values, kind):
    def ask() -> str:
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, values)
        except (DatabaseError, TypeError) as error:
            return type(error).__name__
        return "nothing"

    def handler(ctx: Context) -> list[str]:
        return [ctx.step.run(f"ask-{number}", ask) for number in range(OFTEN + 1)]

    assert ran(handler, retries=0).output == [kind] * (OFTEN + 1)


def test_a_placeholder_of_another_format_goes_as_everywhere():
    """`%b` asks psycopg for a binary value."""
    Category.objects.create(name="Jazz", folded="jazz", pk=100_000)

    def ask() -> list[str]:
        found = Category.objects.extra(
            where=["id = %b", "name LIKE 'J%%' AND name <> %s"], params=[100_000, "%s"]
        )
        return [category.name for category in found]

    def handler(ctx: Context) -> list[list[str]]:
        return [ctx.step.run(f"ask-{number}", ask) for number in range(OFTEN + 1)]

    run = ran(handler, retries=0)
    assert (run.status, run.output) == ("completed", [["Jazz"]] * (OFTEN + 1))


def test_what_postgresql_does_not_support_is_an_error_that_a_body_may_catch_however_often():
    """It has the SQLSTATE of a plan that a migration has changed. Here no plan is old."""
    called: list[str] = []
    either = Category.objects.filter(Q(songs__title="Take Five") | Q(name="Jazz"))

    def ask() -> str:
        called.append("ask")
        try:
            with transaction.atomic():
                return str(either.select_for_update().first())
        except NotSupportedError as error:
            return str(error).splitlines()[0]

    def handler(ctx: Context) -> list[str]:
        ctx.step.run("add", lambda: Category.objects.create(name="Jazz", folded="jazz").name)
        return [ctx.step.run(f"ask-{number}", ask) for number in range(OFTEN + 1)]

    run = ran(handler, retries=0)
    words = "FOR UPDATE cannot be applied to the nullable side of an outer join"
    assert (run.status, run.output) == ("completed", [words] * (OFTEN + 1))
    assert len(called) == OFTEN + 1
    assert not run.attempts.exists()


def test_a_statement_that_waits_for_a_lock_is_broken_off_by_the_workers_timeout(alarm):
    """The steps before it in its transaction go with the connection, and are done anew."""
    Category.objects.create(name="Jazz", folded="jazz")
    called: list[str] = []

    def blocks() -> None:
        with connection.cursor() as cursor:
            cursor.execute("LOCK songs_category")

    def when_it_waits() -> None:
        wait_until_blocked(1)
        alarm()

    def asks() -> int:
        called.append("asks")
        if called.count("asks") > 1:
            return count("Jazz")
        with others() as start, Uncommitted(blocks):
            start(when_it_waits)
            return count("Jazz")

    def adds() -> None:
        called.append("adds")
        Category.objects.create(name="Blues", folded="blues")

    def handler(ctx: Context) -> int:
        for number in range(OFTEN):
            ctx.step.run(f"count-{number}", count, "Jazz")
        ctx.step.run("add", adds)
        return ctx.step.run("ask", asks)

    run = ran(handler, retries=1, skip_time=True)
    assert (run.status, run.output) == ("completed", 1)
    assert called.count("asks") == 2
    assert Category.objects.filter(name="Blues").count() == 1


SETTINGS = {"autocommit": True, "read_only": True, "isolation_level": 4}


@pytest.mark.needs_pipeline("by plain cursors the first statement opens the transaction")
@pytest.mark.parametrize(("name", "value"), SETTINGS.items(), ids=SETTINGS)
def test_a_step_cannot_change_what_its_transaction_is_before_the_first_statement(name, value):
    """psycopg refuses that in a transaction. Else the step's work would commit by itself, and the
    next run find the connection so.
    """

    def changes() -> str:
        try:
            setattr(connection.connection, name, value)
        except psycopg.ProgrammingError as error:
            return str(error)
        Category.objects.create(name="Jazz", folded="jazz")
        return "changed"

    run = ran(lambda ctx: ctx.step.run("change", changes))
    assert "INTRANS" in run.output
    assert not Category.objects.exists()
