"""The form that sends an event."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms

from jobs.admin.edits import MAX_ROWS, MIN_ROWS, JsonField
from jobs.admin.replay_parts import Moment
from jobs.errors import JobsError
from jobs.events.event import Event
from jobs.events.validation import refuse_reserved, validate
from jobs.lib.visible import shows

NO_NAME = "Give the event a name. The list beside the form has the names that start a function."


def fit_editor(form: forms.Form) -> None:
    """Make the field for JSON as high as its text."""
    given = form.data if form.is_bound else form.initial
    lines = str(given.get("event_data", "")).count("\n")
    rows = min(max(lines + 3, MIN_ROWS), MAX_ROWS)
    attributes = {"spellcheck": "false", "class": "jobs-editor", "rows": rows}
    form.fields["event_data"].widget = forms.Textarea(attributes)


class SendForm(forms.Form):
    """`event` is there once the form is valid."""

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
        fit_editor(self)

    def place_error(self, text: str) -> None:
        self.add_error(None, text)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not shows(name):
            raise forms.ValidationError(NO_NAME)
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
