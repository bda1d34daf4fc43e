"""A rerun with edited event data."""

from __future__ import annotations

import json
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from jobs import api, models
from jobs.admin.form_acts import FormAct, act_on, redirect_with_outcome
from jobs.admin.run_views import View, permitted_run
from jobs.control.permission_names import EDIT_RUN
from jobs.errors import InvalidEvent, JobsError
from jobs.events import event, validation
from jobs.lib import json_text
from jobs.lib.excerpts import excerpt
from jobs.registry.event_names import is_reserved

MIN_ROWS, MAX_ROWS = 8, 30  # of the text field
UNCHANGED = "This is the data of the old event. Change it, or rerun the run from the start."


class JsonField(forms.CharField):
    """JSON text; an error names its place. Django's field names none, and fails on deep nesting or
    numbers with too many digits."""

    def to_python(self, value: Any) -> Any:
        try:
            return json_text.parse(value or "")
        except json_text.NotJson as problem:
            raise ValidationError(str(problem)) from None


class DataForm(forms.Form):
    event_data = JsonField(
        required=False,  # an empty object would be refused
        widget=forms.Textarea({"spellcheck": "false", "class": "jobs-editor"}),
    )

    def __init__(self, brought: models.Event, given: QueryDict | None) -> None:
        self.brought = brought
        text = json.dumps(brought.data, indent=2, ensure_ascii=False)
        super().__init__(given, initial={"event_data": text})
        lines = text.count("\n") + 3
        self.fields["event_data"].widget.attrs["rows"] = min(max(lines, MIN_ROWS), MAX_ROWS)

    def clean_event_data(self) -> dict[str, Any]:
        edited = event.Event(name=self.brought.name, data=self.cleaned_data["event_data"])
        try:
            data = validation.validate(edited).data
        except InvalidEvent as error:
            raise ValidationError(str(error)) from None
        if _text(data) == _text(self.brought.data):
            raise ValidationError(UNCHANGED)
        return data

    def changed(self) -> str:
        old, new = self.brought.data, self.cleaned_data["event_data"]
        names = [name for name in old | new if _text(old.get(name)) != _text(new.get(name))]
        return excerpt(", ".join(names), 200)


def _text(value: Any) -> str:
    """Tells `true` from `1`, in whatever order."""
    return json.dumps(value, sort_keys=True)


def may_edit(run: models.Run) -> bool:
    """False for the engine's own events."""
    return not is_reserved(run.event.name)


def edit_view(model_admin: Any) -> View:
    """GET shows the event's data, POST reruns with the edited `event_data`."""

    def view(request: HttpRequest, run_id: UUID) -> HttpResponse:
        run = permitted_run(request, EDIT_RUN, run_id)
        if not may_edit(run):
            text = f"The data of “{run.event.name}” comes from the engine alone."
            model_admin.message_user(request, f"Nothing was changed. {text}", messages.ERROR)
            return redirect("admin:jobs_run_change", run_id)
        form = DataForm(run.event, request.POST if request.method == "POST" else None)
        if form.is_valid():
            form_act = _rerun_with(form)
            try:
                outcome = act_on(model_admin, request, run, form_act)
            except JobsError as error:
                form.add_error(None, str(error))
            else:
                return redirect_with_outcome(model_admin, request, run, outcome, form_act.done)
        return _page(model_admin, request, run, form)

    return require_http_methods(["GET", "POST"])(view)


def _rerun_with(form: DataForm) -> FormAct:
    data = form.cleaned_data["event_data"]
    done = f"Rerun with other data ({form.changed()})."
    return FormAct(act=partial(api.rerun, data=data), done=done, action="jobs.edit", asked=data)


def _page(
    model_admin: Any, request: HttpRequest, run: models.Run, form: DataForm
) -> TemplateResponse:
    return TemplateResponse(
        request,
        "admin/jobs/run/edit.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": "Rerun with other data",
            "subtitle": run.fn_id,
            "opts": model_admin.opts,
            "media": model_admin.media,
            "run": run,
            "form": form,
        },
        status=422 if form.is_bound else 200,
    )
