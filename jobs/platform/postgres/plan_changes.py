"""Statements of code after which the statements that a session has prepared may be gone, or return
another type.

For connections with the engine's pipeline.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.pq import DiagnosticField
from psycopg.pq.abc import PGresult

from jobs.platform.postgres import psycopg_internals

HAS_CHANGED = "jobs_plans_have_changed"
# The server's answer begins so. A block or a procedure may do any of it.
GONE = ("DEALLOCATE", "DISCARD")
FORGOTTEN, NOT_SUPPORTED = "26000", "0A000"
REPLANS = "RevalidateCachedQuery"  # PostgreSQL's function
CHANGES = ("ALTER", "CREATE", "DROP", "DO", "CALL", *GONE)


def watch(raw: psycopg.Connection[Any]) -> None:
    vars(raw).setdefault(HAS_CHANGED, False)


def notice(cursor: psycopg.Cursor[Any]) -> None:
    """After it has executed. In psycopg's pipeline the answer is not there yet: taken for one."""
    known = vars(cursor.connection)
    if HAS_CHANGED not in known:
        return
    answers = [cursor.statusmessage]
    while cursor.nextset():  # a text of several statements
        answers.append(cursor.statusmessage)
    if len(answers) > 1:
        cursor.set_result(0)
    if not any(answer is None or answer.startswith(CHANGES) for answer in answers):
        return
    known[HAS_CHANGED] = True
    are_gone = any(answer is not None and answer.startswith(GONE) for answer in answers)
    psycopg_internals.forget_prepared(cursor.connection, are_gone=are_gone)


def take(raw: psycopg.Connection[Any]) -> bool:
    """Whether there was one since the last call."""
    has_changed: bool = vars(raw)[HAS_CHANGED]
    vars(raw)[HAS_CHANGED] = False
    return has_changed


def is_of_an_old_plan(answer: PGresult) -> bool:
    """Whether the server has forgotten the statement, or a migration has changed what it returns.
    The server does not support other things under the same SQLSTATE.
    """
    state = answer.error_field(DiagnosticField.SQLSTATE)
    return is_old_plan(_text(state), _text(answer.error_field(DiagnosticField.SOURCE_FUNCTION)))


def is_old_plan(sqlstate: str | None, function: str | None) -> bool:
    return sqlstate == FORGOTTEN or (sqlstate == NOT_SUPPORTED and function == REPLANS)


def _text(field: bytes | None) -> str | None:
    return None if field is None else field.decode()
