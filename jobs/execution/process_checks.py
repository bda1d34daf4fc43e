"""Whether the code that has just run left its process as it found it.

A worker executes runs of many functions, one after the other. Code that changes what they all lean
on would cost the next run, which is innocent, an attempt. So a worker looks after each execution,
for a few microseconds, at what such code is known to change. If something does not work any more,
the worker ends and the sentinel starts another one (executor.execute, 6).

What is tried is whether a thing works, not whether it is the same: a library that replaces
`json.dumps` by a faster one costs no worker.
"""

from __future__ import annotations

import json
import logging
import sys
import uuid
from collections.abc import Callable

from jobs.registry import catalog

logger = logging.getLogger("jobs.engine")

SAMPLE = {"text": "ä", "number": 1, "list": [None, True]}
LEVELS = sys.getrecursionlimit()


def is_sound(fn_id: str) -> bool:
    """Whether another run may be executed in this process. `fn_id` is the function that was just
    called, which the registry must know still."""
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


CHECKS: dict[str, Callable[[], bool]] = {
    "JSON cannot be written and read any more": _writes_json,
    "the limit of nested calls is lower": lambda: sys.getrecursionlimit() >= LEVELS,
    "no ids can be made": lambda: uuid.uuid4() != uuid.uuid4(),
}
