"""The rows of the list of runs, as its template shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.admin.links import Links, abouts
from jobs.admin.run_words import Known, hook_parts, status_in_words, steps_of, took_in_words
from jobs.admin.words import is_stalled
from jobs.lib.excerpts import excerpt
from jobs.lib.failure_kinds import ShortReason, reason_of
from jobs.models import Run, RunStatus

MAX_STEPS = 12  # shown one by one
LEAST_SHARE = 0.06
MENDED, DEALT_WITH = "mended", "dealt with"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    run: Run
    number: str  # the end of its id, different for each run
    words: str
    reason: ShortReason | None  # of a failed one
    amends: str  # of a failed one no longer open: MENDED or DEALT_WITH
    is_stalled: bool
    function: str  # of a hook its function's
    hook: str  # of a hook its end: “-failure”
    about: Links
    bar: SafeString
    steps: str
    took: str
    state: str  # changes with the row's words


def rows(user: Any, runs: Sequence[Run], names: Iterable[str], now: datetime) -> list[Row]:
    """One query, and the project's for what the runs are about. `names` are all functions'."""
    named = hook_parts([run.fn_id for run in runs], names)
    about = abouts(user, runs)
    return [_row(run, now, named[run.fn_id], about.get(run.pk, [])) for run in runs]


def _row(run: Any, now: datetime, named: tuple[str, str], about: Links) -> Row:
    known = Known(
        usual_steps=run.usual_steps,
        retries=run.retries,
        errors=run.errors,
        failed_steps=run.failed_steps,
        flight=run.flight,
    )
    failed = run.status == RunStatus.FAILED
    return Row(
        run=run,
        number=str(run.pk)[-8:],
        words=status_in_words(run, now, known),
        reason=reason(run) if failed else None,
        amends=_amends(run) if failed else "",
        is_stalled=is_stalled(run, now),
        function=named[0],
        hook=named[1],
        about=[(excerpt(label, 80), url) for label, url in about],
        bar=step_bar(run, known),
        steps=_steps(run, known),
        took=took_in_words(run, now),
        state=f"{run.status} {run.reason} {run.steps_done} {run.attempt} {run.mended_at or ''}",
    )


def reason(run: Any) -> ShortReason:
    """Of a run whose error was read in parts (run_list.ERROR)."""
    cause = {"name": run.cause_name, "message": run.cause_message}
    told_as = {"name": run.error_name, "message": run.error_message, "step": run.error_step}
    return reason_of(told_as | ({"cause": cause} if run.cause_message else {}))


def _amends(run: Run) -> str:
    if run.mended_at is None:
        return ""
    return DEALT_WITH if run.dealt_with else MENDED


def _steps(run: Run, known: Known) -> str:
    completed, whole = steps_of(run, known)
    if not known.usual_steps or run.status == RunStatus.COMPLETED:
        return f"{completed} steps done" if completed != 1 else "1 step done"
    return f"{completed} of {whole} steps done"


def step_bar(run: Run, known: Known) -> SafeString:
    """A square for each step: done, under way or failed, to come."""
    completed, whole = steps_of(run, known)
    failed = max(known.failed_steps, 1) if run.status == RunStatus.FAILED else 0
    whole = max(whole, completed + failed, 1)
    if whole > MAX_STEPS:
        return _share_bar(completed / whole, failed / whole)
    here = {"running": "busy", "waiting": "busy"}.get(run.status, "open")
    kinds = ["completed"] * completed + ["failed"] * failed + [here] + ["open"] * whole
    width = 100 / whole
    squares = (
        (kind, f"{i * width:.2f}%", f"{width * 0.82:.2f}%") for i, kind in enumerate(kinds[:whole])
    )
    drawn = format_html_join(
        "", '<rect class="jobs-part-{}" x="{}" width="{}" height="8"/>', squares
    )
    return _bar(drawn)


def _share_bar(completed: float, failed: float) -> SafeString:
    drawn = format_html(
        '<rect class="jobs-part-open" width="100%" height="8"/>'
        '<rect class="jobs-part-completed" width="{}" height="8"/>',
        f"{completed * 100:.2f}%",
    )
    if not failed:
        return _bar(drawn)
    width = max(failed, LEAST_SHARE)  # a sliver is not seen
    return _bar(
        drawn
        + format_html(
            '<rect class="jobs-part-failed" x="{}" width="{}" height="8"/>',
            f"{min(completed, 1 - width) * 100:.2f}%",
            f"{width * 100:.2f}%",
        )
    )


def _bar(drawn: SafeString) -> SafeString:
    return format_html(
        '<svg class="jobs-steps" height="8" width="100%" aria-hidden="true">{}</svg>',
        drawn,
    )
