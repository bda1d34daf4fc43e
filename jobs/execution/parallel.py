"""A worker calls the branches in order, and again after a wake. A suspended one does not stop the
next.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from jobs.errors import InvalidStep, Suspend
from jobs.execution.calls import call
from jobs.execution.memory import branch_name
from jobs.execution.step_runner import StepRunner
from jobs.execution.suspension import suspension_first
from jobs.lib.error_report import put_beside
from jobs.lib.excerpts import quoted

MAX_BRANCHES = 1000


def branches(runner: StepRunner, group: int, callables: list[Callable[[], Any]]) -> tuple[Any, ...]:
    _refuse(callables)
    memory = runner.memory
    parent = memory.branch
    results: list[Any] = []
    pauses: list[Suspend] = []
    errors: list[Exception] = []
    for index, branch in enumerate(callables):
        memory.branch = branch_name(parent, group, index)
        try:
            with suspension_first(runner):
                result = call(branch, partial("Entry {} of step.parallel()".format, index))
            results.append(result)
        except Suspend as pause:
            pauses.append(pause)
            runner.clear_suspension()
        except Exception as error:
            errors.append(error)
        finally:
            memory.branch = parent
    if pauses:
        runner.suspend(shortest(pauses, runner.now()))
    if errors:
        put_beside(errors[0], errors[1:])
        raise errors[0]
    return tuple(results)


def _refuse(callables: list[Any]) -> None:
    if len(callables) > MAX_BRANCHES:
        raise InvalidStep(
            f"step.parallel() takes at most {MAX_BRANCHES:,} functions to call, not "
            f"{len(callables):,}."
        )
    for index, branch in enumerate(callables):
        if not callable(branch):
            raise InvalidStep(
                f"step.parallel() takes functions to call, and entry {index} is {quoted(branch)}, "
                f"of type {type(branch).__name__}. What a function returns comes too late: write "
                "parallel([lambda: f(1), lambda: f(2)]), not parallel([f(1), f(2)])."
            )


def shortest(pauses: list[Suspend], now: datetime) -> Suspend:
    def seconds(pause: Suspend) -> float:
        if pause.delay is not None:
            return pause.delay
        return math.inf if pause.until is None else (pause.until - now).total_seconds()

    return min(pauses, key=seconds)
