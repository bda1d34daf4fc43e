"""A test's runs in words, as shown beside a failure."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.lib.error_places import author_place
from jobs.lib.excerpts import excerpt
from jobs.models import Attempt, Reason, Run

MAX_TOLD = 10  # runs, the newest
MAX_SHOWN = 500  # characters of a message


def runs_in_words() -> str:
    """Each with its status, its wait and its last error."""
    runs = reversed(Run.objects.order_by("-id")[:MAX_TOLD])
    return "\n".join(line for run in runs for line in _lines(run))


def _lines(run: Run) -> Iterator[str]:
    label = Reason(run.reason).label if run.reason in Reason.values and run.reason else run.reason
    yield f"{run.fn_id}  {run.status}{f': {label}' if label else ''}  (run {run.id})"
    last = run.attempts.order_by("-id").first()
    if last is not None and last.error_class:
        yield f"    {_error(last)}"
    elif run.error:
        yield f"    {run.error.get('name')}: {excerpt(str(run.error.get('message')), MAX_SHOWN)}"


def _error(attempt: Attempt) -> str:
    where = f"step “{attempt.step_name}”" if attempt.step_name else "the function"
    place = author_place(attempt.traceback)
    said = f"{attempt.error_class}: {excerpt(attempt.error_message, MAX_SHOWN)}"
    return f"{where}, attempt {attempt.number + 1}: {said}{f' ({place})' if place else ''}"
