"""The forms of publishing and of reporting."""

from __future__ import annotations

from typing import Any

from django import forms

from jobs.api import excerpt, shows
from songs.forms import LineField
from songs.models import (
    BYLINE_LIMIT,
    REPORT_LIMIT,
    TAKE_DOWN_LIMIT,
    Publication,
    ReportKind,
    Song,
    User,
)
from songs.models.song import TITLE_LIMIT


class PublishForm(forms.Form):
    """What strangers will read beside the song."""

    title = LineField(
        max_length=TITLE_LIMIT,
        error_messages={
            "required": "A public song needs a title.",
            "max_length": "That title has %(show_value)d characters; 80 are allowed.",
        },
    )
    byline = LineField(
        label="Name shown with it",
        max_length=BYLINE_LIMIT,
        required=False,
        help_text="An artist's name, or empty for “a listener”.",
        error_messages={"max_length": "That name has %(show_value)d characters; 60 are allowed."},
    )

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        # The song's page has another form with a title.
        super().__init__(data, auto_id="id_public_%s", **kwargs)


def publish_form(song: Song, owner: User, known: Publication | None) -> PublishForm:
    """The form as it is shown first. A name that is an e-mail address is not offered."""
    name = owner.get_username()
    byline = known.byline if known else "" if "@" in name else excerpt(name, BYLINE_LIMIT)
    return PublishForm(initial={"title": song.title, "byline": byline})


class ReportForm(forms.Form):
    """Why a song should not be here."""

    kind = forms.ChoiceField(
        label="What is wrong with it?",
        choices=ReportKind.choices,
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choose what is wrong with the song.",
            "invalid_choice": "“%(value)s” is none of the reasons below. Choose one of them.",
        },
    )
    words = forms.CharField(
        label="What should the operators know?",
        max_length=REPORT_LIMIT,
        required=False,
        widget=forms.Textarea({"rows": 3, "data-limit": REPORT_LIMIT}),
        error_messages={
            "max_length": "That is %(show_value)d characters, and 500 are allowed. Shorten it."
        },
    )

    def clean_words(self) -> str:
        words: str = self.cleaned_data["words"]
        return words if shows(words) else ""

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if given.get("kind") == ReportKind.OTHER and not given.get("words") and not self.errors:
            self.add_error("words", "Say in a few words what is wrong with the song.")
        return given


class DismissForm(forms.Form):
    """`seen` is the newest report when the form was opened; without it, all reports are meant."""

    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)


class TakeDownForm(forms.Form):
    """The operator's reason to take a song down."""

    why = LineField(
        label="Reason",
        max_length=TAKE_DOWN_LIMIT,
        widget=forms.TextInput({"class": "vLargeTextField"}),
        help_text="The listener reads it on the page of the song.",
    )
