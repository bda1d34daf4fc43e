"""The outputs of a run's steps: together at most `JOBS["RUN_OUTPUT_LIMIT"]` bytes of JSON (README,
“How much a run remembers”).

The first `records.OUTPUTS_AT_ONCE` bytes, all of most runs, come with the rows. The rest is read
when asked for, with as many bytes of what follows. A function asks for each step once, so given
outputs are dropped, and outputs read ahead when it asks for another.
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
from jobs.lib.json_values import copy_json
from jobs.runs.step_record import StepRecord


class Outputs:
    def __init__(self, run_id: uuid.UUID) -> None:
        self._run_id = run_id
        self._held = 0  # bytes of JSON
        self._unread: dict[str, int] = {}  # bytes by name, in order
        self._ahead: dict[str, str] = {}  # of these, read ahead

    def meet(self, step: StepRecord) -> None:
        if step.is_remembered:
            self.hold(step)
        if step.output is None and step.output_bytes:
            self._unread[step.name] = step.output_bytes

    def hold(self, step: StepRecord) -> None:
        self._held += step.output_bytes or 0

    def refusal(self, name: str, size: int) -> InvalidOutput | None:
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
        """A step's output. LeaseLost if the row is gone: only ended runs are deleted."""
        size = self._unread.get(step.name)
        if size is None:
            return copy_json(step.output)
        if step.name not in self._ahead:
            self._ahead = records.outputs(self._run_id, list(self._from(step.name)))
        if step.name not in self._ahead:
            raise LeaseLost(self._run_id, "has been forgotten")
        del self._unread[step.name]
        return json.loads(self._ahead.pop(step.name))

    def _from(self, name: str) -> Iterator[str]:
        room = records.OUTPUTS_AT_ONCE
        for behind, size in dropwhile(lambda item: item[0] != name, self._unread.items()):
            room -= size
            if room < 0 and behind != name:
                return
            yield behind
