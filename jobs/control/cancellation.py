"""Cancelling a run, and the runs that it has invoked."""

from __future__ import annotations

import contextlib
import uuid
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from jobs import models
from jobs.control.lookup import find, locked
from jobs.errors import EndedFromInside, InvalidTransition, UnknownRun
from jobs.events import requester
from jobs.execution.step_runner import Runner, current_runner
from jobs.lib.error_report import MESSAGE_LIMIT, storable
from jobs.models import FetchStatus, RunStatus
from jobs.runs import completion, hook_events, invocation_tree, turns


def cancel(run_id: str | uuid.UUID, *, why: str = "", invoked: bool = False) -> bool:
    """End an unfinished run now, whatever its worker does: a late result of it is dropped.

    Its turn passes on and its `on_cancel` starts, in one transaction. True if it was cancelled,
    False if it was cancelled before; raises InvalidTransition if it ended otherwise.

    Runs that it has invoked go on, unless `invoked` is true: then those that are unfinished are
    cancelled too, and those that they have invoked, after it, each in a transaction of its own. To
    call it again does what is left: True then if any of them was cancelled.

    A function that cancels its own run is left there and then: this does not return, and what was
    not committed is void. At a person's asking (see requester.py) it asks for `jobs.cancel_run`,
    and raises NotAllowed.
    """
    own = _own_among(run_id, invoked)
    if own is not None:
        _refuse_ended(find(run_id))
        own.suspend(EndedFromInside(partial(_cancel_own, run_id, why, invoked)))
    if not invoked:
        return _cancel_one(run_id, why)
    root = find(run_id).id
    _refuse_asker(root)
    if connection.in_atomic_block:
        _lock_tree(root)
    done = _cancel_one(root, why)
    reason = why or f"Run {root} was cancelled, which had invoked it."
    while below := invocation_tree.unfinished_below(root):
        done |= sum(_cancel_unless_ended(run, reason) for run in below) > 0
    return done


def _refuse_asker(root: uuid.UUID) -> None:
    """Before any run of the tree is cancelled, the asker's permission for each of them."""
    asker = requester.current()
    if asker.id:
        for run_id in (root, *invocation_tree.unfinished_below(root)):
            asker.refuse("jobs.cancel_run", find(run_id))


def _own_among(run_id: str | uuid.UUID, invoked: bool) -> Runner | None:
    """The runner that this is called in, if its run is one of those to be cancelled."""
    own = current_runner()
    if own is None:
        return None
    is_own = str(own.claim.run_id) == str(run_id)
    return (
        own if is_own or (invoked and invocation_tree.is_below(own.claim.run_id, run_id)) else None
    )


def _cancel_one(run_id: str | uuid.UUID, why: str) -> bool:
    asker = requester.current()
    if asker.id:
        asker.refuse("jobs.cancel_run", find(run_id))
    with transaction.atomic(), requester.asking(asker):
        run = locked(run_id)
        _refuse_ended(run)
        if run.status == RunStatus.CANCELLED:
            return False
        error = reason_of(why) if why else None
        completion.end(run, RunStatus.CANCELLED, error)
        models.Fetch.objects.filter(run_id=run.id, status=FetchStatus.PENDING).update(
            status=FetchStatus.FAILED, error={"message": "cancelled", "final": True}, ended_at=Now()
        )
        ending = completion.Ending.of_run(run)
        completion.announce(hook_events.CANCELLED, ending, error, "cancel")
        completion.leave(ending)
    return True


def _refuse_ended(run: models.Run) -> None:
    if run.is_finished and run.status != RunStatus.CANCELLED:
        raise InvalidTransition(
            f"Run {run.id} is {run.status}; only unfinished runs can be cancelled."
        )


def _cancel_unless_ended(run_id: uuid.UUID, why: str) -> bool:
    with contextlib.suppress(InvalidTransition, UnknownRun):
        return _cancel_one(run_id, why)
    return False


def _lock_tree(root: uuid.UUID) -> None:
    """Take all locks that the cancellation of a tree needs, before it begins: in a transaction of
    the caller's they are held together, and must be taken in the order that workers take them.

    1. Rows, those of invoked runs before those of their parents: a run that ends wakes its parent.
    2. Then lines, the first of each run before the second ones (see completion.leaving).
    """
    ids = [root, *invocation_tree.unfinished_below(root)]
    runs = [locked(run_id) for run_id in reversed(ids)]
    for line in (0, 1):
        standing = [run for run in runs if line <= min(run.turns_held, len(run.turn_keys) - 1)]
        turns.lock({run.turn_keys[line] for run in standing}, line)


def reason_of(why: str) -> dict[str, Any]:
    """Why a run was cancelled, as its error is remembered."""
    return {"name": "Cancelled", "message": storable(str(why), MESSAGE_LIMIT), "stack": ""}


def _cancel_own(run_id: str | uuid.UUID, why: str, invoked: bool) -> None:
    with contextlib.suppress(InvalidTransition):  # it had lost its lease, and another ended it
        cancel(run_id, why=why, invoked=invoked)
