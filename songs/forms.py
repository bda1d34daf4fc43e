"""The site's forms, with a sentence beside each field that is refused."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from django import forms

from jobs.api import excerpt
from songs.credits import LARGEST_BALANCE
from songs.models import DESCRIPTION_LIMIT, DURATION, GUIDANCE


class Slider(forms.NumberInput):
    input_type = "range"


class RangeField(forms.FloatField):
    """A number on a slider. An error names the given number and the allowed range."""

    def __init__(self, span: tuple[float, float], step: float, what: str, **kwargs: Any) -> None:
        self.span, self.what = span, what
        slider = Slider({"min": f"{span[0]:g}", "max": f"{span[1]:g}", "step": f"{step:g}"})
        super().__init__(widget=slider, required=False, **kwargs)

    def clean(self, value: Any) -> float:
        given = str(value or "").strip()
        allowed = f"Choose {self.what} from {self.span[0]:g} to {self.span[1]:g}."
        if not given:
            raise forms.ValidationError(f"Nothing is chosen here. {allowed}")
        try:
            number = float(given)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise forms.ValidationError(f"“{excerpt(given, 40)}” is not a number. {allowed}")
        if not self.span[0] <= number <= self.span[1]:
            raise forms.ValidationError(f"{excerpt(given, 40)} is out of range. {allowed}")
        return number


class DescriptionField(forms.CharField):
    """Text of a limited length without control characters."""

    def __init__(self, **kwargs: Any) -> None:
        area = forms.Textarea({"rows": 5, "data-limit": DESCRIPTION_LIMIT})
        super().__init__(widget=area, required=False, strip=False, **kwargs)

    def clean(self, value: Any) -> str:
        text = str(value or "").replace("\r\n", "\n").replace("\r", "\n")
        for position, character in enumerate(text, 1):
            if unicodedata.category(character) == "Cc" and character not in "\n\t":
                raise forms.ValidationError(
                    f"Character {position} is a control character (U+{ord(character):04X}) that "
                    "cannot be shown. Take it out, or type the words again."
                )
        text = text.strip()
        if not text:
            raise forms.ValidationError(
                "Say what the song should be like: a mood, an instrument, a story."
            )
        if len(text) > DESCRIPTION_LIMIT:
            raise forms.ValidationError(
                f"That is {len(text):,} characters, and {DESCRIPTION_LIMIT:,} are allowed. "
                f"Shorten it by {len(text) - DESCRIPTION_LIMIT:,}."
            )
        return excerpt(text, DESCRIPTION_LIMIT)


class SongForm(forms.Form):
    """The wish for one song. The fields are named as in the endpoint's request."""

    full_described_song = DescriptionField(label="What should it sound like?")
    audio_duration = RangeField(DURATION, 5, "a length in seconds", label="Length", initial=60)
    guidance_scale = RangeField(
        GUIDANCE,
        0.5,
        "a number",
        label="Closeness to your words",
        help_text="Low leaves room for surprises, high keeps to the letter.",
        initial=15,
    )
    instrumental = forms.BooleanField(
        label="Instrumental", help_text="No voice, only the music.", required=False
    )


class TitleForm(forms.Form):
    title = forms.CharField(
        max_length=80,
        error_messages={
            "required": "A song needs a title.",
            "max_length": "That title has %(show_value)d characters; 80 are allowed.",
        },
    )

    def clean_title(self) -> str:
        return excerpt(self.cleaned_data["title"], 80)


class ReasonForm(forms.Form):
    """The reason for what an operator does to a ledger, and a box that confirms a repetition."""

    why = forms.CharField(
        label="Reason",
        max_length=300,
        widget=forms.TextInput({"class": "vLargeTextField"}),
        help_text="Kept in the ledger, where the listener sees it.",
    )
    once_more = forms.BooleanField(label="Once more", required=False, widget=forms.HiddenInput)

    def clean_why(self) -> str:
        return excerpt(self.cleaned_data["why"], 300)

    def ask_back(self, problem: str) -> None:
        """Show the form again, with a box to tick if the repetition is intended."""
        self.fields["once_more"].widget = forms.CheckboxInput()
        self.add_error("once_more", problem)


class RefundForm(ReasonForm):
    """The operator's form to give back the credit of a song."""


class GrantForm(ReasonForm):
    """The operator's form to grant credits or to take them back."""

    amount = forms.IntegerField(
        min_value=-LARGEST_BALANCE,
        max_value=LARGEST_BALANCE,
        help_text="Credits to give; with a minus, to take back.",
    )
    field_order = ["amount", "why", "once_more"]
