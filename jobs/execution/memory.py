"""How a call finds its step in a run.

A step's place is its branch (“” outside step.parallel), its id, and the id's earlier uses there.
Its name, the id with “:1”, “:2”, … if taken, is remembered, so branches may progress in any order.
"""

from __future__ import annotations

from typing import Any

from jobs.errors import InvalidStep, NonRetriableError
from jobs.execution import records
from jobs.execution.outputs import Outputs
from jobs.fetch.request import FetchRecord
from jobs.lib.excerpts import quoted
from jobs.lib.json_values import is_text, plain
from jobs.lib.secrets import mask
from jobs.models import StepKind, StepStatus
from jobs.runs.claimed_run import Claim
from jobs.runs.step_record import StepRecord

MAX_STEPS = 1000
NAME_LIMIT = 180

# Kinds a worker may die of.
WITH_BODY = (StepKind.RUN, StepKind.SEND)

Place = tuple[str, str, int]  # branch, id, earlier uses


class Memory:
    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._steps: dict[Place, StepRecord] = {}
        self._names: set[str] = set()
        self._visits: dict[tuple[str, str], int] = {}
        self._kinds: dict[str, StepKind] = {}
        self._met: set[str] = set()  # old steps that were passed
        self._last = 0
        self.fetches: dict[str, FetchRecord] = {}
        self.outputs = Outputs(claim.run_id)
        self.branch = ""
        if claim.has_memory:
            self._load()
        self._old = len(self._steps)

    def _load(self) -> None:
        for step, request in records.read(self._claim.run_id):
            detail = step.detail
            default = _place_of(step.name)
            place = (
                detail.get("branch", ""),
                detail.get("id", default[0]),
                detail.get("n", default[1]),
            )
            self._steps[place] = step
            self._names.add(step.name)
            self.outputs.meet(step)
            self._last = max(self._last, step.position)
            if request is not None:
                self.fetches[step.name] = request

    @property
    def is_replaying(self) -> bool:
        """Whether steps of earlier executions are still to come."""
        return len(self._met) < self._old

    def awaiting(self) -> list[StepRecord]:
        """Waits for events that did not end: a function may return without them."""
        steps = self._steps.values()
        return [step for step in steps if step.awaits and step.status == StepStatus.WAITING]

    def errors_of_branch(self) -> int:
        """Of its open step."""
        here = (step for place, step in self._steps.items() if place[0] == self.branch)
        return max((step.attempts for step in here if not step.is_remembered), default=0)

    def visit(self, id: str, kind: StepKind) -> StepRecord:
        if type(id) is not str:  # _refuse_bad_id checks the others, if new
            _refuse_bad_id(id)
            id = plain(id)
        used_for = self._kinds.setdefault(id, kind)
        if used_for != kind:
            raise InvalidStep(
                f"Step id “{id}” is used for step.{used_for} and for step.{kind} in one function; "
                "an id may repeat for steps of one kind only."
            )
        count = self._visits.get((self.branch, id), 0)
        self._visits[self.branch, id] = count + 1
        place = (self.branch, id, count)
        step = self._steps.get(place)
        if step is None:
            _refuse_bad_id(id)
            step = self._steps[place] = self._new(place, kind)
            self._old = 0  # no later code has run before
        elif step.kind != kind:
            raise InvalidStep(
                f"Step “{step.name}” was step.{step.kind} in this run and is step.{kind} now; "
                "give the new one another id."
            )
        else:
            self._met.add(step.name)
            self._move_behind_the_new(step)
        return step

    def _move_behind_the_new(self, step: StepRecord) -> None:
        """A lost worker's step has a row, and goes behind uncommitted ones, which have none."""
        if self._old == 0 and step.kind in WITH_BODY and not step.is_remembered:
            step.position = self._next_position()

    def _next_position(self) -> int:
        self._last += 1
        return self._last

    def _new(self, place: Place, kind: StepKind) -> StepRecord:
        if len(self._steps) >= MAX_STEPS:
            raise NonRetriableError(f"The run exceeded the limit of {MAX_STEPS} steps.")
        branch, id, count = place
        name = self._free_name(id, count)
        # The name tells the place, unless taken or in a branch.
        told = not branch and _place_of(name) == (id, count)
        return StepRecord(
            name=name,
            kind=kind,
            position=self._next_position(),
            started_at=self._claim.clock.now(),
            detail={} if told else {"branch": branch, "id": id, "n": count},
        )

    def _free_name(self, id: str, count: int) -> str:
        name = f"{id}:{count}" if count else id
        while name in self._names:
            count += 1
            name = f"{id}:{count}"
        self._names.add(name)
        return name


def _refuse_bad_id(id: Any) -> None:
    if not isinstance(id, str) or not id.strip() or len(id) > NAME_LIMIT:
        raise InvalidStep(f"A step's id must be 1 to {NAME_LIMIT} characters, not {quoted(id)}.")
    if not is_text(id):
        raise InvalidStep(
            f"A step's id must be 1 to {NAME_LIMIT} characters that can be stored, not "
            f"{quoted(id)}."
        )
    if mask(id) != id:
        raise InvalidStep(f"A step's id holds a secret: {mask(id)}.")


def _place_of(name: str) -> tuple[str, int]:
    id, colon, number = name.rpartition(":")
    return (id, int(number)) if colon and id and number.isdecimal() and number != "0" else (name, 0)


def branch_name(branch: str, group: int, index: int) -> str:
    """“0.1/2.0”: the first branch of group 2 in branch 0.1."""
    return f"{branch}/{group}.{index}" if branch else f"{group}.{index}"
