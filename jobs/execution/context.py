from __future__ import annotations

import logging
from typing import Generic

from jobs.events.event import D, Event
from jobs.execution.observer import WorkerObserver
from jobs.execution.step_runner import StepRunner
from jobs.execution.steps import Steps
from jobs.execution.unit_of_work import UnitOfWork
from jobs.registry import catalog
from jobs.registry.function import Function
from jobs.runs import hook_events
from jobs.runs.claimed_run import Claim


class Context(Generic[D]):
    """What a handler gets; `Context[Order]` for type checkers, if a trigger says `data=Order`.

    `event` has started the run: its name, `data`, id and ts. `events` is a list of it alone. `step`
    has the steps. `run_id` is what `status` and `cancel` take. `logger` writes the run's log lines.
    """

    event: Event[D]
    events: list[Event[D]]
    run_id: str
    logger: logging.Logger
    step: Steps

    def __init__(
        self, claim: Claim, function: Function, unit_of_work: UnitOfWork, observer: WorkerObserver
    ) -> None:
        came = claim.event
        data = catalog.read_data(function, came["name"], came["data"])
        self.event = Event(**came | {"data": data})
        self.events = [self.event]
        self.run_id = str(claim.run_id)
        self.logger = logging.getLogger(f"jobs.run.{claim.fn_id}")
        self.runner = StepRunner(claim, function, unit_of_work, observer)
        self.step = Steps(self.runner)

    @property
    def attempt(self) -> int:
        """Errors so far at the run's current point (0-based): in a step's body that step's, in a
        branch of `parallel` that branch's.
        """
        return self.runner.errors_here

    @property
    def is_outdated(self) -> bool:
        """In a hook: whether its run has gone on since; elsewhere False.

        Ask in the atomic step that writes: the answer then holds until the step commits. If the
        function's steps lock the same row of yours, lock it first.
        """
        event = self.runner.claim.event
        return hook_events.is_outdated(event["name"], event["data"])
