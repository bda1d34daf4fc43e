"""The vocabulary of the engine's tests: tiny functions, what they did, and how to run them."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable
from typing import Any

from django.db import connection, connections

from jobs.api import Context, Event, send
from jobs.models import Run
from jobs.testing import ran, registered, the_run

__all__ = ["Diary", "at_once", "go", "in_a_child", "nap", "ran", "registered", "the_run"]


def go(data: dict[str, Any] | None = None, **event: Any) -> Run:
    """Send “test/go”; returns the newest run of “test-function”."""
    send(Event(name="test/go", data=data or {}, **event))
    return the_run()


class Diary:
    """What was done, in its order: steps of tests write here."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def write(self, entry: str) -> str:
        self.entries.append(entry)
        return entry

    def fail_times(self, entry: str, times: int, error: Exception | None = None) -> str:
        """Fails the first `times` times."""
        self.write(entry)
        if self.entries.count(entry) <= times:
            raise error or ValueError(f"{entry} number {self.entries.count(entry)}")
        return entry


def three_steps(diary: Diary) -> Any:
    def handler(ctx: Context) -> dict[str, str]:
        first = ctx.step.run("first", diary.write, "first")
        second = ctx.step.run("second", diary.write, "second")
        third = ctx.step.run("third", diary.write, "third")
        return {"said": f"{first} {second} {third}"}

    return handler


def nap(diary: Diary) -> Any:
    """A step, an hour's sleep, a step."""

    def handler(ctx: Context) -> None:
        ctx.step.run("before", diary.write, "before")
        ctx.step.sleep("nap", 3600)
        ctx.step.run("after", diary.write, "after")

    return handler


def at_once(*jobs: Callable[[], Any]) -> list[Any]:
    """What each job returns, or the error it raised; each in a thread with a connection of its
    own, all begun at the same moment."""
    start = threading.Barrier(len(jobs))
    results: list[Any] = [None] * len(jobs)

    def work(number: int, job: Callable[[], Any]) -> None:
        start.wait()
        try:
            results[number] = job()
        except Exception as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def in_a_child(job: Callable[[], Any]) -> int:
    """Do a job in a process of its own, which may die of it; returns its exit code."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        code = 0
        try:
            job()
        except BaseException:
            traceback.print_exc()
            code = 1
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
