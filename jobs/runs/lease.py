"""A worker's right to write a run (law 4): taken, renewed, released.

Only a leased run has a token and a time (the check jobs_run_whole). A lease ends in the statement
that says where the run stands then: `releasing` as SQL, `release` for a queryset. By default the
run is queued and due at once, without a reason.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from jobs import conf, models
from jobs.models import Reason, RunStatus
from jobs.platform.postgres import notifier

Held = Mapping[uuid.UUID, uuid.UUID]  # run → token


# Written into a leased run `r`, with claimed_run.lease_for's parameters.
LEASED = {
    "status": "'running'",
    "worker": "%(worker)s",
    "lease_token": "%(token)s::uuid",
    "lease_until": "statement_timestamp() + make_interval(secs => %(lease)s)",
    "started_at": "coalesce(r.started_at, statement_timestamp())",
    "expires_at": """CASE WHEN r.started_at IS NULL OR r.expires_at IS NULL
                          THEN statement_timestamp() + make_interval(
                               secs => (%(finish)s::jsonb ->> r.fn_id)::double precision)
                          ELSE r.expires_at END""",
}
# Left by an earlier wait or worker.
CLEARED = {"begun": "false", "stop_requested": "false", "error": "NULL"}
RELEASED: dict[str, Any] = {
    "status": RunStatus.QUEUED,
    "reason": Reason.NONE,
    "due_at": Now(),
    "lease_token": None,
    "lease_until": None,
}


def leasing(**changes: str) -> str:
    """An UPDATE's assignments that lease runs `r`; `changes` are SQL expressions by column."""
    waits_no_more = {"due_at": "NULL", "reason": f"'{Reason.NONE.value}'"}
    return _assignments({**LEASED, **CLEARED, **waits_no_more, **changes})


def leasing_where(condition: str) -> dict[str, str]:
    """`LEASED`, only where the condition holds."""
    return {
        column: f"CASE WHEN {condition} THEN {value} ELSE r.{column} END"
        for column, value in LEASED.items()
    }


def clearing() -> str:
    return _assignments(CLEARED)


def releasing(**changes: str) -> str:
    """As `leasing`, for leases that end."""
    columns = {column: _in_sql(value) for column, value in RELEASED.items()}
    return _assignments({**columns, **changes})


def _in_sql(value: Any) -> str:
    if isinstance(value, Now):
        return "statement_timestamp()"
    return "NULL" if value is None else f"'{value}'"


def _assignments(columns: dict[str, str]) -> str:
    return ", ".join(f"{column} = {value}" for column, value in columns.items())


def release(runs: models.RunQuerySet, **changes: Any) -> int:
    """Returns how many leases end; `changes` are values by column."""
    return runs.update(**{**RELEASED, **changes})


# Both can pass by locked rows: one run's slow transaction must not cost others their leases.
HELD = """
  SELECT l.id FROM jobs_run l
    JOIN unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) AS held(id, token)
         ON l.id = held.id AND l.lease_token = held.token
"""
RENEW = f"""
UPDATE jobs_run r SET lease_until = statement_timestamp() + make_interval(secs => %(lease)s)
  FROM ({HELD} FOR NO KEY UPDATE OF l SKIP LOCKED) mine
 WHERE r.id = mine.id
RETURNING r.id
"""  # noqa: S608
GIVE_BACK = f"""
WITH mine AS MATERIALIZED ({HELD} ORDER BY l.id DESC FOR UPDATE OF l {{passing_by}})
UPDATE jobs_run r SET {releasing()} FROM mine WHERE r.id = mine.id
"""  # noqa: S608


def renew(held: Held) -> set[uuid.UUID]:
    """Returns the runs still held, without rows that another transaction locks."""
    with connection.cursor() as cursor:
        cursor.execute(RENEW, {"lease": conf.lease(), **_parameters(held)})
        return {run_id for (run_id,) in cursor.fetchall()}


def give_back_all(held: Held, *, skip_locked: bool = False) -> int:
    """Queue these runs again at once, without blame; returns how many were held. Waits for locked
    rows, unless `skip_locked`.
    """
    statement = GIVE_BACK.format(passing_by="SKIP LOCKED" if skip_locked else "")
    with connection.cursor() as cursor:
        cursor.execute(statement, _parameters(held))
        given_back = int(cursor.rowcount)
    if given_back:
        notifier.tell_clusters(notifier.RUN_DUE)
    return given_back


def give_back(run_id: uuid.UUID, token: uuid.UUID) -> bool:
    """False if the lease was in other hands."""
    return give_back_all({run_id: token}) > 0


def _parameters(held: Held) -> dict[str, Any]:
    return {"ids": list(held), "tokens": list(held.values())}


def replace_token(run_id: uuid.UUID, token: uuid.UUID) -> uuid.UUID | None:
    """For a claim that waited long: the heartbeat, which may be giving it back now, then finds
    another token. None for a lost lease.
    """
    fresh = uuid.uuid4()
    mine = models.Run.objects.held(run_id, token)
    until = Now() + timedelta(seconds=conf.lease())
    return fresh if mine.update(lease_token=fresh, lease_until=until) else None
