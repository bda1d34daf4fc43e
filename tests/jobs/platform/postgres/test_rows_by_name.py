"""What a statement returns is read by name: the fields of its rows' class are its columns.

PostgreSQL says which columns a statement has, without executing it.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from django.db import connection
from psycopg.pq import ExecStatus

import jobs
from jobs.execution import records
from jobs.platform.postgres import query
from jobs.platform.postgres.query import Query
from jobs.runs import claiming

pytestmark = pytest.mark.django_db

PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def described(text: str) -> list[str]:
    """The columns of a statement, as PostgreSQL names them."""
    names = list(dict.fromkeys(PLACEHOLDER.findall(text)))
    numbered = PLACEHOLDER.sub(lambda found: f"${names.index(found[1]) + 1}", text)
    connection.ensure_connection()
    libpq = connection.connection.pgconn
    prepared = libpq.prepare(b"described", numbered.replace("%%", "%").encode())
    assert prepared.status == ExecStatus.COMMAND_OK, prepared.error_message.decode()
    columns = libpq.describe_prepared(b"described")
    libpq.exec_(b"DEALLOCATE described")
    return [columns.fname(number).decode() for number in range(columns.nfields)]


def all_queries() -> list[Query]:
    """Those of every module of the engine, and a commit's, which are made when they are needed."""
    for module in pkgutil.walk_packages(jobs.__path__, "jobs."):
        if ".migrations" not in module.name:
            importlib.import_module(module.name)
    for count, is_settled, waits in itertools.product(range(5), (True, False), (True, False)):
        kinds = ("steps", "fetches", "attempts", "lines")
        records._query(kinds[:count], is_settled, waits)
    return list(query.queries)


@contextmanager
def made(text: str, row: type) -> Iterator[Query]:
    """A query that is forgotten at the end of a block."""
    one = Query(text, row)
    yield one
    query.queries.remove(one)


class Pair(NamedTuple):
    key: str
    number: int


class Nested(NamedTuple):
    place: int
    pair: Pair


def test_the_columns_of_each_statement_are_the_fields_of_its_rows() -> None:
    queries = all_queries()
    assert {one.text for one in queries} > {claiming.CLAIM_DUE, records.READ_STEPS}
    for one in queries:
        assert described(one.text) == one.columns, one.text


def test_a_column_that_was_moved_is_found() -> None:
    with made("SELECT 1 AS number, 'a' AS key", Pair) as moved:
        assert described(moved.text) != moved.columns


def test_rows_in_rows_are_read_by_name_too() -> None:
    with made("SELECT %(place)s::int AS place, 'a' AS key, 1 AS number", Nested) as nested:
        assert described(nested.text) == nested.columns == ["place", "key", "number"]
        assert nested.execute({"place": 7}) == [Nested(place=7, pair=Pair(key="a", number=1))]
