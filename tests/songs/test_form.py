"""What cannot be taken comes back with a sentence beside its field, and nothing is stored."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils.html import escape

from jobs.models import Event
from songs.models import Song, SongStatus, User
from tests.support.cast import a_song, wishes


def test_a_good_wish_leads_to_its_song(alices: Client) -> None:
    answer = alices.post("/songs/", wishes(instrumental="on", audio_duration="47.5"))
    song = Song.objects.get()
    assert answer.status_code == 303
    assert answer["Location"] == f"/songs/{song.pk}/"
    assert (song.instrumental, song.audio_duration, song.guidance_scale) == (True, 47.5, 15.0)


BAD = [
    ("full_described_song", "", "Say what the song should be like"),
    ("full_described_song", " \n\t ", "Say what the song should be like"),
    ("full_described_song", "\u200b\u2060\ufeff", "Say what the song should be like"),
    ("full_described_song", "\u2800\n\u3164", "Say what the song should be like"),
    ("full_described_song", "x" * 2001, "That is 2,001 characters, and 2,000 are allowed"),
    ("full_described_song", "a\x07bell", "Character 2 is a control character (U+0007)"),
    ("full_described_song", "a\x01b", "Character 2 is a control character (U+0001)"),
    ("full_described_song", "next\x85line", "Character 5 is a control character (U+0085)"),
    ("audio_duration", "9.99", "9.99 is out of range. Choose a length in seconds from 10 to 240."),
    ("audio_duration", "241", "241 is out of range."),
    ("audio_duration", "long", "“long” is not a number."),
    ("audio_duration", "nan", "“nan” is not a number."),
    ("audio_duration", "inf", "“inf” is not a number."),
    ("audio_duration", "", "Nothing is chosen here."),
    ("audio_duration", None, "Nothing is chosen here."),
    ("guidance_scale", "-0.1", "-0.1 is out of range. Choose a number from 0 to 30."),
    ("guidance_scale", "30.01", "30.01 is out of range."),
    ("guidance_scale", "1e999", "“1e999” is not a number."),
    ("guidance_scale", "<b>", "“<b>” is not a number."),
]


@pytest.mark.parametrize(("field", "given", "sentence"), BAD)
def test_a_bad_value_comes_back_with_its_sentence(
    alices: Client, field: str, given: Any, sentence: str
) -> None:
    answer = alices.post("/songs/", wishes(**{field: given}))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert escape(sentence) in page
    assert f'id="id_{field}_error"' in page
    assert not Song.objects.exists()
    assert not Event.objects.exists()


def test_what_was_typed_is_kept(alices: Client) -> None:
    typed = wishes(
        full_described_song="a tango <for> one",
        audio_duration="500",
        guidance_scale="7.5",
        instrumental="on",
    )
    page = alices.post("/songs/", typed).content.decode()
    assert "a tango &lt;for&gt; one</textarea>" in page
    for kept in ('value="500"', 'value="7.5"', "checked", typed["form_token"]):
        assert kept in page


@pytest.mark.parametrize("limits", [("10", "0"), ("240", "30")])
def test_the_limits_themselves_are_allowed(alices: Client, limits: tuple[str, str]) -> None:
    form = wishes(audio_duration=limits[0], guidance_scale=limits[1])
    assert alices.post("/songs/", form).status_code == 303


def test_two_thousand_characters_with_line_breaks_are_allowed(alices: Client) -> None:
    words = "\r\n".join(["x" * 199] * 10)  # 1,999 characters: a line break counts as one
    assert alices.post("/songs/", wishes(full_described_song=words)).status_code == 303
    assert len(Song.objects.get().full_described_song) == 1999


def test_emoji_tabs_and_every_script_are_allowed(alices: Client) -> None:
    words = "👩‍🎤 sings\tשלום\nعالم"
    assert alices.post("/songs/", wishes(full_described_song=words)).status_code == 303
    assert Song.objects.get().full_described_song == words


@pytest.mark.parametrize("unseen", ["\u200b", "\u2060\ufeff", "\u2800", "\u3164 \u3164"])
def test_words_that_show_nothing_are_no_words(alices: Client, unseen: str) -> None:
    form = wishes(way="lyrics", prompt="folk", lyrics=unseen)
    assert "Write the words that should be sung" in alices.post("/songs/", form).content.decode()
    assert not Song.objects.exists()
    assert alices.post("/songs/", wishes(title=unseen)).status_code == 303
    assert Song.objects.get().title == "A waltz for two cats"


@pytest.mark.parametrize("token", [None, "", "not-a-uuid"])
def test_a_lost_token_is_made_anew(alices: Client, token: str | None) -> None:
    assert alices.post("/songs/", wishes(form_token=token)).status_code == 303


def test_without_credits_the_form_says_so_before_and_after(client: Client, penny: User) -> None:
    client.force_login(penny)
    before, after = client.get("/"), client.post("/songs/", wishes())
    for page in (before, after):
        assert "You have no credits left." in page.content.decode()
        assert 'disabled aria-describedby="refusal"' in page.content.decode()
    assert after.status_code == 422
    assert "a waltz for two cats</textarea>" in after.content.decode()
    assert not Song.objects.exists()


@pytest.mark.parametrize("is_confirmed", [False, True])
def test_before_the_welcome_credits_the_form_says_how_to_get_them(
    client: Client, penny: User, is_confirmed: bool
) -> None:
    EmailAddress.objects.create(user=penny, email="penny@example.org", verified=is_confirmed)
    client.force_login(penny)
    page = client.post("/songs/", wishes())
    assert page.status_code == 422
    sentence = "You have no credits yet: confirm your e-mail address to get 10 credits."
    assert (sentence in page.content.decode()) == (not is_confirmed)


def test_when_all_credits_are_spoken_for_the_form_says_so(alices: Client, alice: User) -> None:
    for _ in range(3):
        a_song(alice, status=SongStatus.QUEUED)
    sentence = "All 3 of your credits are spoken for by songs in the making."
    assert sentence in alices.get("/").content.decode()
    answer = alices.post("/songs/", wishes())
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert Song.objects.count() == 3


def test_another_like_this_begins_with_the_same_wishes(alices: Client, alice: User) -> None:
    song = a_song(alice, "a rumba", audio_duration=90.0, instrumental=True)
    initial = alices.get(f"/?like={song.pk}").context["form"].initial
    assert initial == {
        "full_described_song": "a rumba",
        "audio_duration": 90.0,
        "guidance_scale": 15.0,
        "instrumental": True,
    }


def test_somebody_elses_wishes_are_not_shown(bobs: Client, alice: User) -> None:
    song = a_song(alice, "a secret rumba")
    for like in (song.pk, "nonsense"):
        assert "rumba" not in bobs.get(f"/?like={like}").content.decode()
