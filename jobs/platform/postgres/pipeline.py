"""The engine's statements over libpq's pipeline, prepared.

For a small statement psycopg's cursor costs more than PostgreSQL. So psycopg only adapts the
values, and the engine calls libpq by psycopg.pq (PostgreSQL's manual, “Pipeline Mode”).

1. A conversation sends everything, syncs, and reads everything. After an error the server skips the
   rest. Outside a transaction the conversation is one: its commit, at the sync, can be refused as
   well (a deferred constraint, a serialization failure), by one more result.
2. A statement counts as prepared when the server has said so: a skipped one is not.
3. A conversation broken off, say by a signal handler's exception, leaves the connection out of
   step: it is closed.
4. So is a connection whose server forgot what was prepared (DISCARD ALL) or says that a migration
   changed its result. The next one prepares anew.
5. A lone statement that waits for no lock goes by libpq's blocking call, at half the processor
   time. Meanwhile no signal's handler runs.
6. psycopg may prepare the product's statements on the same connection. It forgets only its own
   (psycopg_internals).
7. A transaction that Django wants opens in the trip of the engine's first statement.
"""

from __future__ import annotations

import itertools
import re
import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import errors
from psycopg.adapt import AdaptersMap, PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.types.string import TextLoader

from jobs.platform.postgres import psycopg_internals, transaction_count
from jobs.platform.postgres.psycopg_internals import Key

Statement = tuple[str, Mapping[str, Any]]  # text, values by name
Rows = list[tuple[Any, ...]]
New = tuple[Key, bytes]  # prepared in this conversation; its name

NOTHING: Mapping[str, Any] = {}
BEGIN: Statement = ("BEGIN", NOTHING)
COMMIT: Statement = ("COMMIT", NOTHING)
ATTRIBUTE = "jobs_pipeline"
STALE = (errors.InvalidSqlStatementName, errors.FeatureNotSupported)  # (4)
PLANNED = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")
PLACEHOLDER = re.compile(r"%%|%\((\w+)\)s")

# As Django: jsonb is read as text, times in UTC.
ADAPTERS = AdaptersMap(psycopg.adapters)
ADAPTERS.register_loader("jsonb", TextLoader)


class PipelineConnection:
    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw, self._pg = raw, raw.pgconn
        self._adapter = Transformer(ADAPTERS)
        self._prepared: dict[Key, bytes] = {}
        self._numbers = itertools.count()
        self._poll = select.poll()
        self._poll.register(self._pg.socket, select.POLLIN)
        psycopg_internals.deallocate_by_name(raw)  # (6)

    def execute_pipeline(
        self, statements: Sequence[Statement], *, commits: bool = False
    ) -> list[Rows]:
        first = self._begin_if_wanted()
        asked = [*first, *statements, *([COMMIT] if commits else [])]
        with self._raw.lock:
            rows = [self._load_rows(result) for result in self._ask(asked)]
        return rows[len(first) : len(first) + len(statements)]

    def execute_nowait(self, text: str, values: Mapping[str, Any]) -> Rows:
        """See (5)."""
        self.begin()
        with self._raw.lock:
            result = self._answer_blocking(text, values)
            self._pass_on_notifications()
            return self._load_rows(result)

    def begin(self) -> None:
        if self._opens:
            transaction_count.add(self._raw)
            with self._raw.lock:
                self._load_rows(self._pg.exec_(b"BEGIN"))

    @property
    def _opens(self) -> bool:
        is_idle: bool = self._pg.transaction_status == TransactionStatus.IDLE
        return is_idle and not self._raw.autocommit

    def _begin_if_wanted(self) -> list[Statement]:
        if not self._opens:
            return []
        transaction_count.add(self._raw)
        return [BEGIN]

    def _answer_blocking(self, text: str, values: Mapping[str, Any]) -> PGresult:
        query, names, is_planned = compile_statement(text)
        if not is_planned:
            return self._pg.exec_(query)
        key, dumped, formats = self._dump_values(query, names, values)
        if key not in self._prepared:
            name = self._new_name()
            prepared = self._pg.prepare(name, query, key[1])
            if prepared.status != ExecStatus.COMMAND_OK:
                return prepared
            self._prepared[key] = name
        return self._pg.exec_prepared(self._prepared[key], dumped, formats)

    def _ask(self, statements: Sequence[Statement]) -> list[PGresult]:
        return self._converse(lambda: [self._send(*statement) for statement in statements])

    def _converse(self, send: Callable[[], list[New | None]]) -> list[PGresult]:
        """Results that belong to nothing that `send` returns come last."""
        try:
            self._pg.enter_pipeline_mode()
            sent = send()
            self._pg.pipeline_sync()
            self._flush()
            results = self._results()
            answers = [self._answer(new, results) for new in sent]
            answers += results  # a commit's refusal, at the sync
            self._pg.exit_pipeline_mode()
        except BaseException:  # (3)
            if self._pg.status != ConnStatus.BAD:
                self._raw.close()
            raise
        self._pass_on_notifications()
        return answers

    def _send(self, text: str, values: Mapping[str, Any]) -> New | None:
        query, names, is_planned = compile_statement(text)
        key, dumped, formats = self._dump_values(query, names, values)
        if not is_planned:
            self._pg.send_query_params(query, dumped, key[1], formats)
            return None
        if key in self._prepared:
            self._pg.send_query_prepared(self._prepared[key], dumped, formats)
            return None
        name = self._new_name()
        self._pg.send_prepare(name, query, key[1])
        self._pg.send_query_prepared(name, dumped, formats)
        return key, name

    def _dump_values(
        self, query: bytes, names: list[str], values: Mapping[str, Any]
    ) -> tuple[Key, Sequence[Any], Any]:
        dumped = self._adapter.dump_sequence([values[n] for n in names], AUTO[: len(names)])
        return (query, tuple(self._adapter.types or ())), dumped, self._adapter.formats

    def _new_name(self) -> bytes:
        return b"jobs_%d" % next(self._numbers)

    def _flush(self) -> None:
        """The server may stop reading until its results are read."""
        while self._pg.flush():
            self._poll.modify(self._pg.socket, select.POLLIN | select.POLLOUT)
            self._poll.poll()
            self._poll.modify(self._pg.socket, select.POLLIN)
            self._pg.consume_input()

    def _results(self) -> Iterator[PGresult]:
        while True:
            while self._pg.is_busy():
                self._poll.poll()
                self._pg.consume_input()
            result = self._pg.get_result()
            if result is None:  # ends each statement's results
                if self._pg.status == ConnStatus.BAD:
                    raise psycopg.OperationalError("the connection was lost")
            elif result.status == ExecStatus.PIPELINE_SYNC:
                return
            else:
                yield result

    def _answer(self, new: New | None, results: Iterator[PGresult]) -> PGresult:
        if new is not None:
            prepared = next(results)
            if prepared.status != ExecStatus.COMMAND_OK:
                next(results)
                return prepared
            key, name = new
            self._prepared[key] = name
        return next(results)

    def _load_rows(self, result: PGresult) -> Rows:
        if result.status == ExecStatus.TUPLES_OK:
            self._adapter.set_pgresult(result)
            return self._adapter.load_rows(0, result.ntuples, tuple)
        if result.status == ExecStatus.COMMAND_OK:
            return []
        if self._pg.status == ConnStatus.BAD:
            raise psycopg.OperationalError("the connection was lost")
        error = errors.error_from_result(result)
        if isinstance(error, STALE):
            self._raw.close()
        raise error

    def _pass_on_notifications(self) -> None:
        while notification := self._pg.notifies():
            if self._pg.notify_handler is not None:
                self._pg.notify_handler(notification)


AUTO = [PyFormat.AUTO] * 100


@lru_cache(maxsize=256)
def compile_statement(text: str) -> tuple[bytes, list[str], bool]:
    """The text in PostgreSQL's notation, its values' names in order, and whether it is planned."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "%"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    query = PLACEHOLDER.sub(number, text)
    return query.encode(), names, query.split(None, 1)[0] in PLANNED
