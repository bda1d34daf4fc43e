"""What a worker reports to, and asks whether to go on."""

from __future__ import annotations

from typing import Protocol

from jobs.runs.next_in_line import ShortLines


class WorkerObserver(Protocol):
    is_spoilt: bool
    """Whether the worker is to execute no other run: see executor.execute (6)."""

    short_lines: ShortLines
    """As the worker has met them."""

    @property
    def is_stopping(self) -> bool:
        """The worker is to put the run down at the next step."""

    @property
    def may_take_next(self) -> bool:
        """The worker may go on with the line's next run."""

    def step_changed(self, current_step: str) -> None:
        """The worker enters this step's body (current_step.encode_current_step); "" when it
        leaves."""

    def request_queued(self) -> None:
        """The worker has committed a request for a gateway."""


class NullObserver:
    is_stopping = False
    may_take_next = False
    is_spoilt = False

    def __init__(self) -> None:
        self.short_lines = ShortLines()

    def step_changed(self, current_step: str) -> None:
        pass

    def request_queued(self) -> None:
        pass
