"""How clusters hear that a run may be due.

PostgreSQL commits transactions with a NOTIFY one by one, each under a lock until it is on disk. So
none that writes also notifies:

1. The sender notifies after its commit. If it dies or the statement fails, the clusters find the
   run within a second.
2. A process notifies at most once per GAP. A cluster looks at once and again GAP later (listener),
   so no thread need notify later.
3. A cluster's processes write to its pipes, without a statement, and the pusher tells other
   clusters. The pusher of a stopping cluster reads no pipes: its processes notify.
4. A cluster that looks by itself (listener, 4) holds a lock, and looks once more after it
   has released it. So a sender that finds the lock held, after its commit, need not notify of a
   run: a look is still to come. If that cluster's machine is lost, the others look once a second
   until its session is ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from django.db import DEFAULT_DB_ALIAS, connections

from jobs.advisory_locks import CLUSTER_LOOKS
from jobs.platform.ipc.wakeup import Wakeup
from jobs.platform.postgres import django_internals, statements
from jobs.platform.postgres.statements import Rows

logger = logging.getLogger("jobs.engine")

CHANNEL = "jobs"
RUN_DUE, ANYTHING = "run", ""
GAP = 0.01  # seconds, see (2)

LOOKS_BY_ITSELF = f"{CLUSTER_LOOKS}, 0"  # the advisory lock of (4)

# Without the disk, for servers that wait for it even though nothing is written.
NOTIFY = f"""
SELECT set_config('synchronous_commit', 'off', true),
       CASE WHEN %(what)s::text <> '{RUN_DUE}'
              OR (pg_try_advisory_lock_shared({LOOKS_BY_ITSELF})
                  AND pg_advisory_unlock_shared({LOOKS_BY_ITSELF}))
            THEN pg_notify(%(channel)s, %(what)s) END
"""


class Cluster(Protocol):
    runs: Wakeup
    requests: Wakeup

    @property
    def is_stopping(self) -> bool:
        """The pusher has ended or is about to."""


_cluster: Cluster | None = None
_notified: dict[str, float] = {}  # word → sent last (monotonic)


def belong_to(cluster: Cluster | None) -> None:
    global _cluster
    _cluster = cluster


def tell_clusters(what: str = ANYTHING) -> None:
    """Tell every cluster that something may be due, now or after this thread's transaction commits.
    Raises nothing.
    """
    here = connections[DEFAULT_DB_ALIAS]
    if not here.in_atomic_block:
        WORDS[what]()
    elif not django_internals.is_last_callback(here, WORDS[what]):
        here.on_commit(WORDS[what], robust=True)


def tell_if_due(returned: Iterable[Rows]) -> None:
    if any(RUN_DUE in row for rows in returned for row in rows):
        tell_clusters(RUN_DUE)


def is_word(callback: Callable[[], Any]) -> bool:
    return callback in WORDS.values()


def _tell_of_a_run() -> None:
    _tell(RUN_DUE)


def _tell_of_anything() -> None:
    _tell(ANYTHING)


WORDS = {RUN_DUE: _tell_of_a_run, ANYTHING: _tell_of_anything}


def _tell(what: str) -> None:
    if _cluster is None or _cluster.is_stopping:
        notify(what)
        return
    _cluster.runs.notify()
    if what == ANYTHING:
        _cluster.requests.notify()


def notify(what: str, by: str = DEFAULT_DB_ALIAS) -> None:
    """Notify now on this thread's connection `by` (2). Raises nothing."""
    now = time.monotonic()
    if now - _notified.get(what, -GAP) < GAP:
        return
    _notified[what] = now
    try:
        notify_now(what, by)
    except Exception as error:
        _notified.pop(what, None)
        logger.info("The clusters could not be told that a run may be due: %s", error)


def notify_now(what: str, by: str = DEFAULT_DB_ALIAS) -> None:
    """Notify regardless of GAP. Raises Django's errors."""
    told = {"channel": CHANNEL, "what": what}
    if by == DEFAULT_DB_ALIAS:
        statements.execute_nowait(NOTIFY, told)
    else:
        with connections[by].cursor() as cursor:
            cursor.execute(NOTIFY, told)
