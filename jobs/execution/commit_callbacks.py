"""The callbacks of `transaction.on_commit` in steps. The commit stands whatever one raises: that
becomes a log line, and the next ones are called.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import Error as DatabaseError
from django.db import InterfaceError

from jobs import models
from jobs.errors import ControlFlow, TransactionLeftOpen
from jobs.execution.records import Row
from jobs.lib.error_report import describe
from jobs.platform.ipc import forked_copies
from jobs.platform.postgres import connection_state, django_internals
from jobs.runs.claimed_run import Claim

logger = logging.getLogger("jobs.engine")


class Callbacks:
    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._errors: list[BaseException] = []
        self.is_calling = False  # no step can run: its transaction is over

    def guard(self, database: Any) -> None:
        django_internals.replace_callbacks(
            database, lambda callback: partial(self._call, database, callback)
        )

    def _call(self, database: Any, callback: Callable[[], Any]) -> None:
        self.is_calling = True
        try:
            with forked_copies.OnlyHere():
                callback()
            if connection_state.is_left_open(database):
                raise TransactionLeftOpen
        except ControlFlow:
            raise
        except BaseException as error:
            logger.exception("Run %s: a callback of transaction.on_commit", self._claim.run_id)
            self._errors.append(error)
            connection_state.drop(database)
        finally:
            self.is_calling = False

    def take_log_lines(self, attempt: int) -> list[Row]:
        errors, self._errors = self._errors, []
        return [self._log_line(error, attempt) for error in errors]

    def write(self, log_lines: list[Row]) -> None:
        """An ended run has no later commit."""
        rows = [models.LogLine(run_id=self._claim.run_id, **line) for line in log_lines]
        with contextlib.suppress(DatabaseError, InterfaceError):  # the console has them
            models.LogLine.objects.bulk_create(rows)

    def _log_line(self, error: BaseException, attempt: int) -> Row:
        stack = describe(error)["stack"]
        return {
            "step_name": "",
            "attempt": attempt,
            "level": "ERROR",
            "at": self._claim.clock.now(),
            "message": f"A callback of transaction.on_commit raised an error.\n{stack}",
        }
