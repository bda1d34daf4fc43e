"""Law 12: a prepared statement has an index also in the plan that PostgreSQL keeps for any values.

From its sixth execution on PostgreSQL may take that plan. It cannot prove from a parameter that a
partial index holds all that is asked for, and reads the whole table, whose cost it takes from the
statistics of a quiet hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from jobs.maintenance import cron
from jobs.platform.postgres import statements
from jobs.runs import pace
from tests.jobs.laws.test_law_12_costs_do_not_grow import (
    LARGE,
    OPTIONS,
    a_bit_of_everything,
    live_runs,
    work,
)
from tests.support.functions import registered

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.needs_pipeline]
PREPARED = """
SELECT statement, parameter_types::text[] FROM pg_prepared_statements
 WHERE statement ~* '^\\s*(select|insert|update|delete|with)'
"""
AWAITED = "awaits = ANY"
UNTIL_KEPT = 10  # executions


def test_each_prepared_statement_has_an_index_whatever_its_values(settings, monkeypatch):
    settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": ["127.0.0.1:9"], "RETENTION_BATCH": 5}
    connection.close()
    plans: dict[str, list[str]] = {}
    close = connection.close

    def look_and_close() -> None:
        if connection.connection is not None and connection.is_usable():
            plans.update(plans_for_any_values())
        close()

    monkeypatch.setattr(connection, "close", look_and_close)
    with registered(work, **OPTIONS):
        cron.sync()
        live_runs()
        a_bit_of_everything()
        connection.close()

    assert len(plans) > 20
    assert any(AWAITED in statement for statement in plans)
    assert [statement for statement, nodes in plans.items() if scans(nodes)] == []


def test_a_statement_without_one_is_seen():
    connection.close()
    statements.execute("SELECT 1 FROM jobs_step WHERE awaits = %(name)s", {"name": "x"})
    plans = dict(plans_for_any_values())
    connection.close()

    assert [scans(nodes) for nodes in plans.values()] == [True]


def test_a_plan_that_is_kept_from_an_empty_table_reads_indexes():
    """The pace of bulk actions and retention: theirs is not a session of the engine's alone."""
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE jobs_run, jobs_event CASCADE")
        # Else the costs of both plans decide, which by some statistics are the same.
        cursor.execute("SET plan_cache_mode = force_generic_plan")
    for _ in range(UNTIL_KEPT):
        pace.is_crowded("any")
        pace.made_in_a_second()
    kept = dict(kept_plans())
    connection.close()

    assert len(kept) == 2
    assert [statement for statement, nodes in kept.items() if scans(nodes)] == []


def kept_plans() -> Iterator[tuple[str, list[str]]]:
    with connection.cursor() as cursor:
        cursor.execute(PREPARED.replace("statement,", "statement, name, generic_plans,", 1))
        for statement, name, kept, types in cursor.fetchall():
            assert kept
            cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {name}{nulls(types)}")
            ((explained,),) = cursor.fetchall()
            yield statement, list(nodes_of(explained[0]["Plan"]))


def nulls(types: list[str]) -> str:
    return f"({', '.join(['NULL'] * len(types))})" if types else ""


def plans_for_any_values() -> Iterator[tuple[str, list[str]]]:
    """What this session has prepared, with the nodes of its plan; a table is read whole only where
    nothing else will do."""
    with connection.cursor() as cursor:
        cursor.execute(PREPARED)
        prepared = cursor.fetchall()
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute("SET enable_seqscan = off")
        raw = connection.connection.cursor()  # no parameters: %% and $1 stay as they are
        for statement, types in prepared:
            given = f"({', '.join(types)})" if types else ""
            raw.execute(f"PREPARE looked_at{given} AS {statement}".encode())
            raw.execute(f"EXPLAIN (FORMAT JSON) EXECUTE looked_at{nulls(types)}".encode())
            ((explained,),) = raw.fetchall()
            plan = explained[0]
            yield " ".join(statement.split()), list(nodes_of(plan["Plan"]))
            raw.execute("DEALLOCATE looked_at")


def nodes_of(plan: dict[str, Any]) -> Iterator[str]:
    yield f"{plan['Node Type']} {plan.get('Relation Name', '')}"
    for child in plan.get("Plans", []):
        yield from nodes_of(child)


def scans(nodes: list[str]) -> bool:
    return any(f"Seq Scan {table}" in nodes for table in LARGE)
