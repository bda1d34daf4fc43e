"""Sets unclaimable due runs aside, visibly and alone."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

from django.db import connection, transaction

from jobs.errors import InvalidFunction
from jobs.lib.error_report import class_path, describe, describe_as
from jobs.models import IS_DUE, Attempt, AttemptStatus, Reason
from jobs.platform.postgres import notifier, statements
from jobs.registry import unusable
from jobs.registry.discovery import why_unknown
from jobs.runs import shares
from jobs.runs.claim_row import ClaimRow
from jobs.runs.claimed_run import Claim, claim_of
from jobs.runs.lease import releasing
from jobs.runs.turns import make_way_statements

logger = logging.getLogger("jobs.engine")


# Then the function may be deployed or resumed.
SET_ASIDE_SECONDS = 30


SET_ASIDE = f"""
UPDATE jobs_run SET reason = %(reason)s, error = %(why)s,
       due_at = statement_timestamp() + make_interval(secs => %(seconds)s)
 WHERE id = %(id)s AND {IS_DUE}
"""  # noqa: S608


def set_aside(claim: Claim, reason: Reason) -> None:
    why = None
    if reason == Reason.FUNCTION:
        why = json.dumps(describe_as("UnknownFunction", why_unknown(claim.fn_id)))
    told: dict[str, Any] = {
        "id": claim.run_id,
        "reason": reason,
        "why": why,
        "seconds": SET_ASIDE_SECONDS,
    }
    with transaction.atomic():
        statements.execute(SET_ASIDE, told)
        notifier.tell_if_due(
            statements.execute_many(*make_way_statements(claim.turn_keys, claim.turns_held))
        )
    if unusable.why(claim.fn_id) is not None:
        _record_unusable(claim)


def _record_unusable(claim: Claim) -> None:
    kind = class_path(InvalidFunction())
    if not Attempt.objects.filter(run_id=claim.run_id, error_class=kind).exists():
        Attempt.objects.create(
            run_id=claim.run_id,
            status=AttemptStatus.ERROR,
            started_at=claim.clock.at,
            ended_at=claim.clock.at,
            worker=claim.worker,
            error_class=kind,
            error_message=unusable.why(claim.fn_id) or "",
        )


LATER = "statement_timestamp() + make_interval(secs => %(seconds)s)"
ASIDE = releasing(
    reason="'aside'", due_at=LATER, error="%(why)s", requeue_count="requeue_count + 1"
)
SET_LEASED_ASIDE = f"UPDATE jobs_run SET {ASIDE} WHERE id = %(id)s AND lease_token = %(token)s"  # noqa: S608
SET_FIRST_ASIDE = f"UPDATE jobs_run SET {ASIDE} WHERE id = ({shares.FIRST_DUE})"  # noqa: S608


def set_first_aside(error: BaseException) -> None:
    """The next look's first run, at which the look fails."""
    _set_row_aside(SET_FIRST_ASIDE, error, **shares.parameters(1))


def claim_or_aside(row: ClaimRow, lease: dict[str, Any]) -> Claim | None:
    """None for an unreadable row."""
    try:
        return claim_of(row, lease)
    except Exception as error:
        logger.exception("Run %s cannot be claimed", row.id)
        set_leased_aside(row.id, lease["token"], error)
        return None


def set_leased_aside(run_id: uuid.UUID, token: uuid.UUID, error: BaseException) -> None:
    """Let a run that no worker can take or settle wait visibly; its row says why."""
    _set_row_aside(SET_LEASED_ASIDE, error, id=run_id, token=token)


def _set_row_aside(statement: str, error: BaseException, **where: Any) -> None:
    told = {"why": json.dumps(describe(error)), "seconds": SET_ASIDE_SECONDS, **where}
    with connection.cursor() as cursor:
        cursor.execute(statement, told)
