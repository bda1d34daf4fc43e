"""The supervisor: starts, watches and stops the processes of `make run`."""

from __future__ import annotations

from melodymaker.supervisor.children import Children, PartEnded
from melodymaker.supervisor.instance_lock import InstanceLock, Occupied
from melodymaker.supervisor.ports import PortTaken, refuse_taken
from melodymaker.supervisor.processes import PARTS, Part
from melodymaker.supervisor.reloading import Reloader, Watcher

__all__ = [
    "PARTS",
    "Children",
    "InstanceLock",
    "Occupied",
    "Part",
    "PartEnded",
    "PortTaken",
    "Reloader",
    "Watcher",
    "refuse_taken",
]
