"""Whether code has damaged its process, which would cost the next, innocent run an attempt.

After each execution the worker checks, within microseconds, what such code is known to change, and
ends if a check fails (executor.execute, 6). Checks try whether a thing works: a library may replace
`json.dumps` by a faster one.
"""

from __future__ import annotations

import json
import logging
import sys
import uuid
from collections.abc import Callable

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from jobs.platform.postgres import connection_state
from jobs.registry import catalog

logger = logging.getLogger("jobs.engine")

SAMPLE = {"text": "ä", "number": 1, "list": [None, True]}
LEVELS = sys.getrecursionlimit()


def is_sound(fn_id: str) -> bool:
    for what, works in CHECKS.items():
        try:
            is_well = works()
        except Exception as error:
            logger.warning("After a run of “%s”, %s: %s", fn_id, what, error)
            return False
        if not is_well:
            logger.warning("After a run of “%s”, %s", fn_id, what)
            return False
    if not catalog.knows(fn_id):
        logger.warning("After a run of “%s”, this process does not know that function", fn_id)
        return False
    return True


def _writes_json() -> bool:
    return bool(json.loads(json.dumps(SAMPLE)) == SAMPLE)


def _no_other_database_is_left() -> bool:
    """Inside a transaction, where no run's work would be committed any more.

    Only a test has one open on the engine's own database (unit_of_work.leave_connection).
    """
    if connections[DEFAULT_DB_ALIAS].in_atomic_block:
        return True
    return not any(
        _is_left_open(here)
        for here in connections.all(initialized_only=True)
        if here.alias != DEFAULT_DB_ALIAS
    )


def _is_left_open(here: BaseDatabaseWrapper) -> bool:
    if here.in_atomic_block or here.connection is None:
        return bool(here.in_atomic_block)
    is_usual = bool(here.settings_dict["AUTOCOMMIT"])
    if not is_usual or not here.get_autocommit():
        return is_usual
    return here.vendor == "postgresql" and connection_state.is_in_transaction(here)


CHECKS: dict[str, Callable[[], bool]] = {
    "JSON cannot be written and read any more": _writes_json,
    "the limit of nested calls is lower": lambda: sys.getrecursionlimit() >= LEVELS,
    "another database is left inside a transaction": _no_other_database_is_left,
    "no ids can be made": lambda: uuid.uuid4() != uuid.uuid4(),
}
