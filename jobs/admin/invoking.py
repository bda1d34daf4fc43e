"""Start a function's run by hand: with data from a form, or as a tick of its cron line."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from jobs.admin.edits import JsonField
from jobs.admin.form_acts import SENT_BEFORE, act_once
from jobs.admin.function_words import cron_lines
from jobs.admin.run_views import View
from jobs.admin.sending_form import fit_editor
from jobs.control.permission_names import SEND_EVENT, VIEW_PAYLOAD
from jobs.control.sending import TIMER, start_by_hand
from jobs.errors import JobsError
from jobs.events.requester import asked_by
from jobs.lib.excerpts import quoted
from jobs.models import RegisteredFunction, Run
from jobs.registry.event_data import INVOKED_EVENT


class InvokeForm(forms.Form):
    event_data = JsonField(required=False, strip=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fit_editor(self)


def invoke_view(model_admin: Any) -> View:
    """GET shows a form with the newest run's data; POST starts a run with `event_data`, or one
    like a tick's with the line as `cron`."""

    def view(request: HttpRequest, object_id: str) -> HttpResponse:
        function = _asked(request, object_id)
        if request.method == "POST" and "cron" in request.POST:
            return _run_now(model_admin, request, function, request.POST["cron"])
        if request.method != "POST":
            return _page(
                model_admin, request, function, InvokeForm(initial=_template(request, function))
            )
        form = InvokeForm(request.POST)
        if form.is_valid():
            try:
                return _start(
                    model_admin, request, function, INVOKED_EVENT, form.cleaned_data["event_data"]
                )
            except JobsError as error:
                form.add_error("event_data", str(error))
        return _page(model_admin, request, function, form)

    return require_http_methods(["GET", "POST"])(view)


def _asked(request: HttpRequest, object_id: str) -> RegisteredFunction:
    if not request.user.has_perm(SEND_EVENT):
        raise PermissionDenied
    fn_id = unquote(object_id)
    function = RegisteredFunction.objects.filter(pk=fn_id).first()
    if function is None:
        raise Http404(f"There is no function “{fn_id}”.")
    if not request.user.has_perm(SEND_EVENT, function):
        raise PermissionDenied
    return function


def _run_now(
    model_admin: Any, request: HttpRequest, function: RegisteredFunction, line: str
) -> HttpResponse:
    allowed = cron_lines(function)
    try:
        if line not in allowed:
            raise JobsError(f"{quoted(line, 60)} is none of its cron lines.")
        data = {"cron": line, "scheduled_at": timezone.now().isoformat()}
        return _start(model_admin, request, function, TIMER, data, asked=line)
    except JobsError as error:
        model_admin.message_user(request, f"Nothing was started. {error}", messages.ERROR)
        return redirect("admin:jobs_registeredfunction_change", quote(function.pk))


def _start(
    model_admin: Any,
    request: HttpRequest,
    function: RegisteredFunction,
    event_name: str,
    data: Any,
    asked: Any = None,
) -> HttpResponse:
    def act() -> str:
        with asked_by(request.user):
            made = start_by_hand(function.fn_id, data, event_name)
        model_admin.log_change(request, function, f"Started by hand, as run {made}.")
        run = Run.objects.only("id", "fn_id").get(pk=made)
        model_admin.log_change(request, run, "Started by hand.")
        return made

    content = {"function": function.fn_id, "asked": data if asked is None else asked}
    outcome = act_once(request, act, "jobs.start", content)
    text, level = "The run was started.", messages.SUCCESS
    if outcome.is_repeat:
        text, level = f"{SENT_BEFORE} This is the run.", messages.INFO
    model_admin.message_user(request, text, level)
    return redirect("admin:jobs_run_change", outcome.result)


def _template(request: HttpRequest, function: RegisteredFunction) -> dict[str, str]:
    if not request.user.has_perm(VIEW_PAYLOAD):
        return {"event_data": "{}"}
    newest = Run.objects.filter(fn_id=function.fn_id).order_by("-id").select_related("event")
    run = newest.only("id", "event__data").first()
    data = run.event.data if run is not None else {}
    return {"event_data": json.dumps(data, indent=2, ensure_ascii=False)}


def _page(
    model_admin: Any, request: HttpRequest, function: RegisteredFunction, form: InvokeForm
) -> TemplateResponse:
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Invoke with data",
        "subtitle": function.fn_id,
        "opts": model_admin.opts,
        "original": function,
        "form": form,
    }
    status = 422 if form.is_bound else 200
    page = "admin/jobs/registeredfunction/invoke.html"
    return TemplateResponse(request, page, context, status=status)
