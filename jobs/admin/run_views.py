"""The buttons of a run's page: each a POST with a permission and a history line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from jobs.admin.form_acts import FormAct, act_on, redirect_with_outcome
from jobs.admin.retry_button import with_link
from jobs.admin.run_acts import CANCEL, CANCELLED_TREE, RESTART, RETRY, cancel_tree, rerun_from
from jobs.control.form_submissions import Outcome
from jobs.control.permission_names import CANCEL_RUN, RERUN_RUN
from jobs.errors import JobsError
from jobs.lib.excerpts import quoted
from jobs.models import Run

View = Callable[..., HttpResponse]
STARTS = {"failed-step": RETRY, "start": RESTART}


def rerun_view(model_admin: Any) -> View:
    """POST `from=failed-step`, `from=start`, or `from=step` with the step's name as `step`."""

    def view(request: HttpRequest, run_id: UUID) -> HttpResponse:
        run = permitted_run(request, RERUN_RUN, run_id)
        where = request.POST.get("from", "failed-step")
        starts = STARTS | {"step": rerun_from(request.POST.get("step", ""))}
        if where not in starts:
            allowed = ", ".join(starts)
            text = f"A run cannot start from {quoted(where, 40)}; {allowed} are allowed."
            model_admin.message_user(request, text, messages.ERROR)
            return redirect("admin:jobs_run_change", run_id)
        return _act(model_admin, request, run, starts[where])

    return require_POST(view)


def cancel_view(model_admin: Any) -> View:
    """POST; `invoked=yes` also cancels the unfinished runs below."""

    def view(request: HttpRequest, run_id: UUID) -> HttpResponse:
        run = permitted_run(request, CANCEL_RUN, run_id)
        if request.POST.get("invoked") == "yes":
            cancel = partial(cancel_tree, model_admin, request, run)
            return _answer(model_admin, request, run, cancel, CANCELLED_TREE)
        return _act(model_admin, request, run, CANCEL)

    return require_POST(view)


def permitted_run(request: HttpRequest, permission: str, run_id: UUID) -> Run:
    """An account without the permission learns no ids."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
    run = _run_or_404(run_id)
    if not request.user.has_perm(permission, run):
        raise PermissionDenied
    return run


def _run_or_404(run_id: UUID) -> Run:
    run = Run.objects.select_related("event").filter(pk=run_id).first()
    if run is None:
        raise Http404(f"There is no run {run_id}.")
    return run


def _act(model_admin: Any, request: HttpRequest, run: Run, form_act: FormAct) -> HttpResponse:
    act = partial(act_on, model_admin, request, run, form_act)
    return _answer(model_admin, request, run, act, form_act.done)


def _answer(
    model_admin: Any, request: HttpRequest, run: Run, act: Callable[[], Outcome], done: str
) -> HttpResponse:
    try:
        outcome = act()
    except JobsError as error:
        text = format_html("Nothing was changed. {}", with_link(error))
        model_admin.message_user(request, text, messages.ERROR)
        return redirect("admin:jobs_run_change", run.pk)
    return redirect_with_outcome(model_admin, request, run, outcome, done)
