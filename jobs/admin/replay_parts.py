"""Which skipped runs are replayed: all, or those of a time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone


class Moment(forms.DateTimeField):
    """A time to the minute in the site's zone, or none."""

    widget = forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def __init__(self) -> None:
        wrong = "This is no time; 2026-11-27T10:30 is one."
        super().__init__(required=False, error_messages={"invalid": wrong})


class PartForm(forms.Form):
    """Runs skipped from `since` on and before `until`."""

    since, until = Moment(), Moment()

    def clean(self) -> dict[str, Any]:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and since >= until:
            raise forms.ValidationError("The time ends before it begins.")
        return self.cleaned_data

    def words(self) -> str:
        """“ from … until …”, as given."""
        ends = [("from", self.cleaned_data["since"]), ("until", self.cleaned_data["until"])]
        return "".join(f" {word} {_words(moment)}" for word, moment in ends if moment)


def given(data: QueryDict) -> dict[str, str]:
    return {name: str(data[name]) for name in PartForm.base_fields if data.get(name)}


def _words(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M %Z}"
