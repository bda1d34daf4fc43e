"""Advisory locks for many things (event ids, lines) in one transaction.

PostgreSQL has one table of them, some 64 per session, so no transaction may take thousands. Things
belong to buckets, of a fixed number:
1. A transaction about few things shares their buckets and locks each thing.
2. One about many takes all buckets. It never waits for few's: it shares one that others share, and
   locks its things there.
3. Buckets come before things, both by number, so that transactions that come again do not deadlock.
4. One of few that comes again waits for buckets, too. So one of many waits for nothing while it
   holds locks.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from jobs.platform.postgres import statements

MAX_TRIES = 10
WAIT_FOR = "SELECT pg_advisory_xact_lock_shared(%(h)s)"


def lock_without_waiting(try_locks: Callable[[], int | None]) -> bool:
    """See (4). `try_locks` returns a lock that another transaction has, if any: all are given back,
    it is waited for, and they are tried again. False after MAX_TRIES.
    """
    for _ in range(MAX_TRIES):
        with transaction.atomic():
            taken = try_locks()
            transaction.set_rollback(taken is not None)
        if taken is None:
            return True
        with transaction.atomic():
            statements.execute(WAIT_FOR, {"h": taken})
            transaction.set_rollback(True)
    return False
