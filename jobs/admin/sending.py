"""Send an event from a form, and send one again."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from jobs.admin.base import as_uuid
from jobs.admin.data_form import FieldsForm
from jobs.admin.data_schema import schema_for
from jobs.admin.form_acts import SENT_BEFORE, act_once
from jobs.admin.known_names import known_names
from jobs.admin.run_views import View
from jobs.admin.sending_form import SendForm
from jobs.control.permission_names import SEND_EVENT, VIEW_EVENT, VIEW_PAYLOAD
from jobs.control.sending import send_by_hand
from jobs.errors import JobsError
from jobs.events.event import Event
from jobs.events.requester import asked_by
from jobs.lib.excerpts import quoted
from jobs.lib.json_values import is_text
from jobs.models import Event as EventRow
from jobs.models import RegisteredFunction, Run
from jobs.registry.event_names import is_reserved


def send_view(model_admin: Any) -> View:
    """GET shows the form, filled from the last event of `name` or from the event `like`; POST sends
    it."""

    def view(request: HttpRequest) -> HttpResponse:
        user = request.user
        if not (user.has_perm(SEND_EVENT) and user.has_perm(VIEW_EVENT)):
            raise PermissionDenied
        rows = list(RegisteredFunction.objects.only("fn_id", "config"))
        form = _form(request, rows)
        if form.is_bound and form.is_valid():
            try:
                return _send(model_admin, request, form.event, "Sent by hand.")
            except JobsError as error:
                form.place_error(str(error))
        return _page(model_admin, request, form, rows)

    return require_http_methods(["GET", "POST"])(view)


def _form(request: HttpRequest, rows: list[RegisteredFunction]) -> SendForm:
    """With a field for each value if a function has a schema for this name; as JSON on request
    (`as=json`), and for a copy of an event."""
    if request.method == "POST":
        schema = schema_for(rows, request.POST.get("name", ""))
        if schema is not None and request.POST.get("by") == "fields":
            return FieldsForm(request.POST, schema=schema)
        return SendForm(request.POST)
    found = _template(request)
    schema = schema_for(rows, found["name"]) if found["name"] else None
    if schema is None or request.GET.get("as") == "json" or "like" in request.GET:
        return SendForm(initial=found)
    return FieldsForm(initial=found, schema=schema)


def again_view(model_admin: Any) -> View:
    """POST sends the same name and data as a new event, now and without a sender's id."""

    def view(request: HttpRequest, event_id: UUID) -> HttpResponse:
        if not request.user.has_perm(SEND_EVENT):
            raise PermissionDenied
        row = EventRow.objects.filter(pk=event_id).first()
        if row is None:
            raise Http404(f"There is no event {event_id}.")
        if not request.user.has_perm(SEND_EVENT, row):
            raise PermissionDenied
        try:
            event = Event(name=row.name, data=row.data)
            return _send(model_admin, request, event, f"Sent again, after event {row.pk}.")
        except JobsError as error:
            model_admin.message_user(request, f"Nothing was sent. {error}", messages.ERROR)
            return redirect("admin:jobs_event_change", row.pk)

    return require_POST(view)


def _send(model_admin: Any, request: HttpRequest, event: Event, done: str) -> HttpResponse:
    known: list[bool] = []

    def act() -> str:
        with asked_by(request.user):
            sent = send_by_hand(event)
        known.append(sent.is_known)
        if not sent.is_known:
            row = EventRow.objects.only("id", "name").get(pk=sent.id)
            model_admin.log_change(request, row, done)
        return sent.id

    asked = {"event": event.as_json(), "done": done}
    outcome = act_once(request, act, "jobs.send", asked)
    text, level = _result(outcome.result), messages.SUCCESS
    if outcome.is_repeat:
        text, level = f"{SENT_BEFORE} {text}", messages.INFO
    elif known[0]:
        text, level = _was_known(event), messages.WARNING
    model_admin.message_user(request, text, level)
    return redirect("admin:jobs_event_change", outcome.result)


def _result(event_id: str) -> str:
    number = Run.objects.filter(event_id=event_id).order_by()[:1_001].count()
    if not number:
        return "The event was sent. It has started no function."
    return f"The event was sent. It has started {number:,} run{'' if number == 1 else 's'}."


def _was_known(event: Event) -> str:
    return (
        f"An event with the id {quoted(event.id)} came within the last 24 hours, and an id stands "
        "for the event that came first: yours has started nothing. This is the first one."
    )


def _template(request: HttpRequest) -> dict[str, Any]:
    like, name = as_uuid(request.GET.get("like", "")), request.GET.get("name", "")
    row = None
    if like is not None:
        row = EventRow.objects.filter(pk=like).first()
    elif name and is_text(name) and not is_reserved(name):
        row = EventRow.objects.filter(name=name).order_by("-id").first()
    if row is not None and request.user.has_perm(VIEW_PAYLOAD):
        text = json.dumps(row.data, indent=2, ensure_ascii=False)
        return {"name": row.name, "event_data": text, "data": row.data, "from": row}
    name = row.name if row is not None else name
    return {"name": name if is_text(name) else "", "event_data": "{}"}


def _page(
    model_admin: Any, request: HttpRequest, form: SendForm, rows: list[RegisteredFunction]
) -> TemplateResponse:
    name = str(form["name"].value() or "")
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Send an event",
        "opts": model_admin.opts,
        "form": form,
        "like": form.initial.get("from"),
        "known": known_names(rows),
        "name": name,
        "schema": schema_for(rows, name) if name else None,
        "zone": timezone.get_current_timezone_name(),
    }
    status = 422 if form.is_bound else 200
    return TemplateResponse(request, "admin/jobs/event/send.html", context, status=status)
