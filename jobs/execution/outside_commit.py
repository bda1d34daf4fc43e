"""The commit of a body's work outside any transaction. If broken off, it is made once more on
another connection, in an outage when the database is back, for at most a lease: else the body would
act twice.
"""

from __future__ import annotations

import logging
import time

from django.db import DEFAULT_DB_ALIAS, InterfaceError, connections
from django.db import Error as DatabaseError

from jobs import conf, models
from jobs.errors import Interrupted
from jobs.execution.unit_of_work import UnitOfWork
from jobs.platform.postgres import connection_state
from jobs.platform.postgres.outages import is_unavailable

logger = logging.getLogger("jobs.engine")

RECONNECT_SECONDS = 0.5


def commit_what_acted_outside(unit_of_work: UnitOfWork, name: str) -> None:
    patience = time.monotonic() + conf.lease()
    kept = unit_of_work.kept()
    is_last = unit_of_work.transaction.outer.is_there
    while True:
        try:
            unit_of_work.commit()
            return
        except Interrupted as stop:
            if is_last or time.monotonic() > patience:
                raise
            is_last = not is_unavailable(stop.error)
            logger.warning("Run %s: its commit is tried again: %s", unit_of_work.claim.run_id, stop)
        unit_of_work.restore(kept)
        while not _is_reached(patience):
            time.sleep(RECONNECT_SECONDS)
        if _has_remembered(unit_of_work, name):
            unit_of_work.note_commit()
            return


def _is_reached(patience: float) -> bool:
    """True also without time left."""
    here = connections[DEFAULT_DB_ALIAS]
    connection_state.drop(here)
    try:
        here.connect()
    except (DatabaseError, InterfaceError):
        return time.monotonic() > patience
    return True


def _has_remembered(unit_of_work: UnitOfWork, name: str) -> bool:
    mine = models.Step.objects.filter(run_id=unit_of_work.claim.run_id, name=name)
    return mine.filter(status__in=models.REMEMBERED).exists()
