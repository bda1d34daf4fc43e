"""The workers of a cluster as its gateway sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jobs.runs.claim import Claim


class Workers(Protocol):
    """Those of its cluster."""

    @property
    def name(self) -> str:
        """In whose name runs are leased for them."""

    @property
    def is_busy(self) -> bool:
        """Whether they have enough to do."""

    @property
    def room(self) -> int:
        """How many more runs may be given to them."""

    def take(self, claims: Sequence[Claim]) -> None:
        """Here they are."""


class NoWorkers:
    name = ""
    is_busy = False
    room = 0

    def take(self, claims: Sequence[Claim]) -> None:
        """There is no room, so there are none."""
