"""A worker's shift: one claim after another."""

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


CANNOT_GO_ON = 70  # exit code of a worker that ends itself


def work() -> None:
    """A worker that cannot go on (a step closed its pipes, say) ends itself. The keeper records an
    attempt of its run, and the sentinel starts another.
    """
    try:
        shared.of_this_cluster().dispatch.work(_advance)
    except Exception:
        logger.exception("The worker cannot go on, and ends itself")
        os._exit(CANNOT_GO_ON)


def _advance(c: Claim | LargeClaim) -> Claim | None:
    """Advance one run, entered in the worker table; the claim to continue with. After an error the
    entry stays, see `work`.

    The lease of a claim that waited may be lost by now, and a stopping cluster starts no run.
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
        raise JobsError("This worker may fail its next run, too, and takes no other.")
    return going_on


def _vouched(c: Claim | LargeClaim) -> Claim | None:
    """The whole claim, with a lease that lasts; None if it is lost."""
    if isinstance(c, Claim) and c.clock.age <= conf.lease() / 4:
        return c
    token = renewed(c.run_id, c.token)
    if token is None:
        return None
    c = replace(c, token=token)
    return c.read() if isinstance(c, LargeClaim) else c


# As django-q2 carries a task.
SHIFT: dict[str, Any] = {"id": "shift", "name": "shift", "func": work, "args": (), "kwargs": {}}
