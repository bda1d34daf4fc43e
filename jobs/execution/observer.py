"""A worker reports its current step to an observer, and asks it whether to go on."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """The observer of a worker: the cluster's board, or a Nobody."""

    is_spoilt: bool
    """Whether the worker is to execute no other run: see executor.execute (6)."""

    @property
    def is_stopping(self) -> bool:
        """Whether the worker is to put the run down at the next step."""

    @property
    def may_go_on(self) -> bool:
        """Whether the worker may go on with the next run of the line, when this one has ended."""

    def at_step(self, card: str) -> None:
        """The worker enters the body of this step (current_step.card_of); with "", it leaves it."""

    def request_waits(self) -> None:
        """The worker has committed a request for a gateway."""


class Nobody:
    is_stopping = False
    may_go_on = False
    is_spoilt = False

    def at_step(self, card: str) -> None:
        pass

    def request_waits(self) -> None:
        pass
