"""A cluster's workers, as its gateway sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jobs.runs.claimed_run import Claim


class WorkerPool(Protocol):
    @property
    def name(self) -> str:
        """The name for their leases."""

    @property
    def is_busy(self) -> bool:
        """Whether claims wait for them."""

    @property
    def backlog_seconds(self) -> float:
        """How long they have enough to do without another response, at their present speed."""

    @property
    def free_slots(self) -> int:
        """How many more runs they take."""

    def accept(self, claims: Sequence[Claim]) -> None:
        """Give them these runs."""


class NoWorkerPool:
    name = ""
    is_busy = False
    backlog_seconds = 0.0
    free_slots = 0

    def accept(self, claims: Sequence[Claim]) -> None:
        """Never called: there is no room."""
