"""Retry, rerun and cancel: each a POST with a permission and a history line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from jobs.admin.bulk_actions import RETRY
from jobs.admin.bulk_kinds import from_step
from jobs.admin.form_acts import FormAct, act_on, show
from jobs.admin.retrying import linked
from jobs.admin.run_transitions import RESTART
from jobs.errors import JobsError
from jobs.lib.excerpts import quoted
from jobs.models import Run

View = Callable[..., HttpResponse]


STARTS = {
    "failed-step": RETRY.form_act,
    "start": RESTART,
}


def rerun_view(model_admin: Any) -> View:
    """POST `from=failed-step`, `from=start`, or `from=step` with the step's name as `step`."""

    def view(request: HttpRequest, run_id: UUID) -> HttpResponse:
        run = asked(request, "jobs.rerun_run", run_id)
        where = request.POST.get("from", "failed-step")
        starts = STARTS | {"step": from_step(request.POST.get("step", ""))}
        if where not in starts:
            allowed = ", ".join(starts)
            text = f"A run cannot start from {quoted(where, 40)}; {allowed} are allowed."
            model_admin.message_user(request, text, messages.ERROR)
            return redirect("admin:jobs_run_change", run_id)
        return do(model_admin, request, run, starts[where])

    return require_POST(view)


def asked(request: HttpRequest, permission: str, run_id: UUID) -> Run:
    """An account without the permission learns no ids."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
    run = found(run_id)
    if not request.user.has_perm(permission, run):
        raise PermissionDenied
    return run


def found(run_id: UUID) -> Run:
    run = Run.objects.select_related("event").filter(pk=run_id).first()
    if run is None:
        raise Http404(f"There is no run {run_id}.")
    return run


def do(model_admin: Any, request: HttpRequest, run: Run, form_act: FormAct) -> HttpResponse:
    try:
        outcome = act_on(model_admin, request, run, form_act)
    except JobsError as error:
        text = format_html("Nothing was changed. {}", linked(error))
        model_admin.message_user(request, text, messages.ERROR)
        return redirect("admin:jobs_run_change", run.pk)
    return show(model_admin, request, run, outcome, form_act.done)
