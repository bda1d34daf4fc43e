"""How a run waits for the answer to a request: the run's commit leaves a row to the gateways
(fetch/), and when the run goes on, the row has the answer or the error.
"""

from __future__ import annotations

from collections.abc import Callable

from jobs.errors import Suspend
from jobs.execution.step_runner import StepRunner
from jobs.fetch import request as fetch_request
from jobs.fetch.request import FetchRecord
from jobs.models import FetchStatus, Reason, RunStatus, StepStatus
from jobs.runs.step_record import StepRecord


def await_answer(
    runner: StepRunner,
    step: StepRecord,
    make: Callable[[], FetchRecord],
    accepted: frozenset[int],
) -> None:
    """Settle the step with the answer, or suspend: a new attempt leaves the request that `make`
    returns.
    """
    earlier = runner.memory.fetches.get(step.name)
    if step.status == StepStatus.RUNNING and earlier is not None:
        _take_answer(runner, step, earlier, accepted)
        return
    if step.due_at is not None and step.due_at > runner.now():
        runner.suspend(Suspend(RunStatus.WAITING, Reason.BACKOFF, until=step.due_at))
    request = make()
    request.attempt, step.status, step.due_at = step.attempts, StepStatus.RUNNING, None
    step.output = step.output_bytes = None  # the answer of an earlier attempt
    request.result_url = fetch_request.where_to_go_on(earlier, step)
    runner.unit_of_work.fetches.append(request)
    runner.wait(step, Reason.FETCH)


def _take_answer(
    runner: StepRunner, step: StepRecord, request: FetchRecord, accepted: frozenset[int]
) -> None:
    if request.status in (FetchStatus.PENDING, FetchStatus.SENDING):
        runner.suspend(Suspend(RunStatus.WAITING, Reason.FETCH))
    started = request.sent_at or step.started_at or runner.now()
    error = fetch_request.problem(request, runner.now(), accepted)
    if error is not None and error.status_code:
        answer = runner.output_of(step) or {}
        error.body, error.headers = answer.get("body", ""), answer.get("headers", {})
    error = error or runner.memory.outputs.refusal(step.name, step.output_bytes or 0)
    if error is not None:
        runner.retry_or_fail(step, error, started, request.ended_at)
    runner.complete(step, runner.output_of(step), started)
