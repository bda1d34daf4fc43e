"""What a worker tells of the step that it is at, and whom it asks whether to go on."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """Who looks on while a worker is at a run: a cluster's board, or nobody."""

    is_spoilt: bool
    """Whether the worker is to execute no other run: see executor.execute (6)."""

    @property
    def is_stopping(self) -> bool:
        """Whether the worker is to put the run down at the next step."""

    @property
    def may_go_on(self) -> bool:
        """Whether the worker may take up the turn that the run leaves, when it has ended."""

    def at_step(self, card: str) -> None:
        """The worker enters the body of this step (current_step.card_of); empty: it has left it."""

    def request_waits(self) -> None:
        """The worker has committed a request, which a gateway is to send."""


class Nobody:
    is_stopping = False
    may_go_on = False
    is_spoilt = False

    def at_step(self, card: str) -> None:
        pass

    def request_waits(self) -> None:
        pass
