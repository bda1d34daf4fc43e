"""A site may have more databases than the engine's. What code leaves open there is not the next
run's: its work would never be committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import connections, transaction

from jobs.api import Context
from jobs.execution.executor import execute
from jobs.execution.observer import NullObserver
from jobs.runs.claiming import claim_due
from tests.support.functions import go, registered, the_run

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(autouse=True, scope="module")
def other_database(django_db_setup) -> Iterator[None]:
    """The same one by another name."""
    connections.databases["other"] = dict(connections.databases["default"])
    yield
    del connections["other"], connections.databases["other"]


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    yield
    connections["other"].close()
    del connections["other"]


def ask(statement: str = "SELECT 1") -> None:
    with connections["other"].cursor() as cursor:
        cursor.execute(statement)


def enter_a_block() -> None:
    transaction.atomic(using="other").__enter__()


def close_in_a_block() -> None:
    enter_a_block()
    connections["other"].close()


def leave_autocommit_off() -> None:
    transaction.set_autocommit(False, using="other")
    ask()


def commit() -> None:
    with transaction.atomic(using="other"):
        ask()


def is_spoilt_by(body: Callable[[], None], *, atomic: bool) -> bool:
    def handler(ctx: Context) -> None:
        ctx.step.run("body", body, atomic=atomic)

    watch = NullObserver()
    with registered(handler):
        go()
        (claimed,) = claim_due(1)
        execute(claimed, watch)
    assert the_run().status == "completed"
    return watch.is_spoilt


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize(
    "body", [enter_a_block, close_in_a_block, leave_autocommit_off, lambda: ask("BEGIN")]
)
def test_a_worker_whose_code_leaves_a_transaction_open_there_executes_no_other_run(body, atomic):
    assert is_spoilt_by(body, atomic=atomic)


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("body", [ask, commit])
def test_a_worker_whose_code_has_used_it_goes_on(body, atomic):
    assert not is_spoilt_by(body, atomic=atomic)


def test_a_database_without_autocommit_is_used_as_it_is_meant(monkeypatch):
    monkeypatch.setitem(connections.databases["other"], "AUTOCOMMIT", False)
    assert not is_spoilt_by(ask, atomic=True)
