"""What a worker process does: a shift, one claim after the other."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import Any

from jobs import conf
from jobs.cluster import shared
from jobs.errors import JobsError
from jobs.execution.executor import execute
from jobs.platform.ipc import process_tree
from jobs.runs.claim import Claim, LargeClaim
from jobs.runs.lease import give_back, renewed

logger = logging.getLogger("jobs.engine")


CANNOT_GO_ON = 70  # the exit code of a worker that ends itself


def work() -> None:
    """What a worker calls: a shift.

    A worker that cannot take or advance claims any more (a step has closed its pipes, say) ends
    itself: the keeper makes of it an attempt of the run that it was at, if it was at one, and the
    sentinel starts another one.
    """
    try:
        shared.of_this_cluster().dispatch.work(_advance)
    except Exception:
        logger.exception("The worker cannot go on, and ends itself")
        os._exit(CANNOT_GO_ON)


def _advance(c: Claim | LargeClaim) -> Claim | None:
    """Advance one run, its name on the board meanwhile; returns what to go on with. An error that
    leaves the executor leaves the name on the board: see `work`.

    A claim that has waited long for its worker may be somebody else's by now, and a stopping
    cluster takes nothing new: both are settled before the function is called.
    """
    board = shared.of_this_cluster().board
    if board.is_stopping:
        give_back(c.run_id, c.token)
        return None
    claim = _vouched(c)
    if claim is None:
        return None
    board.begin(claim.run_id, claim.token)
    going_on = execute(replace(claim, worker=process_tree.name()), board)
    board.end()
    if board.is_spoilt:
        if going_on is not None:
            give_back(going_on.run_id, going_on.token)
        raise JobsError("What has happened in this process may happen to the next run, too.")
    return going_on


def _vouched(c: Claim | LargeClaim) -> Claim | None:
    """The claim whole, under a lease that lasts; None if it is lost."""
    if isinstance(c, Claim) and c.clock.age <= conf.lease() / 4:
        return c
    token = renewed(c.run_id, c.token)
    if token is None:
        return None
    c = replace(c, token=token)
    return c.read() if isinstance(c, LargeClaim) else c


# In the shape that django-q2 carries.
SHIFT: dict[str, Any] = {"id": "shift", "name": "shift", "func": work, "args": (), "kwargs": {}}
