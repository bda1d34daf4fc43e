"""A cluster's workers, as its gateway sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jobs.runs.claim import Claim


class Workers(Protocol):
    @property
    def name(self) -> str:
        """The name for their leases."""

    @property
    def is_busy(self) -> bool:
        """Whether claims wait for them."""

    @property
    def room(self) -> int:
        """How many more runs they take."""

    def take(self, claims: Sequence[Claim]) -> None:
        """Give them these runs."""


class NoWorkers:
    name = ""
    is_busy = False
    room = 0

    def take(self, claims: Sequence[Claim]) -> None:
        """Never called: there is no room."""
