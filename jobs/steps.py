"""What a function is given: its event, and the tools to do things once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar

from jobs import backoff, conf, events, fetches, models, registry
from jobs.attempts import Attempts
from jobs.claims import Claim
from jobs.errors import InvalidStep, NonRetriableError, StepError, Suspend
from jobs.events import Event
from jobs.fetches import Response
from jobs.journal import Journal, raise_if_connection_lost
from jobs.loglines import LogCapture
from jobs.models import Reason, RunStatus, StepKind, StepStatus
from jobs.values import remembered

T = TypeVar("T")
MOST_STEPS = 1000
NAME_LIMIT = 180
LONGEST_SLEEP = timedelta(days=366)


class Context:
    """What a function's handler is called with."""

    def __init__(
        self, claim: Claim, function: registry.Function, journal: Journal, watch: Any
    ) -> None:
        data = claim.event
        self.event = Event(name=data["name"], data=data["data"], id=data["id"], ts=data["ts"])
        self.events = [self.event]
        self.run_id = str(claim.run_id)
        self.logger = logging.getLogger(f"jobs.run.{claim.fn_id}")
        self._journal = journal
        self.step = Steps(claim, function, journal, watch)

    @property
    def attempt(self) -> int:
        """How many errors there have been at the point where the run stands (0-based)."""
        return self._journal.attempt


class Steps:
    """`ctx.step`: each call is remembered under its id, once for the whole life of the run.

    The same id again in one run (a loop) is remembered as `id:1`, `id:2`, ….
    """

    def __init__(
        self, claim: Claim, function: registry.Function, journal: Journal, watch: Any
    ) -> None:
        self._claim = claim
        self._watch = watch
        self._function = function
        self._journal = journal
        self._memory = _memory_of(claim)
        self._position = 0
        self._used: dict[str, int] = {}
        self._met = 0  # steps of the memory that this execution has come past
        self.log = LogCapture(claim, journal, replaying=bool(self._memory.steps))
        self._attempts = Attempts(claim, journal)
        self._inside = ""

    # --- the tools ------------------------------------------------------------------------------

    def run(
        self, id: str, fn: Callable[..., T], *args: Any, atomic: bool = True, **kwargs: Any
    ) -> T:
        """Call `fn(*args, **kwargs)` once and remember what it returns (JSON).

        With `atomic` the body's database work and its memory commit together: exactly once. A
        body that talks to the outside takes `atomic=False`: at least once, with no transaction
        open meanwhile.
        """
        if not callable(fn):
            raise InvalidStep(f"step.run(“{id}”, …) takes a function, not {type(fn).__name__}.")
        step, known = self._enter(id, StepKind.RUN)
        if known:
            return self._recall(step)
        return self._try(step, lambda: fn(*args, **kwargs), atomic=atomic)

    def send_event(self, id: str, events: events.Event | list[events.Event]) -> list[str]:
        """Send events exactly once; returns their ids. A send outside a step may happen again."""
        step, known = self._enter(id, StepKind.SEND)
        if known:
            return self._recall(step)
        return self._try(step, lambda: _send(events), atomic=True)

    def sleep(self, id: str, duration: timedelta | float) -> None:
        """Suspend the run for a timedelta or a number of seconds; no worker waits."""
        span = duration if isinstance(duration, timedelta) else timedelta(seconds=duration)
        if not timedelta() <= span <= LONGEST_SLEEP:
            raise InvalidStep(f"step.sleep(“{id}”): {duration!r}; 0 s to 366 days are allowed.")
        self._sleep(id, self._claim.clock.now() + span)

    def sleep_until(self, id: str, when: datetime) -> None:
        """Suspend the run until an aware datetime; one that has passed is no sleep at all."""
        if not isinstance(when, datetime) or when.tzinfo is None:
            raise InvalidStep(f"step.sleep_until(“{id}”): {when!r} is not an aware datetime.")
        if when - self._claim.clock.now() > LONGEST_SLEEP:
            raise InvalidStep(f"step.sleep_until(“{id}”): {when} is more than 366 days away.")
        self._sleep(id, when)

    def fetch(
        self,
        id: str,
        url: str,
        *,
        method: str = "GET",
        json: Any = None,
        data: str | None = None,
        headers: dict[str, Any] | None = None,
        timeout: float = fetches.DEFAULT_TIMEOUT,
    ) -> Response:
        """Make an HTTP request once and remember the answer; no worker waits for it.

        Transport errors, 408, 425, 429 and 5xx are retried like a step's errors (a Retry-After
        header sets the delay); another 4xx fails at once. `timeout` is in seconds, for the whole.
        A header may be a `Secret`. Every attempt carries the same `Idempotency-Key`.
        """
        step, known = self._enter(id, StepKind.FETCH)
        if known:
            return Response(self._recall(step))
        request = self._memory.fetches.get(step.name)
        if request is None or step.status == StepStatus.WAITING:
            prepared = fetches.prepare(
                self._claim.run_id, step.name, url, method, json, data, headers, timeout
            )
            self._send_request(step, prepared)
        return self._read_answer(step, request)

    # --- entering a step ------------------------------------------------------------------------

    def _enter(self, id: str, kind: StepKind) -> tuple[models.Step, bool]:
        """The step of this id, as remembered or new; whether it is over (completed or failed)."""
        if self._inside:
            raise InvalidStep(
                f"Step “{id}” was asked for inside step “{self._inside}”; steps cannot nest."
            )
        name = self._name(id)
        self._position += 1
        if self._position > MOST_STEPS:
            raise NonRetriableError(f"The run exceeded the limit of {MOST_STEPS} steps.")
        step = self._memory.steps.get(name)
        if step is None:
            run_id = self._claim.run_id
            step = models.Step(run_id=run_id, name=name, kind=kind, position=self._position)
            step.started_at = self._claim.clock.now()
        else:
            self._met += 1
        if step.kind != kind:
            raise InvalidStep(
                f"Step “{name}” was step.{step.kind} in this run and is step.{kind} now; "
                "give the new one another id."
            )
        self.log.replaying = self._met < len(self._memory.steps)
        if self._watch.is_stopping and not step.is_remembered:
            raise Suspend(RunStatus.QUEUED, Reason.NONE, 0.0)
        return step, step.is_remembered

    def _name(self, id: str) -> str:
        if not isinstance(id, str) or not id.strip() or len(id) > NAME_LIMIT or "\0" in id:
            raise InvalidStep(f"A step's id must be 1 to {NAME_LIMIT} characters, not {id!r:.80}.")
        count = self._used.get(id, 0)
        while (name := f"{id}:{count}" if count else id) in self._used and count:
            count += 1
        self._used[id] = count + 1
        self._used.setdefault(name, 1)
        return name

    def _recall(self, step: models.Step) -> Any:
        if step.status == StepStatus.FAILED:
            raise StepError(step.name, step.error or {})
        return step.output

    # --- trying a body --------------------------------------------------------------------------

    def _try(self, step: models.Step, body: Callable[[], Any], *, atomic: bool) -> Any:
        started = self._claim.clock.now()
        self.log.enter(step.name, step.attempts)
        self._inside = step.name
        self._watch.at_step(step.name)
        try:
            output = self._call(step, body, atomic)
        except (Exception, SystemExit) as error:
            # SystemExit: sys.exit() in a body, and django-q2's timeout.
            raise_if_connection_lost(error)
            self._err(step, error, started)
        finally:
            self._inside = ""
            self._watch.at_step("")
            self.log.leave()
        self._complete(step, output, started)
        if not atomic or self._journal.is_overdue:
            self._journal.commit()
        return output

    def _call(self, step: models.Step, body: Callable[[], Any], atomic: bool) -> Any:
        what = f"The output of step “{step.name}”"
        if atomic:
            with self._journal.savepoint():
                return remembered(body(), what)
        self._journal.commit()
        return remembered(body(), what)

    def _complete(self, step: models.Step, output: Any, started: datetime) -> None:
        step.status, step.output, step.error = StepStatus.COMPLETED, output, None
        step.ended_at, step.due_at = self._claim.clock.now(), None
        self._attempts.went_well(step, started, step.ended_at)
        step.attempts += 1
        self._journal.remember(step)

    def _err(
        self,
        step: models.Step,
        error: BaseException,
        started: datetime,
        ended: datetime | None = None,
    ) -> NoReturn:
        """Record a failed attempt; then wait for the next one, or fail the step (law 8)."""
        delay = backoff.delay(
            error,
            step.attempts,
            self._function.retries,
            self._function.backoff or conf.backoff(),
            self._claim.clock.now(),
        )
        step.error = self._attempts.erred(step.name, step.attempts, error, started, delay, ended)
        step.attempts += 1
        if delay is not None:
            step.status = StepStatus.WAITING
            self._journal.note(step)
            self._journal.attempt = step.attempts
            raise Suspend(RunStatus.WAITING, Reason.BACKOFF, delay)
        step.status, step.ended_at = StepStatus.FAILED, self._claim.clock.now()
        self._journal.remember(step)
        raise StepError(step.name, step.error) from error

    # --- waiting --------------------------------------------------------------------------------

    def _sleep(self, id: str, until: datetime) -> None:
        step, known = self._enter(id, StepKind.SLEEP)
        if known:
            return
        now = self._claim.clock.now()
        if step.due_at is None:
            step.due_at = until
        if step.due_at > now:
            step.status = StepStatus.WAITING
            self._journal.note(step)
            raise Suspend(RunStatus.WAITING, Reason.SLEEP, until=step.due_at)
        step.status, step.ended_at = StepStatus.COMPLETED, now
        self._journal.remember(step)

    def _send_request(self, step: models.Step, request: models.Fetch) -> NoReturn:
        request.attempt = step.attempts
        step.status = StepStatus.RUNNING
        self._journal.note(step)
        self._journal.fetches.append(request)
        self._journal.attempt = step.attempts
        raise Suspend(RunStatus.WAITING, Reason.FETCH)

    def _read_answer(self, step: models.Step, request: models.Fetch) -> Response:
        if request.status in (models.FetchStatus.PENDING, models.FetchStatus.SENDING):
            raise Suspend(RunStatus.WAITING, Reason.FETCH)
        started = request.sent_at or step.started_at or self._claim.clock.now()
        error = fetches.problem(request, self._claim.clock.now())
        if error is not None:
            self._err(step, error, started, request.ended_at)
        self._complete(step, step.output, started)
        return Response(step.output or {})


class Memory:
    """What a run remembers when a worker takes it up."""

    def __init__(self, steps: list[models.Step], fetches: list[models.Fetch]) -> None:
        self.steps = {step.name: step for step in steps}
        self.fetches = {fetch.step_name: fetch for fetch in fetches}


def _memory_of(claim: Claim) -> Memory:
    if not claim.has_memory:
        return Memory([], [])
    steps = list(models.Step.objects.filter(run_id=claim.run_id).order_by("position", "id"))
    has_fetches = any(step.kind == StepKind.FETCH and not step.is_remembered for step in steps)
    fetches = models.Fetch.objects.filter(run_id=claim.run_id) if has_fetches else []
    return Memory(steps, list(fetches))


def _send(sent: events.Event | list[events.Event]) -> list[str]:
    return events.send(sent)
