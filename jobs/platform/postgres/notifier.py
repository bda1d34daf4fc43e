"""Telling the clusters that a run may be due: after the commit, and one word for many.

PostgreSQL lets transactions that NOTIFY commit one after the other, in the whole server, and each
holds that lock until its commit is on the disk. So no transaction that writes anything does it:

1. The clusters are told after the commit (`transaction.on_commit`), by a statement of its own that
   leaves nothing to write to the disk. What was rolled back, a savepoint included, tells nothing.
   If the process dies in between, or the statement fails, the clusters find the run all the same:
   each looks once a second.
2. A process that has told the clusters less than GAP ago tells nothing: a cluster that hears a
   word looks at once, and once more GAP later (listener). So nothing is left to be told later, by
   a thread or at the end of the process.
3. The processes of a cluster ring the bells of their own cluster, which cost no statement. Its
   pusher hears them and tells the other clusters. In a cluster that is stopping, nothing listens
   to the bells any more: then its processes tell the clusters themselves.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from django.db import DEFAULT_DB_ALIAS, connections

from jobs.platform.ipc.wakeup import Bell
from jobs.platform.postgres import statements
from jobs.platform.postgres.statements import Rows

logger = logging.getLogger("jobs.engine")

CHANNEL = "jobs"  # what clusters LISTEN to
# What they are told: that a run may be due, or anything at all.
RUN_DUE, ANYTHING = "run", ""
GAP = 0.01  # seconds between two words of one process at least

# Nothing waits for the disk: it writes nothing. The setting is for servers that see it otherwise.
TELL = """
SELECT set_config('synchronous_commit', 'off', true), pg_notify(%(channel)s, %(what)s)
"""


class Cluster(Protocol):
    """The one that this process belongs to, as its board has it."""

    runs: Bell
    requests: Bell

    @property
    def is_stopping(self) -> bool:
        """Whether its pusher has ended, or is about to."""


_cluster: Cluster | None = None
_told: dict[str, float] = {}  # each word: when this process has told it last (monotonic)


def belong_to(cluster: Cluster | None) -> None:
    """From now on, this process and what it forks are part of this cluster."""
    global _cluster
    _cluster = cluster


def wake_clusters(what: str = ANYTHING) -> None:
    """Tell every cluster that something may be due, as soon as the open transaction of this
    thread's connection has committed; now, if none is open. Raises nothing."""
    here = connections[DEFAULT_DB_ALIAS]
    if not here.in_atomic_block:
        WORDS[what]()
    elif not _is_last(here, WORDS[what]):
        here.on_commit(WORDS[what], robust=True)


def pass_on(returned: Iterable[Rows]) -> None:
    """Tell the clusters what statements have returned: one that makes a run due returns the word,
    RUN_DUE."""
    if any(RUN_DUE in row for rows in returned for row in rows):
        wake_clusters(RUN_DUE)


def is_word(callback: Callable[[], Any]) -> bool:
    """Whether this callback of `transaction.on_commit` is one of `wake_clusters`."""
    return callback in WORDS.values()


def _is_last(here: Any, word: Callable[[], Any]) -> bool:
    """Whether it is what the transaction will do last, and no rollback that is possible from here
    takes it back alone."""
    if not here.run_on_commit:
        return False
    savepoints, callback, _ = here.run_on_commit[-1]
    return callback is word and savepoints <= set(here.savepoint_ids)


def _of_a_run() -> None:
    _wake(RUN_DUE)


def _of_anything() -> None:
    _wake(ANYTHING)


WORDS = {RUN_DUE: _of_a_run, ANYTHING: _of_anything}


def _wake(what: str) -> None:
    if _cluster is None or _cluster.is_stopping:
        tell(what)
        return
    _cluster.runs.ring()
    if what == ANYTHING:
        _cluster.requests.ring()


def tell(what: str, by: str = DEFAULT_DB_ALIAS) -> None:
    """Tell every cluster now, on this thread's connection of that name; see (2). Raises nothing."""
    now = time.monotonic()
    if now - _told.get(what, -GAP) < GAP:
        return
    _told[what] = now
    try:
        say(what, by)
    except Exception as error:
        _told.pop(what, None)
        logger.info("The clusters could not be told that a run may be due: %s", error)


def say(what: str, by: str = DEFAULT_DB_ALIAS) -> None:
    """The same, whenever the last word was; raises Django's errors."""
    told = {"channel": CHANNEL, "what": what}
    if by == DEFAULT_DB_ALIAS:
        statements.at_once(TELL, told)
    else:
        with connections[by].cursor() as cursor:
            cursor.execute(TELL, told)
