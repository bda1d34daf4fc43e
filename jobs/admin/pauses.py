"""Pause, resume and replay a function: each a POST with its own permission, and a line in the
history of who did what when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from jobs import api
from jobs.admin.html import run_link
from jobs.errors import JobsError
from jobs.models import RegisteredFunction, Run, RunStatus

MOST_COUNTED = 1000
ACTIVE, PAUSED, STILL = "active", "paused", "still"
View = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class State:
    """What a function may be brought to."""

    bring: Callable[[str], bool]
    done: str  # a history line, and what is said


STATES = {
    ACTIVE: State(api.resume, "Resumed."),
    PAUSED: State(api.pause, "Paused; unfinished runs go on to their end."),
    STILL: State(
        partial(api.pause, stop_running=True),
        "Paused; unfinished runs stand still, each after the step that it is at.",
    ),
}


def state_of(function: RegisteredFunction) -> str:
    if function.paused_at is None:
        return ACTIVE
    return STILL if function.stands_still else PAUSED


def skipped(fn_id: str) -> int:
    """How many of its runs were skipped and not replayed since, up to 1,001."""
    runs = Run.objects.filter(fn_id=fn_id, status=RunStatus.SKIPPED, reruns__isnull=True)
    return runs.order_by()[: MOST_COUNTED + 1].count()


def state_view(model_admin: Any) -> View:
    """POST `to=active`, `to=paused` or `to=still`."""

    def view(request: HttpRequest, object_id: str) -> HttpResponse:
        if not model_admin.has_pause_permission(request):
            raise PermissionDenied
        wanted = request.POST.get("to", "")
        with transaction.atomic():
            function = _locked(object_id)
            if wanted not in STATES:
                text = f"A function cannot be {wanted!r:.40}; {', '.join(STATES)} are allowed."
                model_admin.message_user(request, text, messages.ERROR)
            elif state_of(function) == wanted:
                text = "Nothing was changed: somebody else was quicker."
                model_admin.message_user(request, text, messages.WARNING)
            else:
                STATES[wanted].bring(function.fn_id)
                model_admin.log_change(request, function, STATES[wanted].done)
                model_admin.message_user(request, STATES[wanted].done, messages.SUCCESS)
        return _back_to(function)

    return require_POST(view)


def replay_view(model_admin: Any) -> View:
    """A run of the engine's own does it, however many there are."""

    def view(request: HttpRequest, object_id: str) -> HttpResponse:
        if not model_admin.has_replay_permission(request):
            raise PermissionDenied
        with transaction.atomic():
            function = _locked(object_id)
            if not skipped(function.fn_id):
                text = "Nothing was changed: no skipped run is left to replay."
                model_admin.message_user(request, text, messages.WARNING)
                return _back_to(function)
            try:
                made = api.bulk("rerun", fn_id=function.fn_id, status=RunStatus.SKIPPED)
            except JobsError as error:
                model_admin.message_user(request, f"Nothing was changed. {error}", messages.ERROR)
                return _back_to(function)
            model_admin.log_change(request, function, f"Replayed what was skipped, by run {made}.")
        link = run_link(made, "a run of its own")
        text = format_html("What was skipped is being replayed, oldest first, by {}.", link)
        model_admin.message_user(request, text, messages.SUCCESS)
        return _back_to(function)

    return require_POST(view)


def _locked(object_id: str) -> RegisteredFunction:
    fn_id = unquote(object_id)
    function = RegisteredFunction.objects.select_for_update().filter(pk=fn_id).first()
    if function is None:
        raise Http404(f"There is no function “{fn_id}”.")
    return function


def _back_to(function: RegisteredFunction) -> HttpResponse:
    return redirect("admin:jobs_registeredfunction_change", quote(function.pk))
