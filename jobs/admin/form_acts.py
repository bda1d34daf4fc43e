"""An act by a form: once for each form, with a line in the history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html

from jobs.admin.html import run_link
from jobs.control.form_submissions import FIELD, Outcome, once
from jobs.events.requester import asked_by
from jobs.models import Run

SENT_BEFORE = (
    "This form was sent before, and does nothing twice. Open the page anew to do it again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormAct:
    act: Callable[[str], str]  # returns the id of the run that goes on
    done: str  # for the history
    action: str  # once for a form (see form_submissions.py) …
    asked: Any = None  # … with this content
    is_guarded: bool = False  # the run's status allows it once


def redirect_with_outcome(
    model_admin: Any, request: HttpRequest, run: Run, outcome: Outcome, done: str
) -> HttpResponse:
    made = outcome.result
    text = format_html("{} It runs as {}.", done, run_link(made)) if made != str(run.pk) else done
    if outcome.is_repeat:
        model_admin.message_user(request, format_html("{} {}", SENT_BEFORE, text), messages.INFO)
    else:
        model_admin.message_user(request, text, messages.SUCCESS)
    return redirect("admin:jobs_run_change", made)


def act_on(model_admin: Any, request: HttpRequest, run: Run, form_act: FormAct) -> Outcome:
    """The act, its history line and the form's memory are one transaction."""

    def act() -> str:
        with asked_by(request.user):
            made = str(form_act.act(str(run.pk)))
        if made == str(run.pk):
            model_admin.log_change(request, run, form_act.done)
        else:
            model_admin.log_change(request, run, f"{form_act.done} It runs as {made}.")
            new = Run.objects.get(pk=made)
            model_admin.log_change(request, new, f"Made by a rerun of {run.pk}.")
        return made

    asked = {"run": str(run.pk), "asked": form_act.asked}
    return act_once(request, act, form_act.action, asked, is_guarded=form_act.is_guarded)


def act_once(
    request: HttpRequest,
    act: Callable[[], object],
    action: str,
    asked: Any,
    is_guarded: bool = False,
) -> Outcome:
    return once(
        act,
        token=request.POST.get(FIELD),
        action=action,
        account=request.user.pk,
        asked=asked,
        is_guarded=is_guarded,
    )
