"""The next runs of a bulk action: a step of the engine's run for it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from jobs.control.bulk import ALLOWED, FUNCTION, PERMISSION, Action, matching
from jobs.control.cancellation import cancel
from jobs.control.cancellation_sets import LARGEST_SET, cancel_plain
from jobs.control.passed_lines import PassedLines
from jobs.control.reruns import rerun, rerun_once
from jobs.errors import JobsError
from jobs.events import requester
from jobs.models import FINISHED, Run, RunStatus
from jobs.platform.postgres import statements
from jobs.runs import hook_events, pace

BATCH = 2_000  # runs of one step
SINGLE_SET = 25  # runs between two looks at the time, where each is done by itself
MAX_SECONDS = 1.0  # seconds of one step, and of a rest
SHARE_TOGETHER = 0.17  # of the time, for cancelling together beside other runs
SHARE_SINGLY = 0.4
MAX_BATCHES = 900  # within the limit of steps
LATEST_FIRST, INVOKED = "<", ">"  # marks of pages
STATUSES = {str(status): f"{status}:" for status in FINISHED}
MARKS = (LATEST_FIRST, INVOKED, *STATUSES.values())


class Listed(NamedTuple):
    id: uuid.UUID
    fn_id: str
    status: str


class Order(NamedTuple):
    """What is asked for, and what a batch's sets share."""

    action: Action
    why: str
    invoked: bool
    crowd: pace.Crowd
    passed_lines: PassedLines


class Page(NamedTuple):
    """Runs in the order in which they are done; `after` is its mark and the id of the last."""

    mark: str
    runs: QuerySet[Run]


def batch(
    action: Action, wanted: dict[str, str], after: str, why: str, own: str, invoked: bool = False
) -> dict[str, Any]:
    """Does the next batch in transactions of its own; harmless to repeat, as done runs do not fit.
    Without the permission the rest is refused."""
    pages = _pages(action, wanted, after, own)
    asker = requester.current()
    if reason := asker.refusal(PERMISSION[action]):
        refused = sum(page.runs.count() for page in pages)
        return {"done": 0, "refused": refused, "after": after, "more": False, "reason": reason}
    page, *later = pages
    found = _listed(page)
    tally: dict[str, Any] = {"done": 0, "refused": 0, "left_out": 0, "after": after, "reason": ""}
    with requester.asking(asker), PassedLines() as passed_lines:
        order = Order(action, why, invoked, pace.Crowd(FUNCTION), passed_lines)
        all_done = _do_in_sets(order, page.mark, found, tally)
    if not all_done or len(found) == BATCH:
        return tally | {"more": True}
    going_on = next((later_page for later_page in later if later_page.runs.exists()), None)
    return tally | ({"more": True, "after": going_on.mark} if going_on else {"more": False})


def _pages(action: Action, wanted: dict[str, str], after: str, own: str) -> list[Page]:
    """From the last one on."""
    asked_at = Run.objects.filter(id=own).values("created_at")[:1]
    mark, last = _read(after)
    is_unmarked = last and not mark  # what an earlier version has begun
    has_several = not wanted.get("status") and len(ALLOWED[action]) > 1
    if action != "cancel" and has_several and not is_unmarked:
        return _of_each_status(action, wanted, mark, last, asked_at)
    runs = matching(action, wanted).filter(created_at__lt=asked_at)
    if action != "cancel" or is_unmarked:
        return [Page("", _later(runs, last))]
    return _to_cancel(runs, mark, last)


def _of_each_status(
    action: Action, wanted: dict[str, str], mark: str, last: str, asked_at: QuerySet[Run, Any]
) -> list[Page]:
    """Each is in an index's order; all at once would be read and sorted for each batch. What was
    retried, and cancelled meanwhile, is not retried again."""
    statuses = ALLOWED[action]
    at = next((at for at, status in enumerate(statuses) if STATUSES[status] == mark), 0)
    pages = []
    for status in statuses[at:]:
        runs = matching(action, {**wanted, "status": status}).filter(created_at__lt=asked_at)
        if action == "retry" and status != statuses[0]:
            runs = runs.filter(ended_at__lt=asked_at)
        is_begun = STATUSES[status] == mark
        pages.append(Page(STATUSES[status], _later(runs, last if is_begun else "")))
    return pages


def _to_cancel(runs: QuerySet[Run], mark: str, last: str) -> list[Page]:
    """Cancelling goes from the latest run to the first: a run that leaves its line would wake the
    next one, which would be executed and cancelled a moment later. Then come invoked runs, callers
    first: a caller would go on without the run that it waits for.
    """
    invoked = runs.exclude(invoked_by=None)
    if mark == INVOKED:
        return [Page(INVOKED, _later(invoked, last))]
    latest = runs.filter(invoked_by=None).order_by("-id")
    if last:
        latest = latest.filter(id__lt=last)
    return [Page(LATEST_FIRST, latest), Page(INVOKED, _later(invoked))]


def _listed(page: Page) -> list[Listed]:
    """The next of its index: statistics of a quiet hour would have all that fit read and sorted."""
    with statements.reading_by_index():
        return [Listed(*row) for row in page.runs.values_list("id", "fn_id", "status")[:BATCH]]


def _read(after: str) -> tuple[str, str]:
    """The mark and the id. In words of a newer version: from the beginning, as done runs do not
    fit."""
    mark = next((mark for mark in MARKS if after.startswith(mark)), "")
    last = after.removeprefix(mark)
    try:
        return mark, str(uuid.UUID(last)) if last else ""
    except ValueError:
        return "", ""


def _later(runs: QuerySet[Run], last: str = "") -> QuerySet[Run]:
    in_order = runs.order_by("id")
    return in_order.filter(id__gt=last) if last else in_order


def _do_in_sets(order: Order, mark: str, found: list[Listed], tally: dict[str, Any]) -> bool:
    """False if the step's time was over before."""
    began = time.monotonic()

    def is_over() -> bool:
        return time.monotonic() - began > MAX_SECONDS

    size = LARGEST_SET if order.action == "cancel" else SINGLE_SET
    for at in range(0, len(found), size):
        part = found[at : at + size]
        if (at and is_over()) or _do_set(order, mark, part, tally, is_over):
            return False
        tally["after"] = f"{mark}{part[-1].id}"
    return True


def _do_set(
    order: Order,
    mark: str,
    found: list[Listed],
    tally: dict[str, Any],
    is_over: Callable[[], bool],
) -> bool:
    """Whether the step's time was over before. Then no more is counted than the step has done: the
    next one lists the rest again.
    """
    skipped = [run.id for run in found if run.status == RunStatus.SKIPPED]
    left_out = hook_events.outdated(skipped) if skipped else set()
    reasons = _refusals(order.action, _without(found, left_out))
    rest = found
    if order.action == "cancel":
        meant = _without(found, left_out | reasons.keys())
        done = _cancel_together(order, meant)
        tally["done"] += len(done)
        rest = _without(found, done) if len(done) < len(found) else []
    for at in range(0, len(rest), SINGLE_SET):
        if at and is_over():
            return True
        part = rest[at : at + SINGLE_SET]
        still = _without(part, left_out)
        tally["left_out"] += len(part) - len(still)
        _do_singly(order, still, reasons, tally)
        tally["after"] = f"{mark}{part[-1].id}"
    return False


def _without(runs: list[Listed], ids: Collection[uuid.UUID]) -> list[Listed]:
    return [run for run in runs if run.id not in ids] if ids else runs


def _refusals(action: Action, found: list[Listed]) -> dict[uuid.UUID, str]:
    asker = requester.current()
    if not asker.id:
        return {}
    runs = Run.objects.filter(id__in=[run.id for run in found]).order_by("id")
    runs = runs.only("id", "fn_id", "event_id", "status")
    reasons = {run.id: asker.refusal(PERMISSION[action], run) for run in runs}
    return {run_id: reason for run_id, reason in reasons.items() if reason}


def _do_singly(
    order: Order, runs: list[Listed], reasons: dict[uuid.UUID, str], tally: dict[str, Any]
) -> None:
    with _resting(order, SHARE_SINGLY):
        acted = [run.id not in reasons and _act(order, run.id, reasons) for run in runs]
    tally["done"] += sum(acted)
    tally["refused"] += len(runs) - sum(acted)
    told = (reasons[run.id] for run in runs if run.id in reasons)
    tally["reason"] = tally["reason"] or next(told, "")


def _cancel_together(order: Order, runs: list[Listed]) -> set[uuid.UUID]:
    """Returns the cancelled ones; the others are to be cancelled singly."""
    ids, fn_ids = [run.id for run in runs], {run.fn_id for run in runs}
    with _resting(order, SHARE_TOGETHER):
        left = cancel_plain(ids, fn_ids, order.why, order.passed_lines, alone=order.invoked)
    return set(ids) - left


@contextmanager
def _resting(order: Order, share: float) -> Iterator[None]:
    """Cancelling rests beside other runs: they are wanted more. Reruns are wanted as they are."""
    began = time.monotonic()
    yield
    if order.action == "cancel" and order.crowd.is_there():
        order.passed_lines.look()
        time.sleep(min(pace.rest_after(time.monotonic() - began, share), MAX_SECONDS))


def _act(order: Order, run_id: uuid.UUID, reasons: dict[uuid.UUID, str]) -> bool:
    """False if the run has changed meanwhile, or is refused."""
    try:
        if order.action == "cancel":
            # With those that it invoked at once: the next batch lists no run that is done.
            with transaction.atomic() if order.invoked else nullcontext():
                return cancel(run_id, why=order.why, invoked=order.invoked)
        if order.action == "rerun":
            return rerun_once(run_id) is not None
        return bool(rerun(run_id))
    except JobsError as error:
        reasons[run_id] = str(error)
        return False
