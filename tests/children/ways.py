"""Every way to start a process, and every way in which a copy of one can leave a body."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection, transaction

FOREVER = 3600
PROGRAM = [sys.executable, "-c", f"import time; time.sleep({FOREVER})"]


# --- processes that come to an end ----------------------------------------------------------------


def executor(method: str) -> int:
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(int, "1").result()


def pool(method: str) -> int:
    """Its end is a SIGTERM for its processes."""
    with multiprocessing.get_context(method).Pool(2) as pool:
        return sum(pool.map(int, ["0", "1"]))


def process(method: str) -> int:
    child = multiprocessing.get_context(method).Process(target=int)
    child.start()
    child.join()
    return 1 - (child.exitcode or 0)


def program() -> int:
    return int(subprocess.run(["echo", "1"], capture_output=True, check=True).stdout)


def exit_code_of(child: Callable[[], Any]) -> int:
    """Of a copy of this process that does this and then goes on as its parent would."""
    pid = os.fork()
    if not pid:
        child()
        raise AssertionError("a copy must not get here")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def rows_of_a_child() -> int:
    """A copy that uses the database ends; its parent's transaction goes on."""
    Group.objects.create(name="parent")
    mine = connection.connection.info.backend_pid

    def work() -> None:
        with transaction.atomic():
            Group.objects.create(name="child")
        os._exit(0 if connection.connection.info.backend_pid != mine else 1)

    assert exit_code_of(work) == 0
    assert connection.connection.info.backend_pid == mine
    return Group.objects.filter(name__in=["parent", "child"]).count() - 1


ENDING = {
    **{
        f"{way.__name__} by {method}": lambda way=way, method=method: way(method)
        for way in (executor, pool, process)
        for method in ("fork", "spawn", "forkserver")
    },
    "program": program,
    "rows of a child": rows_of_a_child,
}


# --- copies of the worker -------------------------------------------------------------------------


def raise_an_error() -> None:
    raise ValueError("a copy's error")


LEAVING: dict[str, Callable[[], Any]] = {
    "returned": int,
    "raised": raise_an_error,
    "exited": lambda: sys.exit(7),
    "exited with words": lambda: sys.exit("a copy's last words"),
}


def copy_that(leave: Callable[[], Any]) -> int:
    return os.fork() or leave()


# --- processes that do not come to an end ---------------------------------------------------------


def forever() -> None:
    time.sleep(FOREVER)


def start_a_new_interpreter() -> None:
    multiprocessing.get_context("spawn").Process(target=time.sleep, args=[FOREVER]).start()


def deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    forever()


def start_a_child(target: Callable[[], Any]) -> None:
    multiprocessing.get_context("fork").Process(target=target).start()


def start_a_grandchild() -> None:
    start_a_child(forever)
    forever()


def start_in_a_thread() -> None:
    thread = threading.Thread(target=start_a_child, args=[forever])
    thread.start()
    thread.join()


def start_in_the_background() -> list[int]:
    """Programs that a shell leaves behind when it ends."""
    shell = f"sleep {FOREVER} >&2 & echo $!; sleep {FOREVER} >&2 & echo $!"
    told = subprocess.run(["sh", "-c", shell], stdout=subprocess.PIPE, check=True)
    return [int(pid) for pid in told.stdout.split()]


def start_a_pool() -> None:
    LEFT.append(ProcessPoolExecutor(2))
    LEFT[-1].submit(forever)


def start_in_a_session_of_its_own() -> None:
    LEFT.append(subprocess.Popen(PROGRAM, start_new_session=True, env={}))


def start_a_thread() -> None:
    threading.Thread(target=forever).start()


LEFT: list[Any] = []
ENDLESS: dict[str, Callable[[], Any]] = {
    "child": lambda: start_a_child(forever),
    "deaf child": lambda: start_a_child(deaf),
    "spawned child": start_a_new_interpreter,
    "grandchild": lambda: start_a_child(start_a_grandchild),
    "child of a thread": start_in_a_thread,
    "pool": start_a_pool,
    "program": lambda: LEFT.append(subprocess.Popen(PROGRAM)),
    "program in a session of its own": start_in_a_session_of_its_own,
    "thread": start_a_thread,
}


def started() -> dict[str, Any]:
    return {"worker": os.getpid(), "started": descendants(os.getpid())}


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found
