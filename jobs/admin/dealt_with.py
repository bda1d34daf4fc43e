"""“Dealt with…”: an operator's sentence on how a failure, or all open ones of a kind, were dealt
with otherwise than by a rerun."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from jobs import api
from jobs.admin.form_acts import SENT_BEFORE, act_once
from jobs.admin.html import kind_url
from jobs.admin.run_views import permitted_run
from jobs.control.permission_names import DEAL_WITH_RUN, VIEW_RUN
from jobs.errors import JobsError

View = Callable[..., HttpResponse]


def run_view(model_admin: Any) -> View:
    """POST `sentence`, for one run."""

    def view(request: HttpRequest, run_id: UUID) -> HttpResponse:
        run = permitted_run(request, DEAL_WITH_RUN, run_id)
        _deal(model_admin, request, {"run_ids": [str(run.pk)]})
        return redirect("admin:jobs_run_change", run.pk)

    return require_POST(view)


def kind_view(model_admin: Any) -> View:
    """POST `sentence` and `kind`, for all open failures of that kind."""

    def view(request: HttpRequest) -> HttpResponse:
        if not request.user.has_perms([DEAL_WITH_RUN, VIEW_RUN]):
            raise PermissionDenied
        kind = request.POST.get("kind", "").replace("\x00", "")
        _deal(model_admin, request, {"kind": kind})
        return redirect(kind_url(kind))

    return require_POST(view)


def _deal(model_admin: Any, request: HttpRequest, which: dict[str, Any]) -> None:
    sentence = request.POST.get("sentence", "")

    def act() -> str:
        with api.asked_by(request.user):
            dealt = api.deal_with(sentence, **which)
        refused = f" {dealt.refused} could not be changed: {dealt.reason}" if dealt.refused else ""
        if not dealt.done:
            raise JobsError(f"No open failure is among them.{refused}")
        return f"Dealt with: {dealt.done} run{'' if dealt.done == 1 else 's'}.{refused}"

    try:
        outcome = act_once(request, act, "jobs.deal_with", {**which, "sentence": sentence})
    except JobsError as error:
        model_admin.message_user(request, f"Nothing was changed. {error}", messages.ERROR)
        return
    text = f"{SENT_BEFORE} {outcome.result}" if outcome.is_repeat else outcome.result
    model_admin.message_user(request, text, messages.SUCCESS)
