"""Every try leaves its trace: class, message, traceback, times (law 11)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from jobs import models
from jobs.execution.unit_of_work import UnitOfWork
from jobs.ids import new_key
from jobs.lib.error_report import class_path, describe
from jobs.runs.claim import Claim
from jobs.runs.step_record import StepRecord

WITHOUT_ERROR = {"error_class": "", "error_message": "", "traceback": "", "retry_at": None}


class Attempts:
    def __init__(self, claim: Claim, unit_of_work: UnitOfWork) -> None:
        self._claim = claim
        self._unit_of_work = unit_of_work

    def record_success(self, step: StepRecord, started: datetime, ended: datetime) -> None:
        """A first-try success needs no attempt: its row and its request's have the times. After an
        error a step gets one, even if its attempts were reset.
        """
        if step.attempts or step.error is not None:
            self._append(step.name, step.attempts, models.AttemptStatus.COMPLETED, started, ended)

    def record_error(
        self,
        step_name: str,
        number: int,
        error: BaseException,
        started: datetime,
        delay: float | None,
        ended: datetime | None = None,
    ) -> dict[str, Any]:
        now = self._claim.clock.now()
        story = describe(error)
        self._append(
            step_name,
            number,
            models.AttemptStatus.ERROR,
            started,
            ended or now,
            error_class=class_path(error),
            error_message=story["message"],
            traceback=story["stack"],
            retry_at=None if delay is None else now + timedelta(seconds=delay),
        )
        return story

    def _append(
        self,
        step_name: str,
        number: int,
        status: models.AttemptStatus,
        started: datetime,
        ended: datetime,
        **error: Any,
    ) -> None:
        self._unit_of_work.attempts.append(
            {
                "id": new_key(),
                "step_name": step_name,
                "number": number,
                "status": status,
                "started_at": started,
                "ended_at": max(started, ended),
                "worker": self._claim.worker,
                **(error or WITHOUT_ERROR),
            }
        )
