"""`ctx.step`: each call checks what it was given, and replays or advances its step (law 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar, overload

from jobs.errors import InvalidStep
from jobs.events import intake
from jobs.events.event import Event
from jobs.execution import fetching, parallel, waits
from jobs.execution.calls import call
from jobs.execution.returns import PLAIN, Returns, refuse_hopeless, refuse_uncallable, step_run
from jobs.execution.step_runner import StepRunner
from jobs.fetch import request as fetch_request
from jobs.fetch.request import DEFAULT_TIMEOUT
from jobs.fetch.response import Response
from jobs.lib.durations import MAX_DURATION, NOTHING, Duration, duration
from jobs.lib.excerpts import quoted
from jobs.lib.json_values import named
from jobs.models import Reason, StepKind, StepStatus
from jobs.registry.function import Function

T = TypeVar("T")
R = TypeVar("R")


class Steps:
    """`ctx.step`: each call is remembered under its id while the run lives; the same id again (a
    loop) as `id:1`, `id:2`, ….
    """

    def __init__(self, runner: StepRunner) -> None:
        self._runner = runner
        self._groups: dict[str, int] = {}

    @overload
    def run(
        self,
        id: str,
        fn: Callable[..., object],
        /,
        *args: Any,
        returns: type[R],
        atomic: bool = True,
        **kwargs: Any,
    ) -> R: ...

    @overload
    def run(
        self,
        id: str,
        fn: Callable[..., T],
        /,
        *args: Any,
        returns: None = None,
        atomic: bool = True,
        **kwargs: Any,
    ) -> T: ...

    def run(
        self,
        id: str,
        fn: Callable[..., Any],
        /,
        *args: Any,
        returns: Any = None,
        atomic: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Call `fn(*args, **kwargs)` once and remember what it returns, as JSON.

        The step gives that JSON (a Decimal is a text, a dataclass a dict), now and in every replay,
        or reads it as the type `returns`. An output that does not fit fails the step before
        anything of it is committed.

        With `atomic` the body's database work and its memory commit together: exactly once. A body
        that talks to the outside takes `atomic=False`: at least once, without an open transaction.
        """
        refuse_uncallable(fn, id)
        if atomic is not True and atomic is not False:
            raise InvalidStep(
                f"{step_run(id)}: atomic={quoted(atomic)}; True and False are allowed."
            )
        read = PLAIN if returns is None else Returns(returns, step_run(id))

        def body() -> Any:
            if not atomic:
                refuse_hopeless(fn)
            return call(fn, partial(step_run, id), *args, **kwargs)

        step = self._runner.begin(id, StepKind.RUN)
        return self._runner.attempt(step, body, atomic=atomic, returns=read, maker=fn)

    def send_event(self, id: str, events: Event[Any] | list[Event[Any]]) -> list[str]:
        """Send `events`, one or a list, exactly once; returns their ids. A send outside a step may
        happen again.
        """
        step = self._runner.begin(id, StepKind.SEND)
        ids: list[str] = self._runner.attempt(step, lambda: intake.send(events), atomic=True)
        return ids

    def fetch(
        self,
        id: str,
        url: str,
        *,
        method: str = "GET",
        json: Any = None,
        data: str | None = None,
        headers: dict[str, Any] | None = None,
        timeout: Duration = DEFAULT_TIMEOUT,
        accept: int | Iterable[int] = (),
    ) -> Response:
        """Make an HTTP request to `url` once and remember the answer; no worker waits. The body is
        `json` (any JSON) or `data` (a text); `method` and `headers` are HTTP's.

        Transport errors, 408, 425, 429 and 5xx are retried like a step's errors, after a
        Retry-After header's delay; another 4xx fails at once. Statuses in `accept` (400 to 599) are
        returned, not retried. `timeout` (seconds or a timedelta, at most 2 h) is for the whole. A
        header may be a `Secret`; a secret's value in clear is refused. Every attempt carries the
        same `Idempotency-Key`.
        """
        step = self._runner.begin(id, StepKind.FETCH)
        if not step.is_remembered:
            accepted = fetch_request.accepted_statuses(accept, step.name)
            run_id, name = self._runner.claim.run_id, step.name
            given = (url, method, json, data, headers, timeout)
            make = partial(fetch_request.prepare, run_id, name, *given)
            fetching.await_answer(self._runner, step, make, accepted)
        return Response(self._runner.replay(step))

    def sleep(self, id: str, duration: Duration) -> None:
        """Suspend the run for `duration`, a timedelta or seconds, at most 366 days; no worker
        waits. A negative one does not suspend, as a past time in `sleep_until`.
        """
        span = _span(duration, f"step.sleep(“{id}”)", least=timedelta.min)
        self._sleep(id, self._runner.now() + max(span, NOTHING))

    def sleep_until(self, id: str, when: datetime) -> None:
        """Suspend the run until `when`, an aware datetime; a past one does not suspend."""
        if not isinstance(when, datetime) or when.utcoffset() is None:
            hint = "is not an aware datetime, one with a time zone, as Django's timezone.now() is."
            raise InvalidStep(f"step.sleep_until(“{id}”): {quoted(when)} {hint}")
        if when - self._runner.now() > MAX_DURATION:
            raise InvalidStep(f"step.sleep_until(“{id}”): {when} is more than 366 days away.")
        self._sleep(id, when)

    def _sleep(self, id: str, until: datetime) -> None:
        step = self._runner.begin(id, StepKind.SLEEP)
        if step.is_remembered:
            return
        step.due_at, step.status = step.due_at or until, StepStatus.WAITING
        if step.due_at > self._runner.now():
            self._runner.wait(step, Reason.SLEEP, step.due_at)
        self._runner.settle(step, None)

    @overload
    def wait_for_event(
        self,
        id: str,
        *,
        event: str,
        timeout: Duration = MAX_DURATION,
        if_exp: str | None = None,
        data: type[R],
    ) -> Event[R] | None: ...

    @overload
    def wait_for_event(
        self,
        id: str,
        *,
        event: str,
        timeout: Duration = MAX_DURATION,
        if_exp: str | None = None,
        data: None = None,
    ) -> Event | None: ...

    def wait_for_event(
        self,
        id: str,
        *,
        event: str,
        timeout: Duration = MAX_DURATION,
        if_exp: str | None = None,
        data: Any = None,
    ) -> Event[Any] | None:
        """Suspend the run until an event of this name comes for which `if_exp` is true; None after
        `timeout` (a timedelta or seconds, at most and by default 366 days).

        `if_exp` is a CEL expression over `event`, the run's own, and `async`, the awaited one. Any
        event after the run's own counts, even before the wait; at most one wait of a run takes
        each. `data` is the type of its data, as in TriggerEvent; an event that does not fit raises
        InvalidOutput.
        """
        where = f"step.wait_for_event(“{id}”)"
        span = _span(timeout, where)
        read = waits.data_type(data, where)
        step = self._runner.begin(id, StepKind.WAIT)
        if not step.is_remembered:
            waits.await_event(self._runner, step, event, span, if_exp, where, data)
        found = self._runner.replay(step)
        if not found:
            return None
        taken = f"The data of event {found['id']}, which step “{step.name}” has taken,"
        return Event(**found | {"data": read.read(found["data"], taken)})

    @overload
    def invoke(
        self,
        id: str,
        *,
        function: Function | str,
        data: Any = None,
        timeout: Duration = MAX_DURATION,
        returns: type[R],
    ) -> R: ...

    @overload
    def invoke(
        self,
        id: str,
        *,
        function: Function | str,
        data: Any = None,
        timeout: Duration = MAX_DURATION,
        returns: None = None,
    ) -> Any: ...

    def invoke(
        self,
        id: str,
        *,
        function: Function | str,
        data: Any = None,
        timeout: Duration = MAX_DURATION,
        returns: Any = None,
    ) -> Any:
        """Start a run of another `function` with `data` and return its output, JSON, or read as the
        type `returns`; no worker waits. Failure, cancellation and `timeout` (366 days) raise
        StepError; after a timeout the other run goes on.
        """
        read = PLAIN if returns is None else Returns(returns, f"step.invoke({named(id)})")
        span = _span(timeout, f"step.invoke(“{id}”)")
        step = self._runner.begin(id, StepKind.INVOKE)
        if not step.is_remembered:
            waits.await_run(self._runner, step, function, {} if data is None else data, span)
        return self._runner.replay(step, read)

    def parallel(self, callables: Iterable[Callable[[], Any]]) -> tuple[Any, ...]:
        """Let the `callables` go on side by side: one's waits do not stop the others. When all have
        ended, returns their results in order, or raises the first one's error.
        """
        if not isinstance(callables, Iterable):
            given = quoted(callables)
            raise InvalidStep(f"step.parallel() takes a list of functions to call, not {given}.")
        memory = self._runner.memory
        group = self._groups[memory.branch] = self._groups.get(memory.branch, -1) + 1
        return parallel.branches(self._runner, group, list(callables))


def _span(given: Any, where: str, least: timedelta = NOTHING) -> timedelta:
    span = duration(given)
    if span is None or not least <= span <= MAX_DURATION:
        raise InvalidStep(
            f"{where}: {quoted(given)}; 0 s to 366 days are allowed, as a number of seconds or a "
            "timedelta."
        )
    return span
