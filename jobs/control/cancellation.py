"""Ends unfinished runs for an operator, for code, for an event (cancel_on) and when they are late
(sweeper). A run's end, its hook and its turns are one transaction under its row's lock; a worker's
late result no longer finds the token.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from functools import partial

from django.db import connection, transaction
from django.db.models.functions import Now

from jobs import models
from jobs.control.cancellation_sets import cancel_in_sets, reason_of
from jobs.control.lookup import find, lock_run
from jobs.control.permission_names import CANCEL_RUN
from jobs.errors import EndedFromInside, InvalidTransition, UnknownRun
from jobs.events import requester
from jobs.execution.step_runner import StepRunner, current_runner
from jobs.fetch.lease import RUN_CANCELLED
from jobs.models import FetchStatus, RunStatus
from jobs.runs import completion, hook_events, invocation_tree, line_locks
from jobs.runs.state import runs_of

SINGLY = 25  # runs between two looks at what can be cancelled in sets, at first


def cancel(
    run_id: str | uuid.UUID | None = None,
    *,
    event_id: str | uuid.UUID | None = None,
    why: str = "",
    invoked: bool = False,
) -> bool:
    """End an unfinished run now; its worker's late result is dropped. Its turn passes on and its
    `on_cancel` starts, in one transaction.

    With `event_id` (from `send`) in place of `run_id`: all unfinished runs of the event, one by
    one. UnknownEvent if there is no such event.

    True if it was cancelled, False if it was before; InvalidTransition if it ended otherwise.
    Invoked runs go on; with `invoked` the unfinished ones below are cancelled next, up to a
    thousand in a transaction. A repeated call does the rest, and returns True if it cancelled any.

    A function that cancels its own run ends there: uncommitted work is void. An operator (see
    requester) needs `jobs.cancel_run`, else NotAllowed.
    """
    if event_id is not None and run_id is None:
        return _cancel_all_of(event_id, why, invoked)
    if run_id is None:
        raise UnknownRun("There is no run None: give cancel() a run's id, or event_id=….")
    if event_id is not None:
        raise UnknownRun("cancel() takes a run's id or event_id=…, and not both.")
    own = _own_among(run_id, invoked)
    if own is not None:
        _refuse_ended(find(run_id))
        own.suspend(EndedFromInside(partial(_cancel_own, run_id, why, invoked)))
    if not invoked:
        return _cancel_one(run_id, why)
    root = find(run_id).id
    tree = [root, *invocation_tree.unfinished_below(root)]
    _refuse_asker(tree)
    if connection.in_atomic_block:
        _lock(tree)
    done = _cancel_one(root, why)
    reason = why or f"Run {root} was cancelled; it had invoked this run."
    few = SINGLY
    while below := invocation_tree.unfinished_below(root):
        in_sets, singly = _cancel_next(below, reason, few)
        done |= bool(in_sets or singly)
        few = SINGLY if in_sets else 2 * few
    return done


def _cancel_next(run_ids: Sequence[uuid.UUID], why: str, few: int) -> tuple[int, int]:
    """Callers first: in sets, and of the rest a few, after which more may go in sets. How many of
    either are cancelled."""
    _refuse_asker(run_ids)
    with requester.asking(requester.current()):
        left = cancel_in_sets(run_ids, why)
        singly = sum(_cancel_unless_ended(run_id, why) for run_id in left[:few])
    return len(run_ids) - len(left), singly


def _cancel_all_of(event_id: str | uuid.UUID, why: str, invoked: bool) -> bool:
    ids = [state.id for state in runs_of(event_id) if state.is_unfinished]
    for own in filter(None, (_own_among(run_id, invoked) for run_id in ids)):
        own.suspend(EndedFromInside(partial(_cancel_all_of, event_id, why, invoked)))
    tree = [*ids, *invocation_tree.unfinished_below(ids)] if invoked else ids
    _refuse_asker(tree)
    if connection.in_atomic_block:
        _lock(tree)
    done = False
    for run_id in ids:
        with contextlib.suppress(InvalidTransition, UnknownRun):
            done |= cancel(run_id, why=why, invoked=invoked)
    return done


def _refuse_asker(run_ids: Sequence[uuid.UUID]) -> None:
    """For all of them, before any cancellation."""
    asker = requester.current()
    if asker.id:
        for run in models.Run.objects.filter(id__in=run_ids).order_by("id"):
            asker.refuse(CANCEL_RUN, run)


def _own_among(run_id: str | uuid.UUID, invoked: bool) -> StepRunner | None:
    own = current_runner()
    if own is None:
        return None
    own_id = own.claim.run_id
    is_meant = str(own_id) == str(run_id) or (invoked and invocation_tree.is_below(own_id, run_id))
    return own if is_meant else None


def _cancel_one(run_id: str | uuid.UUID, why: str) -> bool:
    asker = requester.current()
    if asker.id:
        asker.refuse(CANCEL_RUN, find(run_id))
    with transaction.atomic(), requester.asking(asker):
        run = lock_run(run_id)
        _refuse_ended(run)
        if run.status == RunStatus.CANCELLED:
            return False
        error = reason_of(why) if why else None
        completion.end(run, RunStatus.CANCELLED, error)
        _fail_pending_requests(run.id)
        completion.await_nothing(run.id)
        ended_run = completion.EndedRun.of_run(run)
        completion.emit_and_start_hook(hook_events.CANCELLED, ended_run, error, "cancel")
        completion.release_turns(ended_run)
    return True


def _fail_pending_requests(run_id: uuid.UUID) -> None:
    """But for those that a gateway looks at: it locks requests before runs, and looks at the run
    (outbox, 5)."""
    pending = models.Fetch.objects.filter(run_id=run_id, status=FetchStatus.PENDING)
    free = list(pending.select_for_update(skip_locked=True).values_list("id", flat=True))
    models.Fetch.objects.filter(id__in=free).update(
        status=FetchStatus.FAILED, error=RUN_CANCELLED, ended_at=Now()
    )


def _refuse_ended(run: models.Run) -> None:
    if run.is_finished and run.status != RunStatus.CANCELLED:
        raise InvalidTransition(
            f"Run {run.id} is {run.status}; only unfinished runs can be cancelled."
        )


def _cancel_unless_ended(run_id: uuid.UUID, why: str) -> bool:
    with contextlib.suppress(InvalidTransition, UnknownRun):
        return _cancel_one(run_id, why)
    return False


def _lock(run_ids: Sequence[uuid.UUID]) -> None:
    """Lock runs for the caller's transaction, in the workers' order.

    1. Rows, newest first, and so invoked runs before their parents: an ending run wakes its parent.
    2. Lines, first before second ones (completion.release_statements).
    """
    locked = models.Run.objects.filter(id__in=run_ids).order_by("-id").select_for_update()
    runs = list(locked.only("turn_keys", "turns_held"))
    line_locks.lock_all({line: set(_keys_in(runs, line)) for line in (0, 1)})


def _keys_in(runs: Sequence[models.Run], line: int) -> Iterator[str]:
    for run in runs:
        if line <= min(run.turns_held, len(run.turn_keys) - 1):
            yield run.turn_keys[line]


def _cancel_own(run_id: str | uuid.UUID, why: str, invoked: bool) -> None:
    with contextlib.suppress(InvalidTransition):  # the lease was lost, and the run has ended
        cancel(run_id, why=why, invoked=invoked)
