"""What the engine leans on in psycopg. A release that changes it fails here first; where the site
has such a release, the engine goes on by plain cursors and says so."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection, transaction
from psycopg._preparing import PrepareManager

from jobs.api import Context
from jobs.platform.postgres import pipeline_switch, psycopg_internals, statements
from songs.models import Category
from tests.support.functions import ran

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = "SELECT %(number)s::int, 'through the pipeline'"


@pytest.fixture(autouse=True)
def as_in_a_new_process(monkeypatch, settings) -> Iterator[None]:
    settings.JOBS = {**settings.JOBS, "PIPELINE": True}
    monkeypatch.setattr(pipeline_switch, "_found", None)
    connection.close()
    yield
    connection.close()


def prepared() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return {text for (text,) in cursor.fetchall()}


def warnings() -> list[str]:
    return [message.msg for message in run_checks() if message.id == "jobs.W021"]


def two_steps(ctx: Context) -> int:
    for name in ("Jazz", "Blues"):
        ctx.step.run(name, lambda name=name: Category.objects.create(name=name, folded=name).pk)
    return ctx.step.run("count", Category.objects.count)


def test_the_installed_psycopg_is_a_tested_one():
    assert psycopg_internals.TESTED.untested() == ""
    assert warnings() == []


def privates(tree: ast.AST) -> set[str]:
    """What is private in psycopg's objects and modules, of all that a file names."""
    raw = connection.connection
    theirs = {name for one in (raw, raw._prepared, raw.pgconn, raw.cursor()) for name in dir(one)}
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    named = {a.attr for a in attributes if ast.unparse(a.value) not in ("self", "super()")}
    modules = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    found = {name for name in named & theirs if name.startswith("_") and name[1] != "_"}
    return found | {module for module in modules if module.startswith("psycopg._")}


def test_six_private_names_of_psycopg_are_used_in_one_file():
    connection.ensure_connection()
    folder = Path(psycopg_internals.__file__).parent
    found = {path.name: privates(ast.parse(path.read_text())) for path in folder.glob("*.py")}
    used = {name: names for name, names in found.items() if names}
    prepared_statements, cursors = {"_prepared", "_names", "_to_flush"}, {"_reset", "_tx"}
    assert used == {"psycopg_internals.py": prepared_statements | cursors | {"_set_results"}}


def test_the_probe_of_the_installed_psycopg_finds_what_the_engine_leans_on():
    connection.ensure_connection()
    assert pipeline_switch._found == ""


@pytest.mark.needs_session("counts what is prepared in its own session")
def test_the_probe_leaves_the_connection_as_it_was():
    connection.ensure_connection()
    assert connection.connection.info.transaction_status.name == "IDLE"
    assert connection.connection.prepare_threshold is None
    assert prepared() == set()


def test_what_a_probe_that_was_broken_off_has_left_is_in_no_probes_way():
    """A process died of it; behind a pool the next one may meet its session."""
    connection.ensure_connection()
    raw = connection.connection
    raw.pgconn.prepare(psycopg_internals.PROBE.encode(), b"SELECT 'another'")
    assert psycopg_internals.probe(raw, is_pooled=False) == ""
    assert psycopg_internals.probe_cursor(raw) == ""


@pytest.mark.needs_session("nothing is prepared behind a pool")
def test_what_the_engine_has_prepared_outlives_a_rollback_and_what_psycopg_has_does_not():
    statements.execute(ASKED, {"number": 1})
    raw = connection.connection
    raw.prepare_threshold = 0
    with transaction.atomic():
        psycopg.Cursor(raw).execute("SELECT 'by psycopg'")
        assert "SELECT 'by psycopg'" in prepared()
        transaction.set_rollback(True)
    assert statements.execute(ASKED, {"number": 2})[0][0] == 2
    assert prepared() == {"SELECT $1::int, 'through the pipeline'"}


def test_the_first_connection_of_a_process_is_probed_and_no_other(monkeypatch):
    probed: list[object] = []
    probe = psycopg_internals.probe

    def counted(raw: psycopg.Connection, *, is_pooled: bool) -> str:
        probed.append(raw)
        return probe(raw, is_pooled=is_pooled)

    monkeypatch.setattr(psycopg_internals, "probe", counted)
    for _ in range(3):
        connection.close()
        statements.execute(ASKED, {"number": 1})
    assert len(probed) == 1


# --- another psycopg ------------------------------------------------------------------------------


def lack_a_name(monkeypatch) -> None:
    class Memory(PrepareManager):
        def __init__(self) -> None:
            super().__init__()
            del self._to_flush

        def maintain_gen(self, conn: object) -> Iterator[None]:
            yield from ()

    monkeypatch.setattr("psycopg._connection_base.PrepareManager", Memory)


def forget_ours(monkeypatch) -> None:
    monkeypatch.setattr(psycopg_internals, "deallocate_by_name", lambda raw: None)


def be_newer(monkeypatch) -> None:
    monkeypatch.setattr(psycopg, "__version__", "3.4.0")


def be_older(monkeypatch) -> None:
    monkeypatch.setattr(psycopg, "__version__", "3.2.13")


OTHERS = {
    "it lacks a name": (lack_a_name, "lacks what the engine leans on"),
    "its rollback takes ours along": (forget_ours, "has the server forget"),
    "it is newer": (be_newer, "psycopg 3.4.0 is not tested"),
    "it is older": (be_older, "psycopg 3.2.13 is not tested"),
}


@pytest.mark.needs_session("behind a pool psycopg prepares nothing, and only the names are probed")
@pytest.mark.parametrize(("change", "sentence"), OTHERS.values(), ids=OTHERS)
def test_with_another_psycopg_runs_go_by_plain_cursors_and_the_check_says_so(
    change, sentence, monkeypatch
):
    change(monkeypatch)
    run = ran(two_steps)
    assert (run.status, run.output) == ("completed", 2)
    assert not any("jobs_" in text for text in prepared())
    (said,) = warnings()
    assert said.startswith("The engine's statements go by plain cursors")
    assert sentence in said


@pytest.mark.needs_session("looks at what its own session has prepared")
def test_so_they_do_where_the_settings_say_so(settings):
    settings.JOBS = {**settings.JOBS, "PIPELINE": False}
    run = ran(two_steps)
    assert (run.status, run.output) == ("completed", 2)
    assert not any("jobs_" in text for text in prepared())
    (said,) = warnings()
    assert said.endswith('JOBS["PIPELINE"] is False.')


@pytest.mark.needs_session("behind a pool only the names are probed")
def test_a_check_that_may_use_the_database_makes_the_probe_itself(monkeypatch, capsys):
    forget_ours(monkeypatch)
    connection.close()
    call_command("check", databases=["default"])
    assert "has the server forget statements" in capsys.readouterr().err


def test_a_setting_that_is_no_yes_or_no_is_an_error_in_a_sentence(settings):
    settings.JOBS = {**settings.JOBS, "PIPELINE": "off"}
    (error,) = [message for message in run_checks() if message.id == "jobs.E001"]
    assert error.msg == "JOBS[\"PIPELINE\"] = 'off': True or False is allowed."
