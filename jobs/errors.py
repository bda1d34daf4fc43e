"""The engine's errors (a docstring is its default message), and `Suspend`, which is none."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class FetchCode(StrEnum):
    """Why a request led to no usable answer."""

    TIMEOUT = "timeout"  # no whole answer in time
    UNREACHABLE = "unreachable"  # no connection, or closed before an answer
    REFUSED = "refused"  # not sent: settings or the request forbid it
    UNUSABLE = "unusable"  # no answer: not HTTP, broken off, too large, elsewhere
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    INTERNAL = "internal"  # the engine's code failed


class JobsError(Exception):
    """The engine was asked for something that it cannot do.

    `code` names the kind of error for programs; the message is for people, and may change. A
    request's error has a FetchCode, and with an answer its `status_code`, `headers` and `body` (a
    text, secrets masked, at most 4,000 characters). An author's error has the author's code (at
    most 40 characters), others have "". `run_id` names another run than was asked for, to deal with
    first.
    """

    code: str
    status_code: int | None
    run_id: str = ""
    body: str = ""
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self, message: str | None = None, *, code: str = "", status_code: int | None = None
    ) -> None:
        self.code, self.status_code = code, status_code
        super().__init__(message or " ".join((inspect.getdoc(self) or "").split()))


class InvalidEvent(JobsError):
    """An event needs a name, a JSON object as data and no more than 512 KiB."""

    data_problem: str = ""  # of the data alone: how a sentence goes on after “data”


class InvalidFunction(JobsError):
    """A function's configuration cannot be used."""


class NoTimeZones(InvalidFunction):
    """A cron line names a time zone, and this Python has no time zone database."""


class InvalidExpression(JobsError):
    """An expression (CEL) cannot be parsed or evaluated."""


class InvalidStep(JobsError):
    """A step was asked for in a way that cannot be remembered."""


class InvalidOutput(JobsError):
    """What a step returns must be JSON of at most 4 MiB, and of all of a run's steps together no
    more than JOBS["RUN_OUTPUT_LIMIT"] allows."""


class UnknownFunction(JobsError):
    """No function of this id is registered."""


class UnknownRun(JobsError):
    """There is no such run."""


class UnknownEvent(JobsError):
    """There is no such event."""


class InvalidTransition(JobsError):
    """The run is not in a state that allows this."""


class NotAllowed(JobsError):
    """The account that asked for this lacks a permission."""


class UnknownSecret(JobsError):
    """A Secret names a setting that is missing or empty."""


class NonRetriableError(JobsError):
    """Trying again cannot help: the step fails at once."""


class RetryAfterError(JobsError):
    """Try again, but not before a given time.

    `retry_after` (seconds, a timedelta or an aware datetime) replaces this retry's backoff, clamped
    to 1 s … 24 h.
    """

    def __init__(
        self, message: str, retry_after: float | timedelta | datetime, *, code: str = ""
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class StepError(JobsError):
    """A step has failed for good; the function may catch it.

    `step_id` names the step. All else is of its last error. `name` is the class, as a text: a
    remembered failure is JSON. `message` has the words. `stack` is the traceback. What was
    remembered without a `code` has "".
    """

    step_id: str
    name: str
    message: str
    stack: str

    def __init__(self, step_id: str, error: dict[str, Any]) -> None:
        self.step_id = step_id
        self.name = str(error.get("name", "Error"))
        self.message = str(error.get("message", ""))
        self.stack = str(error.get("stack", ""))
        self.body = str(error.get("body", ""))
        self.headers = dict(error.get("headers") or {})
        super().__init__(
            f"step “{step_id}” failed: {self.name}: {self.message}",
            code=str(error.get("code", "")),
            status_code=error.get("status_code"),
        )


class WorkerLost(JobsError):
    """The worker that advanced the run is gone."""


class SwallowedDatabaseError(JobsError):
    """The body swallowed a database error, so PostgreSQL has undone its work. Put a
    transaction.atomic() around the statement that may fail."""

    marked = (
        "The body has marked its transaction for rollback, or swallowed an error that had left an "
        "atomic(savepoint=False), so its work is undone. Let the error out of the body, or give "
        "the block a savepoint."
    )


class TransactionLost(JobsError):
    """The code closed the database connection, or ended the transaction, that its step was in, so
    its work there is undone or was committed without the step's memory. Leave the connection and
    the transaction of an atomic step alone; a step with atomic=False may do what it likes."""


class TransactionLeftOpen(JobsError):
    """The code opened a database transaction (an atomic block, a BEGIN, autocommit off) and left it
    open, or asked for a step inside it, so its work there is undone. End it before you return, and
    before you ask for a step."""


class FetchError(JobsError):
    """A request did not lead to an answer that can be used; another one may. `retry_after` is
    the number of seconds that the endpoint asks for, None if it asks for none."""

    retry_after: float | None = None


class ControlFlow(BaseException):
    """Leaves a function's body without an error. As a BaseException it passes `except Exception`
    (law 10).
    """


class Suspend(ControlFlow):
    """The run waits `delay` seconds, until a time, or for an event or a run."""

    def __init__(
        self, status: str, reason: str, delay: float | None = None, until: datetime | None = None
    ) -> None:
        self.status = status
        self.reason = reason
        self.delay = delay
        self.until = until
        super().__init__(reason)


class EndedFromInside(ControlFlow):
    """The function ended its own run: `end` replaces its work since the last commit."""

    def __init__(self, end: Callable[[], object]) -> None:
        self.end = end
        super().__init__()


class LeaseLost(ControlFlow):
    """Another worker holds the run: this one's work since its last commit is void."""

    def __init__(self, run_id: uuid.UUID, what: str = "is in other hands") -> None:
        super().__init__(f"run {run_id} {what}")


class CommitRefused(ControlFlow):
    """A deferred constraint (a foreign key, say) or trigger refused a step's work."""


class TransactionBroken(ControlFlow):
    story = (
        "Code between two steps swallowed a database error, so PostgreSQL has undone its work "
        "and that of the steps since the last commit. Put a transaction.atomic() around the "
        "statement that may fail, or move it into a step."
    )
    marked = (
        "Code between two steps has marked its transaction for rollback, or swallowed an error "
        "that had left an atomic(savepoint=False), so its work and that of the steps since the "
        "last commit are undone. Let the error out of the function, or move the block into a step."
    )

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.story)


class TransactionEnded(TransactionBroken):
    """The engine cannot know whether the steps' work is there, so it remembers none."""

    story = (
        "Code between two steps closed the database connection, or ended the transaction, in which "
        "the steps since the last commit did their work, so none of them is remembered. Leave "
        "both alone between steps, or move what ends them into a step with atomic=False."
    )


class Interrupted(ControlFlow):
    """The execution cannot go on in this transaction or on this connection: uncommitted work is
    void, and the run is requeued (requeue.py).

    `is_own`: the function's code caused `error`, not the database, so it is an attempt at once.
    `current_step` is the step in whose body it happened (current_step.encode_current_step).
    """

    def __init__(
        self,
        error: BaseException,
        *,
        is_own: bool = False,
        current_step: str = "",
        log_lines: list[dict[str, Any]] | None = None,
    ) -> None:
        self.error, self.is_own = error, is_own
        self.current_step, self.log_lines = current_step, log_lines or []
        super().__init__(str(type(error).__name__))
