"""Retry, rerun and cancel: each a POST with its own permission, and a line in the history of who
did what when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_POST

from jobs import api, lineage
from jobs.admin.filters import CreatedFilter, FunctionFilter, beginning
from jobs.admin.html import run_link
from jobs.admin.words import MOST_COUNTED, counted
from jobs.bulk import FUNCTION as BULK_FUNCTION
from jobs.bulk import Action
from jobs.errors import JobsError
from jobs.excerpts import quoted
from jobs.models import UNFINISHED, Run, RunQuerySet, RunStatus

MOST_AT_ONCE = 500  # as many ids as one form may send back (DATA_UPLOAD_MAX_NUMBER_FIELDS is 1000)
MOST_WALKED = 10_000  # runs of a tree, for a number on a page
STATUS = "status__exact"
View = Callable[..., HttpResponse]


def retry(run_id: str) -> str:
    """Go on from the failed step; what the run remembers is not done again."""
    return api.rerun(run_id)


def restart(run_id: str) -> str:
    return api.rerun(run_id, from_start=True)


def cancel(run_id: str) -> str:
    if not api.cancel(run_id):
        raise JobsError("It had already ended.")
    return run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """One thing to do to many runs."""

    action: str  # the admin action's name
    verb: str
    done: str  # a history line
    does: str  # what will happen, for the confirmation
    statuses: tuple[str, ...]
    which: str  # the runs that it is for …
    others: str  # … and those that it leaves alone
    act: Callable[[str], str]
    whole: Action  # the same of api.bulk


RETRY = Bulk(
    action="retry_selected",
    verb="Retry",
    done="Retried from the failed step.",
    does="Each goes on from its failed step; steps that are done are not done again.",
    statuses=(RunStatus.FAILED,),
    which="failed",
    others="not failed",
    act=retry,
    whole="retry",
)
CANCEL = Bulk(
    action="cancel_selected",
    verb="Cancel",
    done="Cancelled.",
    does="Each ends at once; what its worker still does for it is dropped. Steps that are done "
    "stay done.",
    statuses=tuple(UNFINISHED),
    which="unfinished",
    others="already over",
    act=cancel,
    whole="cancel",
)

ALONG = "Cancelled, with the runs that it had invoked."

Start = tuple[Callable[[str], str], str]  # the deed, and its history line
STARTS: dict[str, Start] = {
    "failed-step": (retry, RETRY.done),
    "start": (restart, "Rerun from the start."),
}


def _from_step(step: str) -> Start:
    return partial(api.rerun, from_step=step), f"Rerun from step “{step}”."


def rerun_view(model_admin: Any) -> View:
    """POST `from=failed-step`, `from=start`, or `from=step` with the step's name as `step`."""

    def view(request: HttpRequest, run_id: UUID) -> HttpResponse:
        if not model_admin.has_rerun_permission(request):
            raise PermissionDenied
        where = request.POST.get("from", "failed-step")
        starts = STARTS | {"step": _from_step(request.POST.get("step", ""))}
        if where not in starts:
            allowed = ", ".join(starts)
            text = f"A run cannot start from {quoted(where, 40)}; {allowed} are allowed."
            model_admin.message_user(request, text, messages.ERROR)
            return redirect("admin:jobs_run_change", run_id)
        run = found(run_id)
        if where != "failed-step" and not may_restart(model_admin, request, run):
            raise PermissionDenied
        return do(model_admin, request, run, *starts[where])

    return require_POST(view)


def may_restart(model_admin: Any, request: HttpRequest, run: Run) -> bool:
    """To ask for a bulk action anew is to ask for it: one that cancels needs that permission."""
    if run.fn_id == BULK_FUNCTION and run.event.data.get("action") == "cancel":
        return bool(model_admin.has_cancel_permission(request))
    return bool(model_admin.has_rerun_permission(request))


def found(run_id: UUID) -> Run:
    run = Run.objects.select_related("event").filter(pk=run_id).first()
    if run is None:
        raise Http404(f"There is no run {run_id}.")
    return run


def do(
    model_admin: Any, request: HttpRequest, run: Run, act: Callable[[str], str], done: str
) -> HttpResponse:
    """Do it to one run and show the run that goes on; what cannot be done is a message."""
    try:
        made = act_on(model_admin, request, run, act, done)
    except JobsError as error:
        model_admin.message_user(request, f"Nothing was changed. {error}", messages.ERROR)
        return redirect("admin:jobs_run_change", run.pk)
    return show(model_admin, request, run, made, done)


def show(model_admin: Any, request: HttpRequest, run: Run, made: str, done: str) -> HttpResponse:
    """The run that goes on, and what was done to this one."""
    new = made != str(run.pk)
    text = format_html("{} It runs as {}.", done, run_link(made)) if new else done
    model_admin.message_user(request, text, messages.SUCCESS)
    return redirect("admin:jobs_run_change", made)


def act_on(
    model_admin: Any, request: HttpRequest, run: Run, act: Callable[[str], str], done: str
) -> str:
    """The deed and its history line, both or neither; returns the id of the run that goes on."""
    with transaction.atomic():
        made = str(act(str(run.pk)))
        if made == str(run.pk):
            model_admin.log_change(request, run, done)
        else:
            model_admin.log_change(request, run, f"{done} It runs as {made}.")
            new = Run.objects.get(pk=made)
            model_admin.log_change(request, new, f"Made by a rerun of {run.pk}.")
        return made


def cancel_tree(model_admin: Any, request: HttpRequest, run: Run) -> None:
    """Cancel a run with its history line, then those below it, each in a transaction of its own."""
    below = lineage.unfinished_below(run.pk, 1)
    with transaction.atomic():
        if not api.cancel(run.pk) and not below:
            raise JobsError("It had already ended.")
        model_admin.log_change(request, run, ALONG)
    api.cancel(run.pk, invoked=True)


def in_bulk(
    model_admin: Any, request: HttpRequest, runs: RunQuerySet, bulk: Bulk
) -> HttpResponse | None:
    """First a page that says how many and which; then, with `post` in the form, the deed.

    Where more are selected than one form can hold, `post=all` leaves all that the list shows to a
    run of the engine's own, if its filters can be said to that (see `_shown`).
    """
    fitting = runs.in_status(*bulk.statuses).order_by("id")
    if request.POST.get("post") == "all":
        _leave_to_the_engine(model_admin, request, bulk)
        return None
    if request.POST.get("post"):
        _do_all(model_admin, request, list(fitting[:MOST_AT_ONCE]), bulk)
        return None
    chosen = list(fitting[: MOST_AT_ONCE + 1])
    if not chosen:
        text = f"None of the selected runs is {bulk.which}: nothing to {bulk.verb.lower()}."
        model_admin.message_user(request, text, messages.WARNING)
        return None
    return TemplateResponse(
        request,
        "admin/jobs/run/confirm.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": f"{bulk.verb} runs",
            "opts": model_admin.opts,
            "media": model_admin.media,
            "bulk": bulk,
            "runs": chosen[:MOST_AT_ONCE],
            "more": len(chosen) > MOST_AT_ONCE,
            "all": _shown(request, bulk) if len(chosen) > MOST_AT_ONCE else None,
            "below": _below(chosen[:MOST_AT_ONCE]) if bulk is CANCEL else "",
            "passed_over": runs.exclude(status__in=bulk.statuses).order_by()[:10_000].count(),
            "checkbox": ACTION_CHECKBOX_NAME,
        },
    )


def _below(runs: list[Run]) -> str:
    """How many unfinished runs these have invoked, themselves left out: “3 unfinished runs”."""
    ids = [run.pk for run in runs]
    below = lineage.unfinished_below(ids, MOST_COUNTED + len(ids) + 1, MOST_WALKED)
    return counted(set(below) - set(ids))


def _shown(request: HttpRequest, bulk: Bulk) -> dict[str, Any] | None:
    """What the list is filtered by, as api.bulk has it; None if it has no word for that."""
    asked = request.GET.dict()
    fn_id = asked.pop(FunctionFilter.parameter_name, "")
    status = asked.pop(STATUS, "")
    period = asked.pop(CreatedFilter.parameter_name, "")
    asked.pop("p", None)  # the page
    if asked or status not in ("", *bulk.statuses):
        return None
    status = status or (bulk.statuses[0] if len(bulk.statuses) == 1 else "")
    return {"fn_id": fn_id, "status": status, "since": beginning(period) or ""}


def _leave_to_the_engine(model_admin: Any, request: HttpRequest, bulk: Bulk) -> None:
    shown = _shown(request, bulk)
    if shown is None:
        text = "Nothing was changed: only function, status and time can be said of all runs."
        model_admin.message_user(request, text, messages.ERROR)
        return
    try:
        with transaction.atomic():
            made = api.bulk(bulk.whole, **shown, invoked=_takes_along(request, bulk))
            run = Run.objects.get(pk=made)
            model_admin.log_change(request, run, f"{bulk.verb} of all {bulk.which} runs asked for.")
    except JobsError as error:
        model_admin.message_user(request, f"Nothing was changed. {error}", messages.ERROR)
        return
    text = format_html(
        "{}: all {} runs, by {}.", bulk.verb, bulk.which, run_link(made, "a run of its own")
    )
    model_admin.message_user(request, text, messages.SUCCESS)


def _takes_along(request: HttpRequest, bulk: Bulk) -> bool:
    """Whether invoked runs are to be cancelled with those that have invoked them."""
    return bulk is CANCEL and request.POST.get("invoked") == "yes"


def _do_all(model_admin: Any, request: HttpRequest, runs: list[Run], bulk: Bulk) -> None:
    """One transaction a run: what cannot be done for one does not undo the others."""
    refused = []
    for run in runs:
        try:
            if _takes_along(request, bulk):
                cancel_tree(model_admin, request, run)
            else:
                act_on(model_admin, request, run, bulk.act, bulk.done)
        except JobsError as error:
            refused.append((run_link(run.pk), str(error)))
    done = len(runs) - len(refused)
    if done or not refused:
        text = f"{bulk.verb}: {done} {'run' if done == 1 else 'runs'} done."
        model_admin.message_user(request, text, messages.SUCCESS if done else messages.WARNING)
    if refused:
        which = format_html_join(" ", "{} ({})", refused[:10])
        text = format_html("{} could not be changed: {}", len(refused), which)
        model_admin.message_user(request, text, messages.ERROR)
