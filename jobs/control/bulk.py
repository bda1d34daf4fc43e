"""Cancelling and rerunning many runs, by a run of the engine's own."""

from __future__ import annotations

import time
import uuid
from datetime import datetime
from typing import Any, Literal, NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from jobs.control.cancellation import cancel
from jobs.control.cancellation_sets import LARGEST_SET, PassedLines, cancel_plain
from jobs.control.permission_names import CANCEL_RUN, RERUN_RUN
from jobs.control.reruns import rerun, rerun_once
from jobs.errors import InvalidTransition, JobsError, NonRetriableError, UnknownFunction
from jobs.events import intake, requester, validation
from jobs.events.event import Event
from jobs.lib.excerpts import excerpt, quoted
from jobs.lib.json_values import named
from jobs.models import FINISHED, UNFINISHED, RegisteredFunction, Run, RunStatus
from jobs.registry import catalog
from jobs.runs import hook_events, pace

FUNCTION = "jobs-bulk"
EVENT = "jobs/bulk.requested"
BATCH = 2_000  # runs of one step
SINGLE_SET = 25  # runs between two looks at the time, where each is done by itself
MAX_SECONDS = 1.0  # seconds of one step, and of a rest
SHARE_TOGETHER = 0.2  # of the time, for cancelling together beside other runs
SHARE_SINGLY = 0.4
MAX_BATCHES = 900  # within the limit of steps

Action = Literal["cancel", "retry", "rerun"]
ALLOWED = {
    "cancel": [str(status) for status in UNFINISHED],
    "retry": [str(RunStatus.FAILED), str(RunStatus.CANCELLED)],
    "rerun": [str(status) for status in FINISHED],
}
KNOWN_KEYS = {"action", "filter", "why", "invoked", "after", "own"}
FILTERS = {"fn_id", "status", "since", "until"}
PERMISSION = {
    "cancel": CANCEL_RUN,
    "retry": RERUN_RUN,
    "rerun": RERUN_RUN,
}


def bulk(
    action: Action,
    *,
    fn_id: str = "",
    status: str = "",
    since: str | datetime = "",
    until: str | datetime = "",
    why: str = "",
    invoked: bool = False,
    everything: bool = False,
) -> str:
    """Cancel, retry (from the failed step) or rerun (from the start) all runs that fit a filter;
    with `everything` instead, all runs of the site. With `invoked`, cancelled runs take along those
    that they invoked.

    Returns the id of the run that acts. Its output counts the done, the refused (they had changed),
    and the outdated skipped hooks. `since` and `until` (datetimes or ISO texts) compare when runs
    were made; later runs are not meant.

    An operator (see requester) needs the action's permission, else NotAllowed. Each batch checks
    again; a refusal's reason is in the output.
    """
    if not isinstance(action, str) or action not in ALLOWED:
        raise InvalidTransition(f"{quoted(action)} is no bulk action; cancel, retry and rerun are.")
    if status and status not in ALLOWED[action]:
        allowed = ", ".join(ALLOWED[action])
        raise InvalidTransition(
            f"bulk(“{action}”) has no runs whose status is {quoted(status)}: {allowed} are allowed."
        )
    if invoked and action != "cancel":
        raise InvalidTransition(f"invoked=True is for bulk(“cancel”), not for {action!r}.")
    wanted = {"fn_id": fn_id, "status": status, "since": _text(since), "until": _text(until)}
    asked = {"action": action, "filter": wanted, "why": why, "invoked": invoked}
    _refuse_unmeant(action, wanted, everything)
    sent = validation.validate(Event(name=EVENT, data=asked))
    asker = requester.current()
    asker.refuse(PERMISSION[action])
    _refuse_unreadable(action, wanted)
    with transaction.atomic():
        function = catalog.get(FUNCTION)
        return str(intake.start_alone(function, sent, triggers=True, asked_by=asker.id))


def refuse_unknown(asked: dict[str, Any]) -> None:
    """Of a run that a newer version was asked for, before this one was deployed again: an unknown
    filter left out would mean more runs."""
    unknown = sorted({*asked.keys() - KNOWN_KEYS, *asked["filter"].keys() - FILTERS})
    if asked["action"] not in ALLOWED:
        unknown.append(asked["action"])
    if unknown:
        names = excerpt(", ".join(map(str, unknown)), 80)
        raise NonRetriableError(
            "A newer version of this site was asked for this bulk action. The version that runs "
            f"now does not know “{names}”, and does nothing more. Deploy the newer version, and "
            "retry this run: it goes on where it has stopped."
        )


def _refuse_unmeant(action: Action, wanted: dict[str, str], everything: bool) -> None:
    filters = [name for name, value in wanted.items() if value not in ("", None)]
    if not filters and everything is not True:
        raise InvalidTransition(
            f"bulk(“{action}”) without a filter would mean every run of the site. Give fn_id, "
            "status, since or until, or say everything=True."
        )
    if filters and everything:
        raise InvalidTransition(
            f"bulk(“{action}”) is given {', '.join(filters)} and everything=True; leave one of "
            "them."
        )


def _text(moment: str | datetime) -> str:
    return moment.isoformat() if isinstance(moment, datetime) else moment


def _refuse_unreadable(action: Action, wanted: dict[str, str]) -> None:
    try:
        found = _matching(action, wanted).exists()
    except (ValidationError, ValueError, TypeError, OverflowError) as problem:
        said = " ".join(getattr(problem, "messages", [str(problem)]))
        raise InvalidTransition(
            f"The filter {quoted(wanted)} cannot be read: {excerpt(said, 200)}"
        ) from None
    fn_id = wanted["fn_id"]
    known = found or not fn_id or catalog.knows(fn_id)
    rows = RegisteredFunction.objects
    if not known and not rows.filter(fn_id=fn_id).exists():
        meant = catalog.meant(fn_id, rows.values_list("fn_id", flat=True))
        raise UnknownFunction(f"There is no function {named(fn_id)}.{meant}")


class Listed(NamedTuple):
    id: uuid.UUID
    fn_id: str
    status: str


def batch(
    action: Action, wanted: dict[str, str], after: str, why: str, own: str, invoked: bool = False
) -> dict[str, Any]:
    """Does the next batch in transactions of its own; harmless to repeat, as done runs do not fit.
    Without the permission the rest is refused."""
    asked_at = Run.objects.filter(id=own).values("created_at")
    runs = _matching(action, wanted).filter(created_at__lt=asked_at[:1])
    pages = _pages(action, runs, after)
    asker = requester.current()
    if reason := asker.refusal(PERMISSION[action]):
        refused = sum(page.runs.count() for page in pages)
        return {"done": 0, "refused": refused, "after": after, "more": False, "reason": reason}
    page, *later = pages
    found = [Listed(*row) for row in page.runs.values_list("id", "fn_id", "status")[:BATCH]]
    tally: dict[str, Any] = {"done": 0, "refused": 0, "left_out": 0, "after": after, "reason": ""}
    began = time.monotonic()
    with requester.asking(asker), PassedLines() as passed_lines:
        order = Order(action, why, invoked, pace.Crowd(FUNCTION), passed_lines)
        at, size = 0, LARGEST_SET if action == "cancel" else SINGLE_SET
        while part := found[at : at + size]:
            if at and time.monotonic() - began > MAX_SECONDS:
                return tally | {"more": True}
            all_together = _do_set(order, part, tally)
            tally["after"] = f"{page.mark}{part[-1].id}"
            at, size = at + size, LARGEST_SET if all_together else SINGLE_SET
    if len(found) == BATCH:
        return tally | {"more": True}
    going_on = next((later_page for later_page in later if later_page.runs.exists()), None)
    return tally | ({"more": True, "after": going_on.mark} if going_on else {"more": False})


class Order(NamedTuple):
    """What is done with each run, beside the runs of a crowd."""

    action: Action
    why: str
    invoked: bool
    crowd: pace.Crowd
    passed_lines: PassedLines


class Page(NamedTuple):
    """Runs in the order in which they are done, after those of a mark and an id."""

    mark: str
    runs: QuerySet[Run]


def _pages(action: Action, runs: QuerySet[Run], after: str) -> list[Page]:
    """What is left to do after `after`, which names the last run that was done.

    Cancelling goes from the latest run to the first: a run that leaves its line would wake the next
    one, which would be executed and cancelled a moment later. Then come invoked runs, callers
    first: a caller would go on without the run that it waits for. (An id without a mark: other
    actions, and what an earlier version has begun to cancel.)
    """
    mark, last = _read(after)
    if action != "cancel" or (last and not mark):
        return [Page("", _later(runs, last))]
    invoked = Page(">", _later(runs.exclude(invoked_by=None), last if mark == ">" else ""))
    if mark == ">":
        return [invoked]
    latest = runs.filter(invoked_by=None).order_by("-id")
    return [Page("<", latest.filter(id__lt=last) if last else latest), invoked]


def _read(after: str) -> tuple[str, str]:
    """The mark and the id. In words of a newer version: from the beginning, as done runs do not
    fit."""
    mark, last = (after[:1], after[1:]) if after[:1] in ("<", ">") else ("", after)
    try:
        return mark, str(uuid.UUID(last)) if last else ""
    except ValueError:
        return "", ""


def _later(runs: QuerySet[Run], last: str) -> QuerySet[Run]:
    in_order = runs.order_by("id")
    return in_order.filter(id__gt=last) if last else in_order


def _do_set(order: Order, found: list[Listed], tally: dict[str, Any]) -> bool:
    """Whether no run had to be done by itself."""
    skipped = [run.id for run in found if run.status == RunStatus.SKIPPED]
    left_out = hook_events.outdated(skipped) if skipped else set()
    still = [run for run in found if run.id not in left_out]
    reasons = _refusals(order.action, still)
    done, all_together = _do(order, [run for run in still if run.id not in reasons], reasons)
    tally["done"] += done
    tally["refused"] += len(still) - done
    tally["left_out"] += len(left_out)
    tally["reason"] = tally["reason"] or next(iter(reasons.values()), "")
    return all_together


def _refusals(action: Action, found: list[Listed]) -> dict[uuid.UUID, str]:
    asker = requester.current()
    if not asker.id:
        return {}
    runs = Run.objects.filter(id__in=[run.id for run in found]).order_by("id")
    runs = runs.only("id", "fn_id", "event_id", "status")
    reasons = {run.id: asker.refusal(PERMISSION[action], run) for run in runs}
    return {run_id: reason for run_id, reason in reasons.items() if reason}


def _do(order: Order, runs: list[Listed], reasons: dict[uuid.UUID, str]) -> tuple[int, bool]:
    """Cancelling rests beside other runs: they are wanted more. Reruns are wanted as they are."""
    if order.action != "cancel":
        return sum(_act(order, run.id, reasons) for run in runs), False
    began = time.monotonic()
    left = _cancel_together(order, runs)
    done = len(runs) - len(left) + sum(_act(order, run_id, reasons) for run_id in left)
    if order.crowd.is_there():
        share = SHARE_SINGLY if left else SHARE_TOGETHER
        time.sleep(min(pace.rest_after(time.monotonic() - began, share), MAX_SECONDS))
    return done, not left


def _cancel_together(order: Order, runs: list[Listed]) -> list[uuid.UUID]:
    """Returns those to cancel singly."""
    ids, fn_ids = [run.id for run in runs], {run.fn_id for run in runs}
    left = cancel_plain(ids, fn_ids, order.why, order.passed_lines, alone=order.invoked)
    return [run_id for run_id in ids if run_id in left]


def _act(order: Order, run_id: uuid.UUID, reasons: dict[uuid.UUID, str]) -> bool:
    """False if the run has changed meanwhile, or is refused."""
    try:
        if order.action == "cancel":
            return cancel(run_id, why=order.why, invoked=order.invoked)
        if order.action == "rerun":
            return rerun_once(run_id) is not None
        return bool(rerun(run_id))
    except JobsError as error:
        reasons[run_id] = str(error)
        return False


def _matching(action: Action, wanted: dict[str, str]) -> QuerySet[Run]:
    statuses = [wanted["status"]] if wanted.get("status") else ALLOWED[action]
    runs: QuerySet[Run] = Run.objects.in_status(*statuses)
    if action == "rerun":
        runs = runs.filter(reruns__isnull=True)
    if action != "cancel":
        runs = runs.filter(forgotten_at=None)
    if wanted.get("fn_id"):
        runs = runs.filter(fn_id=wanted["fn_id"])
    if wanted.get("since"):
        runs = runs.filter(created_at__gte=wanted["since"])
    if wanted.get("until"):
        runs = runs.filter(created_at__lt=wanted["until"])
    return runs
