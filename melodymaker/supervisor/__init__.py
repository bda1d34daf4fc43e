"""The supervisor: starts, watches and stops the processes of `make run`."""

from __future__ import annotations

from .claim import Claim, Occupied
from .household import Household, PartEnded
from .parts import PARTS, Part
from .ports import PortTaken, refuse_taken

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
