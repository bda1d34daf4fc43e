"""What a worker reports to, and asks whether to go on."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    is_spoilt: bool
    """Whether the worker is to execute no other run: see executor.execute (6)."""

    @property
    def is_stopping(self) -> bool:
        """The worker is to put the run down at the next step."""

    @property
    def may_go_on(self) -> bool:
        """The worker may go on with the line's next run."""

    def at_step(self, card: str) -> None:
        """The worker enters this step's body (current_step.card_of); "" when it leaves."""

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
