"""Failures that an operator dealt with otherwise than by a rerun."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from jobs.control.notes import clean_note
from jobs.control.permission_names import DEAL_WITH_RUN
from jobs.errors import InvalidTransition
from jobs.events import requester
from jobs.ids import as_id
from jobs.lib.excerpts import excerpt, quoted
from jobs.models import OPEN_FAILURE, Run, RunQuerySet

MAX_READ = 5_000


@dataclass(frozen=True, slots=True)
class Dealt:
    """`done` runs left the open failures; `refused` did not; `reason` is the first refusal's."""

    done: int
    refused: int = 0
    reason: str = ""
    is_all: bool = True  # False: more of the kind are left


def deal_with(
    sentence: str, *, run_ids: Iterable[str | uuid.UUID] | None = None, kind: str | None = None
) -> Dealt:
    """Mark failed runs, or a kind's open failures, as dealt with, with a sentence. They leave the
    open failures, stay failed, and can be retried.

    Runs that are no open failures are passed by. An operator (see requester) needs
    `jobs.deal_with_run`, else NotAllowed; runs that the account may not deal with are refused. One
    transaction and one history line; it locks the runs' rows, the newest first.
    """
    said = clean_note(sentence, "The sentence")
    if not said:
        raise InvalidTransition("Say in a sentence how the failures were dealt with.")
    if isinstance(run_ids, str | uuid.UUID):
        raise InvalidTransition(f"run_ids is a list of ids of runs, not {quoted(str(run_ids))}.")
    if (run_ids is None) == (kind is None):
        raise InvalidTransition(
            "Give either run_ids, a list of ids of runs, or a kind of failures."
        )
    asker = requester.current()
    asker.refuse(DEAL_WITH_RUN)
    with transaction.atomic():
        runs = list(_meant(run_ids, kind))
        reasons = {run.id: asker.refusal(DEAL_WITH_RUN, run) for run in runs}
        allowed = [run_id for run_id, reason in reasons.items() if not reason]
        done = Run.objects.filter(id__in=allowed).update(
            mended_at=Now(), dealt_with=said, dealt_by=asker.id
        )
        if done and asker.id:
            _log(asker.id, allowed, kind, said)
    first = next((reason for reason in reasons.values() if reason), "")
    return Dealt(done, len(runs) - done, first, is_all=len(runs) < MAX_READ)


def _meant(run_ids: Iterable[str | uuid.UUID] | None, kind: str | None) -> RunQuerySet:
    of_runs = Q(failure_kind=kind) if run_ids is None else Q(id__in=_ids(run_ids))
    runs = Run.objects.filter(of_runs & OPEN_FAILURE).order_by("-id")
    return runs.select_for_update(of=("self",)).only("id", "fn_id", "event_id", "status")[:MAX_READ]


def _ids(given: Iterable[str | uuid.UUID]) -> list[uuid.UUID]:
    found = [known for one in given if (known := as_id(one)) is not None]
    return found[:MAX_READ]


def _log(account: str, ids: list[uuid.UUID], kind: str | None, said: str) -> None:
    """One line for all; a single run's stands in its own history."""
    what = f"{len(ids):,} failed runs" + (f": {kind}" if kind else "")
    LogEntry.objects.create(
        user_id=account,
        content_type=ContentType.objects.get_for_model(Run),
        object_id=str(ids[0]) if len(ids) == 1 else None,
        object_repr=str(ids[0]) if len(ids) == 1 else excerpt(what, 200),
        action_flag=CHANGE,
        change_message=f"Dealt with {what}: {said}" if len(ids) > 1 else f"Dealt with: {said}",
    )
