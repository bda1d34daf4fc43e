"""Every try leaves its trace: class, message, traceback, times (law 11)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobs import conf, models
from jobs.execution.unit_of_work import UnitOfWork
from jobs.ids import new_key
from jobs.lib import backoff
from jobs.lib.error_report import class_path, describe
from jobs.registry.function import DEFAULT_RETRIES, Function
from jobs.runs.claimed_run import Claim
from jobs.runs.step_record import StepRecord

WITHOUT_ERROR = {"error_class": "", "error_message": "", "traceback": "", "retry_at": None}


def retry_delay(
    function: Function | None, error: BaseException, number: int, now: datetime | None = None
) -> float | None:
    """Seconds until the next try, None without one. A function unknown here has the defaults."""
    retries, table = (function.retries, function.backoff) if function else (DEFAULT_RETRIES, None)
    return backoff.delay(error, number, retries, table or conf.backoff(), now)


def error_columns(
    error: BaseException, description: dict[str, Any], now: datetime, delay: float | None
) -> dict[str, Any]:
    """An attempt's columns that tell of its error; `description` describes it."""
    return {
        "error_class": class_path(error),
        "error_message": description["message"],
        "traceback": description["stack"],
        "retry_at": None if delay is None else now + backoff.span(delay),
    }


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
        description = describe(error)
        self._append(
            step_name,
            number,
            models.AttemptStatus.ERROR,
            started,
            ended or now,
            **error_columns(error, description, now, delay),
        )
        return description

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
