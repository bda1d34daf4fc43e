"""The pipeline behind a pool in transaction mode: each transaction may reach another session and
find nothing prepared.

Preparing still pays (statements). A statement's name is a hash of its text, so all processes may
use what one prepared in a session.

1. A trip outside a transaction, also one that opens it, assumes its statements prepared. If one is
   missing, nothing was done: the trip is repeated and prepares.
2. Inside a transaction a missing statement would end it. So one is used only if this connection
   knows it in the session, whose mark is read after BEGIN. Else it is prepared, or, without a mark,
   sent unprepared. The mark is a setting: the server may give another session an old one's number,
   and DISCARD ALL, which forgets the statements, forgets the mark. After a change (plan_changes)
   nothing is known. Nothing is prepared until the transaction's end: it may be rolled back.
3. A pool may reset its sessions (`server_reset_query_always`). The engine trusts them once a trip
   of (1) found its statements, and stops trying after MAX_MISSES.
4. A connection sends a statement unprepared the first time: a site's connections are often short.
   Preparing closes the name first, never an error. PgBouncer (from 1.21) wants each client to
   prepare.
5. A setting would reach the next client, so each transaction's first trip sets the connection's
   settings for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import capabilities
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from jobs.platform.postgres import pipeline_switch, plan_changes, transaction_count
from jobs.platform.postgres.pipeline import (
    ATTRIBUTE,
    NOTHING,
    New,
    PipelineConnection,
    Rows,
    Statement,
)
from jobs.platform.postgres.psycopg_internals import Key
from jobs.platform.postgres.statement_text import Bound, compile_statement

MARK = "jobs.session"
WHICH_SESSION = (
    f"COALESCE(NULLIF(current_setting('{MARK}', true), ''),"
    f" set_config('{MARK}', gen_random_uuid()::text, false))"
)
MAX_MISSES = 200  # in a row
MAX_SESSIONS = 500
SETTINGS = "jobs_settings"
SUCCEEDED = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


def is_pooled(here: BaseDatabaseWrapper) -> bool:
    return bool(here.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"))


def settings_of(raw: psycopg.Connection[Any]) -> dict[str, str]:
    """See (5)."""
    settings: dict[str, str] = vars(raw).setdefault(SETTINGS, {})
    return settings


def settings_statements(settings: Mapping[str, str]) -> list[Statement]:
    return [(_select(_settings(settings)), NOTHING)] if settings else []


def _settings(settings: Mapping[str, str]) -> list[str]:
    return [f"set_config('{name}', '{value}', true)" for name, value in settings.items()]


def _select(values: Sequence[str]) -> str:
    return f"SELECT {', '.join(values)}"


class PooledPipelineConnection(PipelineConnection):
    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        super().__init__(raw)
        transaction_count.count(raw)
        self.settings = settings_of(raw)
        self._settings_are_set = False
        self._transaction = (0, 0)  # the one they are set in, by its numbers (transaction_count)
        self._sessions_are_trusted = False  # (3)
        self._misses = 0 if capabilities.has_send_close_prepared() else MAX_MISSES
        # Names of statements:
        self._ever_sent: set[bytes] = set()  # (4)
        self._ever_prepared: set[bytes] = set()  # in whatever session (1)
        self._by_session: dict[bytes | None, set[bytes]] = {}  # prepared in it, by its mark (2)
        self._in_this_session: set[bytes] | None = None  # None: the session is not known
        # This trip's:
        self._asks_session: Statement | None = None  # which answers with the session
        self._began_idle = False  # outside a transaction
        self._is_repeated = False
        self._assumed: set[bytes] = set()  # sent as prepared
        self._newly_prepared: set[bytes] = set()

    def _answers(
        self, statements: Sequence[Statement | Bound], *, commits: bool = False
    ) -> list[PGresult]:
        self._notice_another_transaction()
        answers = super()._answers(statements, commits=commits)
        self._transaction = transaction_count.numbers(self._raw)
        return answers

    def _ahead(self, *, commits: bool) -> list[Statement]:
        """The settings, and the question which session it is."""
        is_to_set = self._is_idle or not self._settings_are_set
        values = _settings(self.settings) if is_to_set else []
        self._settings_are_set = True
        asks_session = self._opens and not commits
        if asks_session:
            values = [WHICH_SESSION, *values]
        ahead: list[Statement] = [(_select(values), NOTHING)] if values else []
        self._asks_session = ahead[0] if asks_session else None
        return ahead

    def execute_nowait(self, text: str, values: Mapping[str, Any]) -> Rows:
        _, _, is_planned = compile_statement(text)
        if is_planned:
            return self.execute_pipeline([(text, values)])[0]
        return super().execute_nowait(text, values)

    def _begin(self) -> None:
        """By a BEGIN of psycopg's the session would be unknown."""
        values = [WHICH_SESSION, *_settings(self.settings)]
        result = self._pg.exec_(f"BEGIN; {_select(values)}".encode())
        self._load_rows(result)
        self._notice_another_transaction()
        self._settings_are_set = True
        self._enter_session(result)

    def execute_for_cursor(self, statement: Bound) -> PGresult | None:
        """See (1) to (3)."""
        self._notice_another_transaction()
        if not self._sessions_are_trusted or self._misses >= MAX_MISSES:
            return None
        if self._in_this_session is None and not self._opens:
            return None
        self._ever_sent.add(name_of(statement.key))
        return super().execute_for_cursor(statement)

    def _send_anew(self, name: bytes, key: Key) -> None:
        self._pg.send_close_prepared(name)
        self._pg.send_prepare(name, *key)

    def _notice_another_transaction(self) -> None:
        """One that psycopg began leads to an unknown session."""
        self._notice_plan_changes()
        numbers = transaction_count.numbers(self._raw)
        if numbers != self._transaction:
            self._transaction, self._settings_are_set = numbers, False
            self._in_this_session = None

    def _notice_plan_changes(self) -> None:
        if plan_changes.take(self._raw):
            self._by_session.clear()
            self._in_this_session = None

    @property
    def _is_idle(self) -> bool:
        return bool(self._pg.transaction_status == TransactionStatus.IDLE)

    def _enter_session(self, answer: PGresult) -> None:
        mark = answer.get_value(0, 0)
        if len(self._by_session) > MAX_SESSIONS:
            self._by_session.clear()
        self._in_this_session = self._by_session.setdefault(mark, set())

    # --- a trip -----------------------------------------------------------------------------------

    def _ask(self, statements: Sequence[Statement | Bound]) -> list[PGresult]:
        self._began_idle = self._is_idle
        answers = self._make_trip(statements)
        if self._began_idle and any(map(plan_changes.is_of_an_old_plan, answers)):
            self._misses += 1
            if not self._is_idle:
                self._pg.exec_(b"ROLLBACK")
            answers = self._make_trip(statements, is_repeated=True)
        elif self._began_idle and self._assumed:
            self._sessions_are_trusted, self._misses = True, 0
        self._learn(statements, answers)
        return answers

    def _make_trip(
        self, statements: Sequence[Statement | Bound], *, is_repeated: bool = False
    ) -> list[PGresult]:
        self._is_repeated, self._assumed, self._newly_prepared = is_repeated, set(), set()
        if self._began_idle:
            self._in_this_session = None
        return super()._ask(statements)

    def _learn(self, statements: Sequence[Statement | Bound], answers: Sequence[PGresult]) -> None:
        self._ever_prepared |= self._newly_prepared
        if any(answer.status not in SUCCEEDED for answer in answers):
            return
        for statement, answer in zip(statements, answers, strict=True):
            if statement is self._asks_session:
                self._enter_session(answer)
        if self._in_this_session is not None:
            self._in_this_session |= self._newly_prepared | self._assumed

    def _send_prepared(self, key: Key, dumped: Sequence[Any], formats: Any) -> New | None:
        name = name_of(key)
        if self._goes_unprepared(name):
            self._pg.send_query_params(key[0], dumped, key[1], formats)
            return None
        if self._is_prepared(name):
            self._assumed.add(name)
            self._pg.send_query_prepared(name, dumped, formats)
            return None
        self._send_anew(name, key)
        self._pg.send_query_prepared(name, dumped, formats)
        return key, name

    def _goes_unprepared(self, name: bytes) -> bool:
        if name not in self._ever_sent:  # (4)
            self._ever_sent.add(name)
            return True
        if self._misses >= MAX_MISSES:  # (3)
            return True
        knows_session = self._sessions_are_trusted and self._in_this_session is not None
        return not (self._began_idle or knows_session)

    def _is_prepared(self, name: bytes) -> bool:
        if self._began_idle:
            return name in self._ever_prepared and not self._is_repeated
        return self._in_this_session is not None and name in self._in_this_session

    def _answer(self, new: New | None, results: Iterator[PGresult]) -> PGresult:
        if new is None:
            return next(results)
        closed, prepared, answer = next(results), next(results), next(results)
        for result in (closed, prepared):
            if result.status != ExecStatus.COMMAND_OK:
                return result
        _, name = new
        self._newly_prepared.add(name)
        return answer


@lru_cache(maxsize=256)
def name_of(key: Key) -> bytes:
    return b"jobs_" + hashlib.blake2b(repr(key).encode(), digest_size=12).hexdigest().encode()


def pipeline_of(raw: psycopg.Connection[Any], *, prepares: bool) -> PipelineConnection | None:
    """The connection's own, None without the pipeline. `prepares`: it leads to one session."""
    attributes = vars(raw)
    if ATTRIBUTE not in attributes:
        kind = PipelineConnection if prepares else PooledPipelineConnection
        attributes[ATTRIBUTE] = kind(raw) if pipeline_switch.is_on() else None
    pipeline_connection: PipelineConnection | None = attributes[ATTRIBUTE]
    return pipeline_connection


def known_pipeline_of(raw: psycopg.Connection[Any]) -> PipelineConnection | None:
    """The one that it has got by now."""
    return vars(raw).get(ATTRIBUTE)
