"""What a retry from the failed step takes along, and why it is refused.

A run that failed because an invoked run failed would fail again at once. So the ended runs that it
waits for, directly or not, go on with it in the same transaction. An operator's rerun of such a run
from the start stands for it.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Q
from django.db.models.functions import Now

from jobs import models
from jobs.control.lookup import lock_run
from jobs.control.permission_names import RERUN_RUN
from jobs.errors import InvalidTransition, JobsError, NotAllowed, UnknownRun
from jobs.events import requester
from jobs.models import RegisteredFunction, RunStatus, StepKind, StepStatus
from jobs.registry import catalog
from jobs.runs import invocation_tree

RETRYABLE = (RunStatus.FAILED, RunStatus.CANCELLED)
WAITS = (StepKind.WAIT, StepKind.INVOKE)
MAX_TAKEN = 10_000  # runs of a tree


@dataclass(slots=True)
class TakenAlong:
    """The nearest runs first."""

    run_ids: list[uuid.UUID] = field(default_factory=list)
    stand_ins: dict[uuid.UUID, uuid.UUID] = field(default_factory=dict)  # invoked → its rerun

    def lock(self) -> list[models.Run]:
        """Newest first, as a worker that ends a run: invoked runs before invokers. Returns those of
        `retried`, in this order."""
        ended = []
        for run_id in sorted(self.run_ids, reverse=True):
            with contextlib.suppress(UnknownRun):  # deleted by retention meanwhile
                ended.append(lock_run(run_id))
        return [run for run in ended if run.status in RETRYABLE or run.forgotten_at is not None]

    def retried(self) -> models.RunQuerySet:
        """Failed and cancelled ones, which the retry takes along, and forgotten ones, which refuse
        it, by id."""
        meant = Q(status__in=RETRYABLE) | Q(forgotten_at__isnull=False)
        return models.Run.objects.filter(meant, id__in=self.run_ids).order_by("id")


def taken_along(run: models.Run) -> TakenAlong:
    """Read before any lock."""
    found = TakenAlong()
    level = [run]
    while level and len(found.run_ids) < MAX_TAKEN:
        below = []
        for one in level:
            awaited = invocation_tree.awaited_by(one)
            found.stand_ins |= awaited.stand_ins
            below += [child for child in awaited.runs if child.id not in found.run_ids]
            found.run_ids += [child.id for child in below if child.id not in found.run_ids]
        level = [child for child in below if child.status in RETRYABLE]
    return found


def refusal(run: models.Run, along: TakenAlong, asker: requester.Asker) -> JobsError | None:
    if not is_resumable(run.fn_id):
        return InvalidTransition(only_from_start(run))
    children = along.retried().select_related("event")
    told = (refusal_of_child(run, child, asker) for child in children)
    return next(filter(None, told), None)


def refusal_of_child(
    parent: models.Run, child: models.Run, asker: requester.Asker
) -> JobsError | None:
    told = f"Run {parent.id} waits for run {child.id} of “{child.fn_id}”, which is {child.status}."
    error: JobsError
    if child.forgotten_at is not None:
        error = InvalidTransition(
            f"{told} What that one worked with was forgotten at "
            f"{child.forgotten_at:%Y-%m-%d %H:%M} UTC, and its answer with it. Rerun this run from "
            "the start."
        )
    elif not is_resumable(child.fn_id):
        error = InvalidTransition(
            f"{told} {SAYS_SO} Rerun that one from the start first; a retry of this run then waits "
            "for the new one."
        )
    elif reason := asker.refusal(RERUN_RUN, child):
        error = NotAllowed(
            f"{told} A retry takes it along, and {reason[0].lower()}{reason[1:]} Let an account "
            "that may retry that run do so first."
        )
    else:
        return None
    error.run_id = str(child.id)
    return error


SAYS_SO = (
    "Its function says resumable=False, so a run of it that has failed or was cancelled does not "
    "go on where it stopped."
)


def only_from_start(run: models.Run) -> str:
    return f"Run {run.id} of “{run.fn_id}” is {run.status}. {SAYS_SO} Rerun it from the start."


def is_resumable(fn_id: str) -> bool:
    return not not_resumable([fn_id])


def not_resumable(fn_ids: Iterable[str]) -> set[str]:
    """Those with resumable=False, by this process's code, or by the row of an unknown function."""
    wanted = set(fn_ids)
    known = {fn_id for fn_id in wanted if catalog.knows(fn_id)}
    found = {fn_id for fn_id in known if not catalog.get(fn_id).resumable}
    if wanted - known:
        rows = RegisteredFunction.objects.filter(fn_id__in=wanted - known)
        found |= set(rows.filter(config__resumable=False).values_list("fn_id", flat=True))
    return found


def wait_anew(run: models.Run, stand_ins: dict[uuid.UUID, uuid.UUID]) -> None:
    """Its steps wait for events, and for the runs that they invoked or their stand-ins: with an
    early look and the whole time again (waits.py)."""
    waiting = run.steps.filter(status=StepStatus.WAITING)
    waiting.filter(kind__in=WAITS).update(started_at=Now(), due_at=None)
    for step in waiting.filter(kind=StepKind.INVOKE):
        invoked = step.detail.get("run_id")
        stands = stand_ins.get(uuid.UUID(invoked)) if invoked else None
        if stands is not None and str(stands) != invoked:
            step.detail = {**step.detail, "run_id": str(stands)}
            step.save(update_fields=["detail"])
            models.Run.objects.filter(id=stands).update(invoked_by=run.id)
