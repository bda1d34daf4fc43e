"""All that leans on psycopg's private parts: `_prepared`, `_names` and `_to_flush`, `_reset`, `_tx`
and `_set_results`, and that all it sends goes by `wait`.

After a rollback psycopg forgets the product's prepared statements by DEALLOCATE ALL. The engine's
would go too, and the next one fail in a transaction. So psycopg here deallocates each of its own by
name. And a cursor takes the answer that the pipeline got (step_statements). A process's first
connection tests the one (`probe`, pipeline_switch), its first step the other (`probe_cursor`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from jobs.lib.version_range import VersionRange

# pipeline_switch warns of another one.
TESTED = VersionRange("psycopg", lambda: psycopg.__version__, (3, 3), (3, 4))
Key = tuple[bytes, tuple[int, ...]]  # text, types of values
PROBE = "jobs_probe"
PROBE_SQL = b"SELECT $1::int8"


class Unfit(Exception):
    """psycopg's insides are not as expected. The message ends a sentence."""


def deallocate_by_name(raw: psycopg.Connection[Any]) -> None:
    """For this connection's life. Raises Unfit."""
    memory = _memory_of(raw)
    psycopgs_clear = memory.clear

    def clear() -> bool:
        names = [*(name for name in memory._to_flush if name), *memory._names.values()]
        is_cleared: bool = psycopgs_clear()
        if is_cleared:
            memory._to_flush.clear()
            memory._to_flush.extend(names)
        return is_cleared

    if "clear" not in vars(memory):
        memory.clear = clear


def forget_prepared(raw: psycopg.Connection[Any], *, are_gone: bool) -> None:
    """psycopg prepares its own anew. `are_gone`: the server has none of them. Raises Unfit."""
    memory = _memory_of(raw)
    memory.clear()
    if are_gone:
        memory._to_flush.clear()


def give_answer(cursor: Any, adapter: Any, answer: PGresult) -> None:
    """As if the cursor had executed the statement. Raises Unfit."""
    try:
        cursor._reset()
        cursor._tx = adapter
        cursor._set_results([answer])
    except (AttributeError, TypeError) as other:
        raise Unfit(f"gives a cursor its answer in another way: {other}") from None


def call_before_next(raw: Any, send: Callable[[], None]) -> None:
    """Once, before psycopg next sends anything: all of it goes by `Connection.wait`."""
    wait = type(raw).wait

    def send_and_wait(*given: Any, **options: Any) -> Any:
        send()
        return wait(raw, *given, **options)

    raw.wait = send_and_wait


def call_no_more(raw: Any) -> None:
    vars(raw).pop("wait", None)


def _memory_of(raw: Any) -> Any:
    try:
        memory = raw._prepared
        is_known = callable(memory.clear) and memory._names.values and memory._to_flush.extend
    except AttributeError as missing:
        raise Unfit(f"lacks what the engine leans on: {missing}") from None
    if not is_known:
        raise Unfit("keeps its prepared statements in another way than the tested versions")
    return memory


def probe(raw: psycopg.Connection[Any], *, is_pooled: bool) -> str:
    """What is not as expected, in a sentence, or empty. No transaction may be open. Behind a pool
    only names are checked: it may allow no transaction (server_checks says so).
    """
    return _problem(raw, _find_names if is_pooled else _prepare_roll_back_and_ask)


def probe_cursor(raw: psycopg.Connection[Any]) -> str:
    """The same for give_answer."""
    return _problem(raw, _give_empty_answer)


def _problem(
    raw: psycopg.Connection[Any], look: Callable[[psycopg.Connection[Any], bytes], object]
) -> str:
    name = f"{PROBE}_{uuid.uuid4().hex}".encode()  # a process may die of its probe, and leave it
    try:
        look(raw, name)
    except psycopg.OperationalError:
        raise  # the connection is lost: nothing is known
    except Exception as error:
        what = str(error) if isinstance(error, Unfit) else f"behaves unexpectedly: {error!r}"
        return f"psycopg {psycopg.__version__} {what}."
    return ""


def _find_names(raw: psycopg.Connection[Any], _: bytes) -> None:
    _memory_of(raw)


def _prepare_roll_back_and_ask(raw: psycopg.Connection[Any], name: bytes) -> None:
    """Ours must outlive a rollback of psycopg's statement."""
    threshold = raw.prepare_threshold
    deallocate_by_name(raw)
    try:
        raw.prepare_threshold = 0
        raw.pgconn.exec_(b"BEGIN")
        _prepare(raw, name)
        psycopg.Cursor(raw).execute("SELECT 1")
        raw.rollback()
        if _asked(raw, name) != [(1,)]:
            raise Unfit("reads values in another way than the tested versions")
    finally:
        raw.rollback()
        raw.prepare_threshold = threshold
        raw.pgconn.exec_(b"DEALLOCATE " + name)


def _give_empty_answer(raw: psycopg.Connection[Any], _: bytes) -> None:
    cursor = psycopg.Cursor(raw)
    empty = raw.pgconn.make_empty_result(ExecStatus.TUPLES_OK)
    give_answer(cursor, Transformer(cursor), empty)
    if cursor.rowcount != 0 or cursor.fetchall() != []:
        raise Unfit("reads a cursor's answer in another way than the tested versions")


def _prepare(raw: psycopg.Connection[Any], name: bytes) -> None:
    if raw.pgconn.prepare(name, PROBE_SQL).status != ExecStatus.COMMAND_OK:
        raise Unfit("prepares in another way than the tested versions")


def _asked(raw: psycopg.Connection[Any], name: bytes) -> list[tuple[Any, ...]]:
    adapter = Transformer(raw)
    dumped: Any = adapter.dump_sequence([1], [PyFormat.TEXT])
    result = raw.pgconn.exec_prepared(name, dumped, adapter.formats)
    if result.status != ExecStatus.TUPLES_OK:
        raise Unfit("has the server forget statements that the engine has prepared")
    adapter.set_pgresult(result)
    return adapter.load_rows(0, result.ntuples, tuple)
