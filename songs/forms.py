"""The site's forms, with a sentence beside each field that is refused."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from django import forms

from jobs.api import excerpt, one_line, shows
from songs import music
from songs.credits import LARGEST_BALANCE
from songs.models import (
    DESCRIPTION_LIMIT,
    DURATION,
    GUIDANCE,
    LYRICS_LIMIT,
    STYLE_LIMIT,
    TITLE_LIMIT,
    Way,
)


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


class WordsField(forms.CharField):
    """Text of a limited length without control characters. `missing` is the sentence for nothing,
    and for words that show nothing; without it the field may be empty. A field that is not
    `is_asked` is left out."""

    is_asked = True

    def __init__(self, limit: int, missing: str = "", rows: int = 5, **kwargs: Any) -> None:
        self.limit, self.missing = limit, missing
        kind = forms.Textarea({"rows": rows}) if rows > 1 else forms.TextInput()
        kind.attrs["data-limit"] = limit
        super().__init__(widget=kind, required=False, strip=False, **kwargs)

    def clean(self, value: Any) -> str:
        if not self.is_asked:
            return ""
        text = str(value or "").replace("\r\n", "\n").replace("\r", "\n")
        for position, character in enumerate(text, 1):
            if unicodedata.category(character) == "Cc" and character not in "\n\t":
                raise forms.ValidationError(
                    f"Character {position} is a control character (U+{ord(character):04X}) that "
                    "cannot be shown. Take it out, or type the words again."
                )
        text = text.strip() if shows(text) else ""
        if not text and self.missing:
            raise forms.ValidationError(self.missing)
        if len(text) > self.limit:
            raise forms.ValidationError(
                f"That is {len(text):,} characters, and {self.limit:,} are allowed. "
                f"Shorten it by {len(text) - self.limit:,}."
            )
        return excerpt(text, self.limit)


class SongForm(forms.Form):
    """The wish for one song, or for two takes of it. The fields are named as in the endpoints'
    requests; `way` says which words count."""

    way = forms.ChoiceField(
        label="How do you want to ask?",
        choices=Way.choices,
        widget=forms.RadioSelect,
        required=False,
        initial=Way.DESCRIPTION,
        error_messages={
            "invalid_choice": "“%(value)s” is no way to ask for a song here. Choose one of these."
        },
    )
    full_described_song = WordsField(
        DESCRIPTION_LIMIT,
        "Say what the song should be like: a mood, an instrument, a story.",
        label="What should it sound like?",
    )
    prompt = WordsField(
        STYLE_LIMIT,
        "Name the style: a genre, a mood, an instrument or a tempo, separated by commas.",
        rows=1,
        label="Style",
    )
    lyrics = WordsField(
        LYRICS_LIMIT,
        "Write the words that should be sung, or choose another way to ask.",
        rows=9,
        label="Lyrics",
        help_text="[verse], [chorus] and [bridge] on lines of their own divide the song.",
    )
    described_lyrics = WordsField(
        DESCRIPTION_LIMIT,
        "Say what the lyrics should be about, or choose another way to ask.",
        label="What should the lyrics say?",
    )
    title = WordsField(TITLE_LIMIT, rows=1, label="Title")
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
    two_takes = forms.BooleanField(
        label="Two takes",
        help_text="Two songs of the same words, to choose from. Each costs a credit.",
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = music.ways()
        choices = [(way.value, way.label) for way in offered]
        self.fields["way"].choices = choices  # type: ignore[attr-defined]
        self.offers_ways = len(choices) > 1
        asked = music.WORDS[self.chosen]
        for names in music.WORDS.values():
            for name in names:
                self.fields[name].is_asked = name in asked  # type: ignore[attr-defined]

    @property
    def chosen(self) -> Way:
        """The way that the form was sent in, or is shown in at first."""
        given = self.data.get("way") if self.is_bound else self.initial.get("way")
        return Way(given) if given in music.ways() else Way.DESCRIPTION

    def clean_title(self) -> str:
        return one_line(self.cleaned_data["title"])

    def wishes(self) -> dict[str, Any]:
        """What was asked for, for `generation.order`. What is empty is left out, so that the same
        wish is the same whatever further fields the form has by then."""
        cleaned = dict(self.cleaned_data)
        if self.chosen != Way.DESCRIPTION:
            cleaned["instrumental"] = False
        always = ("full_described_song", "guidance_scale", "audio_duration", "instrumental")
        extras = ("prompt", "lyrics", "described_lyrics", "title")
        return {name: cleaned[name] for name in always} | {
            name: cleaned[name] for name in extras if cleaned[name]
        }

    @property
    def takes(self) -> int:
        return 2 if self.cleaned_data["two_takes"] else 1


class LineField(forms.CharField):
    """One line of text. One of which nothing can be printed is empty."""

    def clean(self, value: Any) -> str:
        return str(super().clean(one_line(value) if isinstance(value, str) else value))


class TitleForm(forms.Form):
    title = LineField(
        max_length=80,
        widget=forms.TextInput(attrs={"data-focus": True}),  # when the dialog opens
        error_messages={
            "required": "A song needs a title.",
            "max_length": "That title has %(show_value)d characters; 80 are allowed.",
        },
    )

    def clean_title(self) -> str:
        return excerpt(self.cleaned_data["title"], 80)


class ReasonForm(forms.Form):
    """The reason for what an operator does to a ledger, and a box that confirms a repetition."""

    why = LineField(
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
