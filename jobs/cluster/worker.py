"""A worker's shift: it takes claims (dispatch) and executes each. It first renews the lease of a
claim that has waited, so that no other process takes the run meanwhile.
"""

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
from jobs.runs.claimed_run import Claim, LargeClaim
from jobs.runs.lease import give_back, replace_token

logger = logging.getLogger("jobs.engine")


EXIT_CODE = 70  # of a worker that ends itself


def work() -> None:
    """A worker that cannot go on (a step closed its pipes, say) ends itself. The heartbeat records
    an attempt of its run, and the sentinel starts another.
    """
    try:
        shared.of_this_cluster().dispatch.work(_execute_claim)
    except Exception:
        logger.exception("The worker cannot go on, and ends itself")
        os._exit(EXIT_CODE)


def _execute_claim(received: Claim | LargeClaim) -> Claim | None:
    """Returns the claim to continue with. After an error the run's entry in the worker table stays,
    see `work`. A stopping cluster starts no run.
    """
    worker_table = shared.of_this_cluster().worker_table
    if worker_table.is_stopping:
        give_back(received.run_id, received.token)
        return None
    claim = _ensure_lease(received)
    if claim is None:
        return None
    worker_table.begin(claim.run_id, claim.token)
    next_claim = execute(replace(claim, worker=process_tree.worker_name()), worker_table)
    worker_table.end()
    if worker_table.is_spoilt:
        if next_claim is not None:
            give_back(next_claim.run_id, next_claim.token)
        raise JobsError("This worker may fail its next run, too, and takes no other.")
    return next_claim


def _ensure_lease(received: Claim | LargeClaim) -> Claim | None:
    """None if the lease is lost."""
    if isinstance(received, Claim) and received.clock.age <= conf.lease() / 4:
        return received
    token = replace_token(received.run_id, received.token)
    if token is None:
        return None
    received = replace(received, token=token)
    return received.read() if isinstance(received, LargeClaim) else received


# As django-q2 carries a task.
SHIFT: dict[str, Any] = {"id": "shift", "name": "shift", "func": work, "args": (), "kwargs": {}}
