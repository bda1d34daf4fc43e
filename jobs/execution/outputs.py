"""What the steps of a run have left: how much that is, and how it is read back.

1. Together it may have `JOBS["RUN_OUTPUT_LIMIT"]` bytes of JSON. An output that would go beyond is
   refused like one that is too large by itself. A run that holds more already, since the limit was
   another one, goes on with what it has, and adds nothing.
2. The first `records.AT_ONCE` bytes come with the rows, in one trip: of most runs that is all. The
   rest is read when the function asks for it, each time as much of what follows with it as fits
   into as many bytes.
3. A function asks for each of its steps once in an execution. What it has been given is kept here
   no longer, nor is what was read ahead when it then asks for something else.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from itertools import dropwhile
from typing import Any

from jobs import conf
from jobs.errors import InvalidOutput, LeaseLost
from jobs.execution import records
from jobs.lib.json_values import copied
from jobs.runs.step_record import StepRecord


class Outputs:
    """Those of one run, in one execution of it."""

    def __init__(self, run_id: uuid.UUID) -> None:
        self._run_id = run_id
        self._held = 0  # bytes of JSON, of the steps that are remembered
        self._unread: dict[str, int] = {}  # their bytes by the steps' names, in the steps' order
        self._ahead: dict[str, str] = {}  # of these, what was read ahead

    def meet(self, step: StepRecord) -> None:
        """A step that was read with its row."""
        if step.is_remembered:
            self.hold(step)
        if step.output is None and step.output_bytes:
            self._unread[step.name] = step.output_bytes

    def hold(self, step: StepRecord) -> None:
        """A step is remembered now, with its output."""
        self._held += step.output_bytes or 0

    def refusal(self, name: str, size: int) -> InvalidOutput | None:
        """The error that a step's output amounts to, if so many bytes more are too many."""
        limit = conf.run_output_limit()
        if not size or self._held + size <= limit:
            return None
        return InvalidOutput(
            f"The output of step “{name}” has {size:,} bytes of JSON, and those of the run's other "
            f"steps have {self._held:,}; at most {limit:,} are allowed for all of them together "
            '(JOBS["RUN_OUTPUT_LIMIT"]). Keep what is large in a file or in a table of your own, '
            "and return its name or its id."
        )

    def of(self, step: StepRecord) -> Any:
        """A copy of what a step has left. LeaseLost if it is not there any more: only a run that
        has been ended is ever forgotten."""
        size = self._unread.get(step.name)
        if size is None:
            return copied(step.output)
        if step.name not in self._ahead:
            self._ahead = records.outputs(self._run_id, list(self._from(step.name)))
        if step.name not in self._ahead:
            raise LeaseLost(f"run {self._run_id} has been forgotten")
        del self._unread[step.name]
        return json.loads(self._ahead.pop(step.name))

    def _from(self, name: str) -> Iterator[str]:
        """This step, and as many of those behind it as are read with it."""
        room = records.AT_ONCE
        for behind, size in dropwhile(lambda item: item[0] != name, self._unread.items()):
            room -= size
            if room < 0 and behind != name:
                return
            yield behind
