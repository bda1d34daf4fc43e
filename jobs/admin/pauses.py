"""Pause, resume and replay: each a POST with a permission and a history line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from jobs import api
from jobs.admin.form_acts import SENT_BEFORE, act_once
from jobs.admin.html import run_link
from jobs.admin.replay_parts import PartForm, given
from jobs.control.form_submissions import Outcome
from jobs.control.permission_names import PAUSE_FUNCTION, RERUN_RUN
from jobs.errors import JobsError
from jobs.lib.excerpts import quoted
from jobs.metrics.paused import hook_of
from jobs.models import RegisteredFunction, Run, RunStatus
from jobs.runs import hook_events

MAX_COUNTED = 1000
ACTIVE, PAUSED, STILL = "active", "paused", "still"
View = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class State:
    bring: Callable[[str, str], bool]  # given function and reason
    done: str  # a history line and a message


def _pause(fn_id: str, reason: str) -> bool:
    return api.pause(fn_id, reason=reason)


def _stop(fn_id: str, reason: str) -> bool:
    return api.pause(fn_id, stop_running=True, reason=reason)


def _resume(fn_id: str, reason: str) -> bool:
    return api.resume(fn_id)


STATES = {
    ACTIVE: State(_resume, "Resumed."),
    PAUSED: State(_pause, "Paused; unfinished runs go on to their end."),
    STILL: State(_stop, "Paused; unfinished runs stand still, each after the step that it is at."),
}


def state_of(function: RegisteredFunction) -> str:
    if function.paused_at is None:
        return ACTIVE
    return STILL if function.stands_still else PAUSED


def effect(function: RegisteredFunction, functions: dict[str, RegisteredFunction]) -> str:
    """What a hook's pause prevents, in a sentence; empty of other functions. `functions` are all
    rows by id."""
    parent, moment = hook_of(function.fn_id, functions)
    if not parent:
        return ""
    when = {"failure": "fails", "cancel": "is cancelled", "retry": "is retried"}[moment]
    return (
        f"This is the on_{moment} of {parent}. While it is paused, nothing is told when a run of "
        f"{parent} {when}: what would be told is skipped, and waits for a replay."
    )


@dataclass(frozen=True, slots=True)
class Skipped:
    """Skipped runs that were not replayed. Beyond 1,000, `left_out` is not counted."""

    to_replay: int
    left_out: int = 0  # hooks whose run has gone on


def capped(number: int) -> str:
    return f"{MAX_COUNTED:,}+" if number > MAX_COUNTED else f"{number:,}"


def skipped(
    fn_id: str,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    is_hook: bool = True,  # only a hook's runs can be outdated
) -> Skipped:
    runs = Run.objects.replayable(fn_id)
    if since is not None:
        runs = runs.filter(created_at__gte=since)
    if until is not None:
        runs = runs.filter(created_at__lt=until)
    ids = list(runs.order_by().values_list("id", flat=True)[: MAX_COUNTED + 1])
    if len(ids) > MAX_COUNTED:
        return Skipped(len(ids))
    left_out = len(hook_events.outdated(ids)) if is_hook else 0
    return Skipped(len(ids) - left_out, left_out)


def by_and_why(by: str, reason: str) -> str:
    """“ by admin: “the studio is ill””, as far as known."""
    return (f" by {by}" if by else "") + (f": “{reason}”" if reason else "")


def state_view(model_admin: Any) -> View:
    """POST `to=active`, `to=paused` or `to=still`."""

    def view(request: HttpRequest, object_id: str) -> HttpResponse:
        wanted = request.POST.get("to", "")
        with transaction.atomic():
            function = _locked(request, PAUSE_FUNCTION, object_id)
            if wanted not in STATES:
                text = (
                    f"A function cannot be {quoted(wanted, 40)}; {', '.join(STATES)} are allowed."
                )
                model_admin.message_user(request, text, messages.ERROR)
                return _back_from(request, function)
            try:
                outcome = _bring(model_admin, request, function, wanted)
            except JobsError as error:
                text = f"Nothing was changed: {error}"
                model_admin.message_user(request, text, messages.WARNING)
                return _back_from(request, function)
        text, level = STATES[wanted].done, messages.SUCCESS
        if outcome.is_repeat:
            text, level = f"{SENT_BEFORE} {text}", messages.INFO
        model_admin.message_user(request, text, level)
        return _back_from(request, function)

    return require_POST(view)


def _bring(
    model_admin: Any, request: HttpRequest, function: RegisteredFunction, wanted: str
) -> Outcome:
    reason = request.POST.get("reason", "").strip() if wanted != ACTIVE else ""

    def act() -> str:
        if state_of(function) == wanted:
            raise JobsError("another operator was quicker.")
        if state_of(function) == ACTIVE and not reason:
            raise JobsError("say why you pause it. The next operator reads that.")
        with api.asked_by(request.user):
            STATES[wanted].bring(function.fn_id, reason)
        done = STATES[wanted].done
        model_admin.log_change(request, function, f"{done} Why: {reason}" if reason else done)
        return wanted

    asked = {"function": function.fn_id, "to": wanted, "reason": reason}
    return act_once(request, act, "jobs.pause", asked, is_guarded=True)


def replay_view(model_admin: Any) -> View:
    """POST, with `since` or `until` for a part. A run of the engine's own replays."""

    def view(request: HttpRequest, object_id: str) -> HttpResponse:
        part = PartForm(request.POST)
        with transaction.atomic(), api.asked_by(request.user):
            function = _locked(request, RERUN_RUN, object_id)
            try:
                outcome, left_out = _replay(model_admin, request, function, part)
            except JobsError as error:
                text = f"Nothing was changed. {error}"
                model_admin.message_user(request, text, messages.WARNING)
                return _back_to(function, given(request.POST))
        text = format_html(
            "{}Skipped runs{} are being replayed, oldest first, by {}.{}",
            f"{SENT_BEFORE} " if outcome.is_repeat else "",
            part.words(),
            run_link(outcome.result, "a run of its own"),
            left_out,
        )
        level = messages.INFO if outcome.is_repeat else messages.SUCCESS
        model_admin.message_user(request, text, level)
        return _back_to(function)

    return require_POST(view)


def _replay(
    model_admin: Any, request: HttpRequest, function: RegisteredFunction, part: PartForm
) -> tuple[Outcome, str]:
    if not part.is_valid():
        raise JobsError(" ".join(str(error) for errors in part.errors.values() for error in errors))
    since, until = part.cleaned_data["since"], part.cleaned_data["until"]
    found = skipped(function.fn_id, since, until)
    left_out = _left_out(found.left_out)
    if not found.to_replay:
        raise JobsError(f"No skipped run{part.words()} is left to replay.{left_out}")

    def ask() -> str:
        made = api.bulk(
            "rerun",
            fn_id=function.fn_id,
            status=RunStatus.SKIPPED,
            since=since or "",
            until=until or "",
        )
        done = f"Replayed the skipped runs{part.words()}, by run {made}.{left_out}"
        model_admin.log_change(request, function, done)
        return made

    asked = {"function": function.fn_id, "since": since, "until": until}
    return act_once(request, ask, "jobs.replay", asked), left_out


def _left_out(number: int) -> str:
    if not number:
        return ""
    if number == 1:
        return " 1 hook is left out: the run that it tells of has gone on since."
    return f" {number:,} hooks are left out: the runs that they tell of have gone on since."


def _locked(request: HttpRequest, permission: str, object_id: str) -> RegisteredFunction:
    """The function, locked; permissions as in run_actions.asked."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
    fn_id = unquote(object_id)
    function = RegisteredFunction.objects.select_for_update().filter(pk=fn_id).first()
    if function is None:
        raise Http404(f"There is no function “{fn_id}”.")
    if not request.user.has_perm(permission, function):
        raise PermissionDenied
    return function


def _back_from(request: HttpRequest, function: RegisteredFunction) -> HttpResponse:
    """The page whose switch was pressed: of all functions, or of this one."""
    lists = {"operations": "admin:index", "functions": "admin:jobs_registeredfunction_changelist"}
    page = lists.get(request.POST.get("back", ""))
    return redirect(page) if page else _back_to(function)


def _back_to(function: RegisteredFunction, typed: dict[str, str] | None = None) -> HttpResponse:
    page = reverse("admin:jobs_registeredfunction_change", args=[quote(function.pk)])
    return redirect(f"{page}?{urlencode(typed)}" if typed else page)
