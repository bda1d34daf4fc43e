"""What the engine remembers: related tables share a file."""

from __future__ import annotations

from jobs.models.cluster import Cluster, CronSchedule
from jobs.models.condition import ConditionProblem
from jobs.models.event import Event
from jobs.models.fetch import HOST_SQL, IN_FLIGHT, Fetch, FetchStatus
from jobs.models.function import RegisteredFunction
from jobs.models.hand_over import HandOverNote
from jobs.models.rollup import Rollup, RollupMark, UndoneEnd
from jobs.models.run import CLASS, DUE_AT, IS_DUE, OPEN_FAILURE, Run, RunQuerySet
from jobs.models.run_status import FINISHED, UNFINISHED, Reason, RunStatus, in_sql
from jobs.models.step import REMEMBERED, Attempt, AttemptStatus, LogLine, Step, StepKind, StepStatus
from jobs.models.submission import Submission

__all__ = [
    "CLASS",
    "DUE_AT",
    "FINISHED",
    "HOST_SQL",
    "IN_FLIGHT",
    "IS_DUE",
    "OPEN_FAILURE",
    "REMEMBERED",
    "UNFINISHED",
    "Attempt",
    "AttemptStatus",
    "Cluster",
    "ConditionProblem",
    "CronSchedule",
    "Event",
    "Fetch",
    "FetchStatus",
    "HandOverNote",
    "LogLine",
    "Reason",
    "RegisteredFunction",
    "Rollup",
    "RollupMark",
    "Run",
    "RunQuerySet",
    "RunStatus",
    "Step",
    "StepKind",
    "StepStatus",
    "Submission",
    "UndoneEnd",
    "in_sql",
]
