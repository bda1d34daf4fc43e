"""A suspension leaves the function, whatever its code makes of it (law 10)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from jobs.errors import ControlFlow
from jobs.execution.step_runner import StepRunner


@contextlib.contextmanager
def suspension_first(runner: StepRunner) -> Iterator[None]:
    """Code may return with it in an `except:`, or err over it in a `finally:`, which often misses
    what the suspended step has not returned yet.
    """
    try:
        yield
    except ControlFlow:
        raise
    except BaseException:
        runner.raise_if_suspended()
        raise
    runner.raise_if_suspended()
