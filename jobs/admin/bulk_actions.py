"""Retry and cancel of many runs, after a confirmation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from jobs import api
from jobs.admin import bulk_kinds, bulk_result, run_acts
from jobs.admin.base import as_uuid
from jobs.admin.filters import STATUS, CreatedFilter, FunctionFilter, beginning
from jobs.admin.form_acts import SENT_BEFORE, FormAct, act_on, act_once
from jobs.admin.html import run_link
from jobs.admin.retry_button import with_link
from jobs.admin.run_acts import cancel_tree
from jobs.admin.words import MAX_COUNTED, counted
from jobs.control.bulk import PERMISSION, Action
from jobs.control.form_submissions import FIELD, Outcome, StaleForm, sent
from jobs.errors import JobsError
from jobs.models import UNFINISHED, Run, RunQuerySet, RunStatus
from jobs.runs import invocation_tree

MAX_AT_ONCE = 500  # ids in one form (DATA_UPLOAD_MAX_NUMBER_FIELDS is 1000)
MAX_WALKED = 10_000  # runs of a tree
MAX_PASSED_OVER = 10_000  # counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    action: str  # the admin action's name
    verb: str
    form_act: FormAct
    does: str  # for the confirmation
    statuses: tuple[str, ...]
    which: str  # its runs …
    others: str  # … and the others
    whole: Action  # its name in api.bulk

    @property
    def permission(self) -> str:
        return PERMISSION[self.whole]


RETRY = Bulk(
    action="retry_selected",
    verb="Retry",
    form_act=run_acts.RETRY,
    does="Each run goes on from its failed step. Completed steps are not executed again.",
    statuses=(RunStatus.FAILED,),
    which="failed",
    others="not failed",
    whole="retry",
)
CANCEL = Bulk(
    action="cancel_selected",
    verb="Cancel",
    form_act=run_acts.CANCEL,
    does="Each run ends at once, and the result of its current step is dropped. Completed steps "
    "stay completed.",
    statuses=tuple(UNFINISHED),
    which="unfinished",
    others="already over",
    whole="cancel",
)


def in_bulk(
    model_admin: Any, request: HttpRequest, runs: RunQuerySet, bulk: Bulk
) -> HttpResponse | None:
    """List the runs on a page that asks; with `post` in the form, act.

    For more runs than one form can hold, `post=all` lets a run of the engine's own act on the
    whole list, if bulk() has its filters (`_shown`).
    """
    fitting = runs.in_status(*bulk.statuses).order_by("id")
    if request.POST.get("post") == "all":
        _leave_to_the_engine(model_admin, request, bulk)
        return None
    if request.POST.get("post"):
        begun = timezone.now()
        left_alone = _changed_since(request, bulk)
        done = _do_all(model_admin, request, list(fitting[:MAX_AT_ONCE]), bulk, left_alone)
        return redirect(bulk_result.address(request, begun)) if done and bulk is RETRY else None
    chosen = list(fitting[: MAX_AT_ONCE + 1])
    allowed = [run for run in chosen if request.user.has_perm(bulk.permission, run)]
    if chosen and not allowed:
        text = (
            f"Your account may {bulk.verb.lower()} none of the selected runs: they cancel others."
        )
        model_admin.message_user(request, text, messages.ERROR)
        return None
    if not chosen:
        text = f"None of the selected runs is {bulk.which}: nothing to {bulk.verb.lower()}."
        model_admin.message_user(request, text, messages.WARNING)
        return None
    page = _confirmation(request, bulk, allowed, len(chosen)) | _passed_over(runs, bulk)
    shared = {"opts": model_admin.opts, "media": model_admin.media}
    context = {**model_admin.admin_site.each_context(request), **shared, **page}
    return TemplateResponse(request, "admin/jobs/run/confirm.html", context)


def _changed_since(request: HttpRequest, bulk: Bulk) -> int:
    """Of the form's runs; the list's filters may hide them by now."""
    ticked = [one for one in map(as_uuid, request.POST.getlist(ACTION_CHECKBOX_NAME)) if one]
    changed = Run.objects.filter(pk__in=ticked).exclude(status__in=bulk.statuses)
    return changed.order_by()[:MAX_AT_ONCE].count()


def _confirmation(
    request: HttpRequest, bulk: Bulk, allowed: list[Run], chosen: int
) -> dict[str, Any]:
    runs = allowed[:MAX_AT_ONCE]
    return {
        "title": f"{bulk.verb} runs",
        "bulk": bulk,
        "runs": runs,
        "forbidden": chosen - len(allowed),
        "more": chosen > MAX_AT_ONCE,
        "all": _shown(request, bulk) if chosen > MAX_AT_ONCE else None,
        **(_retries(runs) if bulk is RETRY else {"going_on": len(runs)}),
        "below": _below(runs) if bulk is CANCEL else "",
        "checkbox": ACTION_CHECKBOX_NAME,
    }


def _passed_over(runs: RunQuerySet, bulk: Bulk) -> dict[str, Any]:
    """The number of runs that are left alone, counted up to a limit; and in words."""
    rest = runs.exclude(status__in=bulk.statuses).order_by()
    number = rest[: MAX_PASSED_OVER + 1].count()
    words = f"{number:,}" if number <= MAX_PASSED_OVER else f"More than {MAX_PASSED_OVER:,}"
    return {"passed_over": number, "passed_over_in_words": words}


def _retries(runs: list[Run]) -> dict[str, Any]:
    anew = bulk_kinds.only_anew(runs)
    going_on = [run for run in runs if run not in anew]
    return {"kinds": bulk_kinds.rows_of(going_on), "going_on": len(going_on), "anew": len(anew)}


def _below(runs: list[Run]) -> str:
    ids = [run.pk for run in runs]
    below = invocation_tree.unfinished_below(ids, MAX_COUNTED + len(ids) + 1, MAX_WALKED)
    return counted(set(below) - set(ids))


def _shown(request: HttpRequest, bulk: Bulk) -> dict[str, Any] | None:
    """The list's filters in api.bulk's terms; None if it lacks one."""
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
        text = "Nothing was changed: only function, status and time can choose all runs."
        model_admin.message_user(request, text, messages.ERROR)
        return

    def ask() -> str:
        with api.asked_by(request.user):
            made = _ask_for_all(bulk, shown, _takes_along(request, bulk))
        run = Run.objects.get(pk=made)
        model_admin.log_change(request, run, f"{bulk.verb} of all {bulk.which} runs asked for.")
        return made

    try:
        asked = request.GET.dict() | {"takes along": _takes_along(request, bulk)}
        outcome = act_once(request, ask, f"jobs.bulk.{bulk.whole}", asked)
    except JobsError as error:
        model_admin.message_user(request, f"Nothing was changed. {error}", messages.ERROR)
        return
    own = run_link(outcome.result, "a run of its own")
    text = format_html("{}: all {} runs, by {}.", bulk.verb, bulk.which, own)
    if outcome.is_repeat:
        text = format_html("{} {}", SENT_BEFORE, text)
    level = messages.INFO if outcome.is_repeat else messages.SUCCESS
    model_admin.message_user(request, text, level)


def _ask_for_all(bulk: Bulk, shown: dict[str, Any], invoked: bool) -> str:
    """Without a filter, the operator has confirmed every run."""
    everything = not any(shown.values())
    return api.bulk(bulk.whole, **shown, invoked=invoked, everything=everything)


def _takes_along(request: HttpRequest, bulk: Bulk) -> bool:
    return bulk is CANCEL and request.POST.get("invoked") == "yes"


def _act_by(form_act: FormAct) -> Callable[[Any, HttpRequest, Run], Outcome]:
    return lambda model_admin, request, run: act_on(model_admin, request, run, form_act)


def _do_all(
    model_admin: Any, request: HttpRequest, runs: list[Run], bulk: Bulk, left_alone: int
) -> int:
    """The number of runs done; `left_alone` have changed since they were chosen. One transaction a
    run: a refusal undoes no other run, and a form sent again after a crash does the rest."""
    refused, done = [], 0
    for run, form_act in bulk_kinds.form_acts(runs, request.POST, bulk.form_act):
        try:
            act = cancel_tree if _takes_along(request, bulk) else _act_by(form_act)
            done += not act(model_admin, request, run).is_repeat
        except StaleForm as error:
            model_admin.message_user(request, str(error), messages.ERROR)
            return done
        except JobsError as error:
            refused.append((run_link(run.pk), with_link(error)))
    token, account = request.POST.get(FIELD), request.user.pk
    before = sent(token=token, action=bulk.form_act.action, account=account) - done
    if done or not (refused or before > 0):
        text = f"{bulk.verb}: {done} {'run' if done == 1 else 'runs'} done."
        model_admin.message_user(request, text, messages.SUCCESS if done else messages.WARNING)
    if before > 0:
        text = (
            f"{SENT_BEFORE} {bulk.verb}: {before} {'run' if before == 1 else 'runs'} done before."
        )
        model_admin.message_user(request, text, messages.INFO)
    if rest := max(left_alone - max(before, 0), 0):
        model_admin.message_user(request, _left_alone(rest, bulk), messages.WARNING)
    if refused:
        which = format_html_join(" ", "{} ({})", refused[:10])
        text = format_html("{} could not be changed: {}", len(refused), which)
        model_admin.message_user(request, text, messages.ERROR)
    return done


def _left_alone(number: int, bulk: Bulk) -> str:
    if number == 1:
        return f"1 run was left alone: it is {bulk.others}."
    return f"{number} runs were left alone: they are {bulk.others}."
