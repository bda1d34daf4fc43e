"""The one place that requeues an execution without a settlement, counted on its row.

1. An outage costs nothing: the run is due when the database answers within the lease, else by a
   sweep.
2. A cause in the function's own code (say it closed its connection) is an attempt of the step or of
   the code between steps.
3. Otherwise the database is blamed once: the run is due at once, with a log line. Each further time
   since the last remembered step is an attempt, so nothing repeats for ever.
4. A report that cannot be written is shortened. Without any, the run is set aside. Neither stops
   another run.
5. If that fails too while the database answers, this process is at fault: requeue raises, the
   worker ends, and the heartbeat records an attempt.

If the process dies here, the lease lapses, also counted (`lost_count`).
"""

from __future__ import annotations

import logging
import time
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs import conf, models
from jobs.errors import Interrupted, JobsError
from jobs.execution.lost_attempt import record_attempt
from jobs.lib.error_report import class_path, describe, fit_text
from jobs.platform.postgres import connection_state, notifier
from jobs.platform.postgres.outages import is_unavailable, sqlstate_of
from jobs.runs.claimed_run import Claim
from jobs.runs.lease import release
from jobs.runs.unclaimable import set_leased_aside

logger = logging.getLogger("jobs.engine")

RECONNECT_SECONDS = 1.0
MESSAGE_LIMIT = 1_000
# SQLSTATEs, see (1).
GONE = ("08", "57P01", "57P02", "57P03")


class Unreported(JobsError):
    """The engine could not write down what went wrong; its log has it."""


def requeue(claim: Claim, stop: Interrupted) -> bool:
    """False if no database was reached for a lease's time. Raises Unreported (5)."""
    patience = time.monotonic() + conf.lease()
    was_away = False
    for report in (stop, _shortened(stop), None):
        while True:
            take_a_clean_connection()
            try:
                _requeue(claim, report, was_away=was_away)
                return True
            except Exception as error:
                if not is_unavailable(error):
                    logger.exception("Run %s: its interruption cannot be recorded", claim.run_id)
                    break  # to the next shorter report
                was_away |= sqlstate_of(error).startswith(GONE) or not sqlstate_of(error)
                if time.monotonic() > patience:
                    logger.warning("Run %s is left to its lease: %s", claim.run_id, error)
                    return False
            time.sleep(RECONNECT_SECONDS)
    raise Unreported(f"Run {claim.run_id} can be neither settled nor set aside here.")


def _shortened(stop: Interrupted) -> Interrupted:
    return Interrupted(Unreported(f"{class_path(stop.error)}; {Unreported.__doc__}"), is_own=True)


def take_a_clean_connection() -> None:
    here = connections[DEFAULT_DB_ALIAS]
    if not here.in_atomic_block or connection_state.is_bad(here):
        connection_state.drop(here)


@transaction.atomic
def _requeue(claim: Claim, report: Interrupted | None, *, was_away: bool) -> None:
    run = models.Run.objects.held(claim.run_id, claim.token).lock_first()
    if run is None:
        logger.warning("Let go: run %s is in other hands", claim.run_id)
    elif report is None:
        set_leased_aside(claim.run_id, claim.token, Unreported())
    elif was_away or (not report.is_own and _is_of_before(claim, report.error)):
        _make_due(run)
    elif not report.is_own and run.requeue_count == 0:
        _make_due(run, report)
    else:
        _count(run)
        record_attempt(run, report.error, report.current_step, report.log_lines)
    notifier.tell_clusters(notifier.RUN_DUE)


def _is_of_before(claim: Claim, error: BaseException) -> bool:
    """Whether the server restarted since the claim: the error is then an outage's, even if a step
    met it late.
    """
    if not is_unavailable(error):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_postmaster_start_time() > %s", [claim.clock.at])
        (has_restarted,) = cursor.fetchone()
        return bool(has_restarted)


def _count(run: models.Run) -> None:
    models.Run.objects.filter(id=run.id).update(requeue_count=F("requeue_count") + 1)


def _make_due(run: models.Run, report: Interrupted | None = None) -> None:
    counted: dict[str, Any] = {}
    if report is not None:
        counted = {"requeue_count": F("requeue_count") + 1}
        _log_requeue(run, report)
    release(models.Run.objects.filter(id=run.id), **counted)


def _log_requeue(run: models.Run, report: Interrupted) -> None:
    told = describe(report.error)
    why = fit_text(f"{class_path(report.error)}: {told['message']}", MESSAGE_LIMIT)
    message = f"The execution was interrupted and the run is queued again: {why}"
    logger.warning("Run %s: %s", run.id, message)
    models.LogLine.objects.create(
        run_id=run.id, attempt=run.attempt, level="WARNING", at=Now(), message=message
    )
