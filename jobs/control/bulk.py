"""Cancelling and rerunning many runs, by a run of the engine's own: what is asked for. Its batches
are bulk_batch's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.db import transaction

from jobs.control.permission_names import CANCEL_RUN, RERUN_RUN
from jobs.errors import InvalidTransition, NonRetriableError, UnknownFunction
from jobs.events import intake, requester, validation
from jobs.events.event import Event
from jobs.lib.excerpts import excerpt, quoted
from jobs.lib.json_values import named
from jobs.models import FINISHED, UNFINISHED, RegisteredFunction, Run, RunQuerySet, RunStatus
from jobs.registry import catalog

FUNCTION = "jobs-bulk"
EVENT = "jobs/bulk.requested"
TELLER = "jobs-cancellation-events"  # of what was cancelled: cancelled only by its name

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
        found = matching(action, wanted).exists()
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


def matching(action: Action, wanted: dict[str, str]) -> RunQuerySet:
    statuses = [wanted["status"]] if wanted.get("status") else ALLOWED[action]
    runs = Run.objects.in_status(*statuses)
    if action == "rerun":
        runs = runs.not_rerun()
    if action != "cancel":
        runs = runs.filter(forgotten_at=None)
    if wanted.get("fn_id"):
        runs = runs.filter(fn_id=wanted["fn_id"])
    elif action == "cancel":
        runs = runs.exclude(fn_id=TELLER)
    if wanted.get("since"):
        runs = runs.filter(created_at__gte=wanted["since"])
    if wanted.get("until"):
        runs = runs.filter(created_at__lt=wanted["until"])
    return runs
