"""What a step's body may do to its process and its connection. `ENDING` come to an end as attempts
with an error; `HARMLESS` go well; `DEADLY` take their worker down; `SPOILING` leave a process in
which the engine's own code fails."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

from django.db import close_old_connections, connection, connections, transaction


def sql(statement: str) -> Callable[[], None]:
    def body() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return body


def leave_autocommit_off() -> None:
    transaction.set_autocommit(False)
    sql("SELECT 1")()


def enter_a_block() -> None:
    transaction.atomic().__enter__()


def print_odd_things() -> None:
    print("\0 and \ud800")
    sys.stdout.buffer.write(b"\xff\x00\n")
    sys.stdout.write("no end")
    os.write(1, b"past Python\n")


def close_the_console() -> None:
    with contextlib.suppress(Exception):
        sys.stdout.close()
    print("is anybody there?")


def swallow_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGALRM})


def leave_a_thread_that_errs() -> None:
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()


def fork_and_return() -> int:
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    return 1


def warn_as_an_error() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.warn("odd", stacklevel=1)


def disturb_the_collector() -> None:
    gc.disable()
    gc.collect()
    gc.enable()


def change_the_folder() -> None:
    os.chdir("/")
    os.umask(0o777)


def no_temporary_folder() -> None:
    import tempfile

    tempfile.tempdir = "/nonexistent"


def kill(number: int) -> Callable[[], None]:
    def body() -> None:
        os.kill(os.getpid(), number)
        signal.pause()  # until it has come

    return body


def leave_an_event_loop_running() -> None:
    asyncio._set_running_loop(asyncio.new_event_loop())


def break_json() -> None:
    def broken(*_: Any, **__: Any) -> str:
        raise RuntimeError("no JSON any more")

    json.dumps = broken


def forget_all_functions() -> None:
    from jobs.registry import catalog

    catalog._functions.clear()


def refuse_every_statement() -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("no statements any more")

    connection.execute_wrappers.append(refuse)


ATOMIC, OUTSIDE = True, False
ENDING: dict[str, tuple[Callable[[], Any], bool]] = {
    "closes its connection": (connection.close, ATOMIC),
    "closes all connections": (connections.close_all, ATOMIC),
    "closes old connections": (close_old_connections, ATOMIC),
    "commits by hand": (sql("SELECT 1; COMMIT"), ATOMIC),
    "rolls back by hand": (sql("SELECT 1; ROLLBACK"), ATOMIC),
    "commits": (transaction.commit, ATOMIC),
    "rolls back": (transaction.rollback, ATOMIC),
    "marks for rollback": (lambda: transaction.set_rollback(True), ATOMIC),
    "leaves autocommit off": (leave_autocommit_off, OUTSIDE),
    "leaves a block open": (enter_a_block, OUTSIDE),
    "leaves a transaction open": (sql("BEGIN"), OUTSIDE),
    "is cut off": (sql("SELECT pg_terminate_backend(pg_backend_pid())"), ATOMIC),
    "is cut off outside": (sql("SELECT pg_terminate_backend(pg_backend_pid())"), OUTSIDE),
    "prints to the console that it has closed": (close_the_console, ATOMIC),
    "warns": (warn_as_an_error, ATOMIC),
}
HARMLESS: dict[str, tuple[Callable[[], Any], bool]] = {
    "closes its connection outside": (connections.close_all, OUTSIDE),
    "prints odd things": (print_odd_things, ATOMIC),
    "swallows signals": (swallow_signals, OUTSIDE),
    "leaves a thread that errs": (leave_a_thread_that_errs, ATOMIC),
    "forks": (fork_and_return, OUTSIDE),
    "disturbs the collector": (disturb_the_collector, ATOMIC),
    "changes the folder": (change_the_folder, ATOMIC),
    "has no temporary folder": (no_temporary_folder, ATOMIC),
    "closes every file": (lambda: os.closerange(3, 4096), OUTSIDE),
    "sets a search path": (sql("SET search_path = nowhere"), OUTSIDE),
    "makes its session read-only": (sql("SET default_transaction_read_only = on"), OUTSIDE),
    "sets a short timeout": (sql("SET statement_timeout = '1ms'"), OUTSIDE),
}
DEADLY: dict[str, tuple[Callable[[], Any], bool]] = {
    "exits": (lambda: os._exit(3), ATOMIC),
    "aborts": (os.abort, ATOMIC),
    "kills itself": (kill(signal.SIGKILL), OUTSIDE),
    "segfaults": (kill(signal.SIGSEGV), ATOMIC),
}
SPOILING: dict[str, tuple[Callable[[], Any], bool]] = {
    "leaves an event loop running": (leave_an_event_loop_running, OUTSIDE),
    "breaks JSON": (break_json, OUTSIDE),
    "forgets all functions": (forget_all_functions, OUTSIDE),
    "refuses every statement": (refuse_every_statement, OUTSIDE),
}
