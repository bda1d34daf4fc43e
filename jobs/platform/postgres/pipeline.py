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
7. A transaction that Django wants opens in the trip of the first statement. What is deferred, a
   step's savepoint, goes in the trip of the next one, whichever code sends it.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import errors
from psycopg.adapt import AdaptersMap, PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.types.string import TextLoader

from jobs.platform.postgres import plan_changes, psycopg_internals, transaction_count
from jobs.platform.postgres.prepared_names import PreparedNames
from jobs.platform.postgres.psycopg_internals import Key
from jobs.platform.postgres.statement_text import Bound, compile_statement

Statement = tuple[str, Mapping[str, Any]]  # text, values by name
Rows = list[tuple[Any, ...]]


New = tuple[Key, bytes]  # prepared in this conversation; its name

NOTHING: Mapping[str, Any] = {}
BEGIN: Statement = ("BEGIN", NOTHING)
COMMIT: Statement = ("COMMIT", NOTHING)
ATTRIBUTE = "jobs_pipeline"

# As Django: jsonb is read as text, times in UTC.
ADAPTERS = AdaptersMap(psycopg.adapters)
ADAPTERS.register_loader("jsonb", TextLoader)


class PipelineConnection:
    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw, self._pg = raw, raw.pgconn
        self._adapter = Transformer(ADAPTERS)
        self._prepared = PreparedNames()
        self._poll = select.poll()
        self._poll.register(self._pg.socket, select.POLLIN)
        self._deferred: list[str] = []  # (7)
        self._begun = 0  # transactions, when it was deferred
        self._may_undo_changes = False  # of plans: so may the transaction's rollback
        psycopg_internals.deallocate_by_name(raw)  # (6)
        plan_changes.watch(raw)

    def execute_pipeline(
        self, statements: Sequence[Statement], *, commits: bool = False
    ) -> list[Rows]:
        return [self._load_rows(answer) for answer in self._answers(statements, commits=commits)]

    def execute_for_cursor(self, statement: Bound) -> PGresult | None:
        """None: it cannot be prepared. Raises psycopg's errors."""
        self._notice_plan_changes()
        if self._may_undo_changes and not self._opens:
            return None
        return self._answers([statement])[0]

    def _answers(
        self, statements: Sequence[Statement | Bound], *, commits: bool = False
    ) -> list[PGresult]:
        self._notice_plan_changes()
        ahead = self._ahead(commits=commits)
        first = [*self._begin_if_wanted(), *ahead, *self._deferred_statements()]
        asked = [*first, *statements, *([COMMIT] if commits else [])]
        with self._raw.lock:
            answers = self._ask(asked)
        for answer in answers:
            self._raise_if_refused(answer)
        return answers[len(first) : len(first) + len(statements)]

    def execute_nowait(self, text: str, values: Mapping[str, Any]) -> Rows:
        """See (5)."""
        if self._deferred:
            return self.execute_pipeline([(text, values)])[0]
        self._notice_plan_changes()
        self.begin()
        with self._raw.lock:
            result = self._answer_blocking(text, values)
            self._pass_on_notifications()
            return self._load_rows(result)

    def _ahead(self, *, commits: bool) -> list[Statement]:
        return []

    @property
    def is_free(self) -> bool:
        """Whether the next trip may be the engine's own."""
        if self._pg.pipeline_status != PipelineStatus.OFF:
            return False
        if self._pg.transaction_status == TransactionStatus.IDLE:
            raw = self._raw  # whose own BEGIN would say these
            return raw.isolation_level is raw.read_only is raw.deferrable is None
        return self._pg.transaction_status == TransactionStatus.INTRANS

    def _notice_plan_changes(self) -> None:
        """The server may have forgotten what was prepared, or return another type."""
        if plan_changes.take(self._raw):
            self._prepared.forget()
            self._may_undo_changes = True

    def begin(self) -> None:
        if self._opens:
            transaction_count.add(self._raw)
            with self._raw.lock:
                self._begin()

    def begin_step(self) -> None:
        """The transaction opens before psycopg does anything, as if it had been opened here."""
        self.defer([])

    # --- deferred ---------------------------------------------------------------------------------

    def defer(self, texts: Sequence[str]) -> None:
        self._deferred, self._begun = list(texts), transaction_count.begun(self._raw)
        psycopg_internals.call_before_next(self._raw, self._send_deferred)

    def take_deferred(self) -> list[str]:
        """What was not sent; it is not going to be."""
        texts, self._deferred = self._deferred, []
        psycopg_internals.call_no_more(self._raw)
        return texts

    def _deferred_statements(self) -> list[Statement]:
        return [(text, NOTHING) for text in self.take_deferred()]

    def _send_deferred(self) -> None:
        """Ahead of what psycopg sends, which holds the lock."""
        texts = self.take_deferred()
        if self._opens:
            # One of its cursors has counted it.
            if transaction_count.begun(self._raw) == self._begun:
                transaction_count.add(self._raw)
            self._begin()
        if texts:
            self._load_rows(self._pg.exec_("; ".join(texts).encode()))

    def _begin(self) -> None:
        self._load_rows(self._pg.exec_(b"BEGIN"))

    # ----------------------------------------------------------------------------------------------

    @property
    def _opens(self) -> bool:
        is_idle: bool = self._pg.transaction_status == TransactionStatus.IDLE
        return is_idle and not self._raw.autocommit

    def _begin_if_wanted(self) -> list[Statement]:
        if not self._opens:
            return []
        transaction_count.add(self._raw)
        self._may_undo_changes = False
        return [BEGIN]

    def _answer_blocking(self, text: str, values: Mapping[str, Any]) -> PGresult:
        query, names, is_planned = compile_statement(text)
        if not is_planned:
            return self._pg.exec_(query)
        key, dumped, formats = self._dump_values(query, names, values)
        name = self._prepared.get(key)
        if name is None:
            name = self._prepared.new()
            prepared = self._pg.prepare(name, query, key[1])
            if prepared.status != ExecStatus.COMMAND_OK:
                return prepared
            self._prepared.add(key, name)
        return self._pg.exec_prepared(name, dumped, formats)

    def _ask(self, statements: Sequence[Statement | Bound]) -> list[PGresult]:
        old = self._prepared.take_old()
        answers = self._converse(
            lambda: [*map(self._send_close, old), *map(self._send, statements)]
        )
        return answers[len(old) :]

    def _send_close(self, name: bytes) -> None:
        self._pg.send_close_prepared(name)

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

    def _send(self, statement: Statement | Bound) -> New | None:
        if isinstance(statement, Bound):
            return self._send_prepared(*statement)
        text, values = statement
        query, names, is_planned = compile_statement(text)
        key, dumped, formats = self._dump_values(query, names, values)
        if not is_planned:
            self._pg.send_query_params(query, dumped, key[1], formats)
            return None
        return self._send_prepared(key, dumped, formats)

    def _send_prepared(self, key: Key, dumped: Sequence[Any], formats: Any) -> New | None:
        known = self._prepared.get(key)
        if known is not None:
            self._pg.send_query_prepared(known, dumped, formats)
            return None
        name = self._prepared.new()
        self._pg.send_prepare(name, *key)
        self._pg.send_query_prepared(name, dumped, formats)
        return key, name

    def _dump_values(
        self, query: bytes, names: list[str], values: Mapping[str, Any]
    ) -> tuple[Key, Sequence[Any], Any]:
        dumped = self._adapter.dump_sequence([values[n] for n in names], AUTO[: len(names)])
        return (query, tuple(self._adapter.types or ())), dumped, self._adapter.formats

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
            self._prepared.add(key, name)
        return next(results)

    def _load_rows(self, result: PGresult) -> Rows:
        if result.status == ExecStatus.TUPLES_OK:
            self._adapter.set_pgresult(result)
            return self._adapter.load_rows(0, result.ntuples, tuple)
        self._raise_if_refused(result)
        return []

    def _raise_if_refused(self, result: PGresult) -> None:
        if result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            return
        if self._pg.status == ConnStatus.BAD:
            raise psycopg.OperationalError("the connection was lost")
        if plan_changes.is_of_an_old_plan(result):  # (4)
            self._raw.close()
        raise errors.error_from_result(result)

    def _pass_on_notifications(self) -> None:
        while notification := self._pg.notifies():
            if self._pg.notify_handler is not None:
                self._pg.notify_handler(notification)


AUTO = [PyFormat.AUTO] * 100
