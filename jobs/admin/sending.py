"""Send an event from a form, and send one again."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from jobs.admin.base import as_uuid
from jobs.admin.deeds import ONCE, act_once
from jobs.admin.edits import MAX_ROWS, MIN_ROWS, JsonField
from jobs.admin.known_names import known_names
from jobs.admin.replay_parts import Moment
from jobs.admin.run_actions import View
from jobs.control.sending import send_by_hand
from jobs.errors import JobsError
from jobs.events.event import Event
from jobs.events.requester import asked_by
from jobs.events.validation import is_reserved, refuse_reserved, validate
from jobs.lib.excerpts import quoted
from jobs.lib.json_values import is_text
from jobs.models import Event as EventRow
from jobs.models import RegisteredFunction, Run

SEND = "jobs.send_event"
NO_NAME = "Give the event a name. The list beside the form has the names that start a function."


def editor(text: str = "") -> forms.Textarea:
    """A text field for JSON, as high as its text."""
    rows = min(max(text.count("\n") + 3, MIN_ROWS), MAX_ROWS)
    return forms.Textarea({"spellcheck": "false", "class": "jobs-editor", "rows": rows})


class SendForm(forms.Form):
    """An event to send, as `event` once it is valid."""

    name = forms.CharField(
        max_length=256,
        error_messages={"required": NO_NAME},
        widget=forms.TextInput({"list": "jobs-names", "autocomplete": "off", "size": 40}),
    )
    event_data = JsonField(required=False, strip=False)
    id = forms.CharField(
        max_length=256, required=False, label="Sender's id", widget=forms.TextInput({"size": 40})
    )
    ts = Moment()
    event: Event

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        given = self.data if self.is_bound else self.initial
        text = given.get("event_data", "")
        self.fields["event_data"].widget = editor(str(text))

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            refuse_reserved(validate(Event(name=name)))
        except JobsError as error:
            raise forms.ValidationError(str(error)) from None
        return name

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if not self.errors:
            ts: datetime | int = given["ts"] or 0
            try:
                self.event = validate(
                    Event(name=given["name"], data=given["event_data"], id=given["id"], ts=ts)
                )
            except JobsError as error:
                raise forms.ValidationError(str(error)) from None
        return given


def send_view(model_admin: Any) -> View:
    """GET shows the form, filled from the last event of `name`, or from the event `like`; POST
    sends."""

    def view(request: HttpRequest) -> HttpResponse:
        user = request.user
        if not (user.has_perm(SEND) and user.has_perm("jobs.view_event")):
            raise PermissionDenied
        is_sent = request.method == "POST"
        form = SendForm(request.POST) if is_sent else SendForm(initial=_template(request))
        if is_sent and form.is_valid():
            try:
                return _send(model_admin, request, form.event, "Sent by hand.")
            except JobsError as error:
                form.add_error(None, str(error))
        return _page(model_admin, request, form)

    return require_http_methods(["GET", "POST"])(view)


def again_view(model_admin: Any) -> View:
    """POST sends the same name and data as a new event, now and without a sender's id."""

    def view(request: HttpRequest, event_id: UUID) -> HttpResponse:
        if not request.user.has_perm(SEND):
            raise PermissionDenied
        row = EventRow.objects.filter(pk=event_id).first()
        if row is None:
            raise Http404(f"There is no event {event_id}.")
        if not request.user.has_perm(SEND, row):
            raise PermissionDenied
        try:
            event = Event(name=row.name, data=row.data)
            return _send(model_admin, request, event, f"Sent again, after event {row.pk}.")
        except JobsError as error:
            model_admin.message_user(request, f"Nothing was sent. {error}", messages.ERROR)
            return redirect("admin:jobs_event_change", row.pk)

    return require_POST(view)


def _send(model_admin: Any, request: HttpRequest, event: Event, done: str) -> HttpResponse:
    """The event, its runs, the line of the history and the form's memory are one transaction."""
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
        text, level = f"{ONCE} {text}", messages.INFO
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
    """What the form is filled with."""
    like, name = as_uuid(request.GET.get("like", "")), request.GET.get("name", "")
    row = None
    if like is not None:
        row = EventRow.objects.filter(pk=like).first()
    elif name and is_text(name) and not is_reserved(name):
        row = EventRow.objects.filter(name=name).order_by("-id").first()
    if row is not None and request.user.has_perm("jobs.view_payload"):
        text = json.dumps(row.data, indent=2, ensure_ascii=False)
        return {"name": row.name, "event_data": text, "from": row}
    name = row.name if row is not None else name
    return {"name": name if is_text(name) else "", "event_data": "{}"}


def _page(model_admin: Any, request: HttpRequest, form: SendForm) -> TemplateResponse:
    rows = list(RegisteredFunction.objects.only("fn_id", "config"))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Send an event",
        "opts": model_admin.opts,
        "form": form,
        "like": form.initial.get("from"),
        "known": known_names(rows),
        "zone": timezone.get_current_timezone_name(),
    }
    status = 422 if form.is_bound else 200
    return TemplateResponse(request, "admin/jobs/event/send.html", context, status=status)
