"""The supervisor: starts, watches and stops the processes of `make run`."""

from __future__ import annotations

from melodymaker.supervisor.children import Household, PartEnded
from melodymaker.supervisor.instance_lock import Claim, Occupied
from melodymaker.supervisor.ports import PortTaken, refuse_taken
from melodymaker.supervisor.processes import PARTS, Part

__all__ = [
    "PARTS",
    "Claim",
    "Household",
    "Occupied",
    "Part",
    "PartEnded",
    "PortTaken",
    "refuse_taken",
]
