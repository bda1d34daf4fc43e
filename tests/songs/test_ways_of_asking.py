"""A song is asked for by a description, by lyrics or by what lyrics should say; in two takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from jobs.models import Event
from jobs.testing import drain
from songs import credits, generation
from songs.forms import SongForm
from songs.models import Song, SongStatus, User, Way
from tests.songs.making import charges, endpoint, to_the_end
from tests.support.cast import a_song, wishes

pytestmark = pytest.mark.django_db
LYRICS = {
    "way": "lyrics",
    "prompt": "folk, slow",
    "lyrics": "[verse]\nTwo cats on a roof\nsing",
    "full_described_song": None,
}
DESCRIBED = {
    "way": "described_lyrics",
    "prompt": "folk, slow",
    "described_lyrics": "two cats on a roof",
    "full_described_song": None,
}


def sent_bodies(server: Any) -> list[dict[str, Any]]:
    return [json.loads(heard.body) for heard in server.heard if heard.method == "POST"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, {"full_described_song": "a waltz for two cats"}),
        (LYRICS, {"prompt": "folk, slow", "lyrics": "[verse]\nTwo cats on a roof\nsing"}),
        (DESCRIBED, {"prompt": "folk, slow", "described_lyrics": "two cats on a roof"}),
    ],
)
def test_each_way_has_an_endpoint_and_a_request_of_its_own(
    settings, alices: Client, form: dict[str, Any], said: dict[str, Any]
) -> None:
    names = ("GENERATE_FROM_DESCRIPTION", "GENERATE_WITH_LYRICS", "GENERATE_FROM_DESCRIBED_LYRICS")
    at = names[[{}, LYRICS, DESCRIBED].index(form)]
    with endpoint(settings) as server:
        for name in names:
            setattr(settings, name, server.url if name == at else "http://127.0.0.1:9/not-this")
        assert alices.post("/songs/", wishes(**form)).status_code == 303
        to_the_end()
    song = Song.objects.get()
    [body] = sent_bodies(server)
    shared = {"audio_duration": 60, "guidance_scale": 15, "infer_step": 60, "instrumental": False}
    assert body == {**shared, "seed": song.seed, **said}
    assert song.status == SongStatus.PROCESSED


def test_the_title_is_what_was_typed_or_the_first_line_that_is_sung(alices: Client) -> None:
    alices.post("/songs/", wishes(**LYRICS))
    alices.post("/songs/", wishes(**LYRICS, title="  Roof   cats "))
    titles = list(Song.objects.order_by("pk").values_list("title", flat=True))
    assert titles == ["Two cats on a roof", "Roof cats"]


@pytest.mark.parametrize(
    ("form", "field", "sentence"),
    [
        (LYRICS | {"lyrics": " "}, "lyrics", "Write the words that should be sung"),
        (LYRICS | {"prompt": None}, "prompt", "Name the style"),
        (LYRICS | {"lyrics": "x" * 3001}, "lyrics", "That is 3,001 characters, and 3,000 are"),
        (LYRICS | {"lyrics": "la\x01la"}, "lyrics", "Character 3 is a control character"),
        (DESCRIBED | {"described_lyrics": ""}, "described_lyrics", "Say what the lyrics should be"),
        (DESCRIBED | {"prompt": "y" * 301}, "prompt", "That is 301 characters, and 300 are"),
        ({"title": "z" * 81}, "title", "That is 81 characters, and 80 are allowed"),
        ({"way": "<b>"}, "way", "“<b>” is no way to ask for a song here."),
    ],
)
def test_what_is_refused_comes_back_with_its_sentence(
    alices: Client, form: dict[str, Any], field: str, sentence: str
) -> None:
    answer = alices.post("/songs/", wishes(**form))
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert escape(sentence) in answer.content.decode()
    assert not Song.objects.exists()


def test_words_of_another_way_are_kept_on_the_page_and_not_asked_for(alices: Client) -> None:
    typed = LYRICS | {"full_described_song": "a waltz", "lyrics": ""}
    page = alices.post("/songs/", wishes(**typed)).content.decode()
    assert "a waltz</textarea>" in page
    alices.post("/songs/", wishes(**typed | {"lyrics": "la la"}))
    song = Song.objects.get()
    assert (song.full_described_song, song.lyrics, song.way) == ("", "la la", Way.LYRICS)


def test_a_site_without_the_other_endpoints_offers_the_description_alone(
    settings, alices: Client
) -> None:
    settings.GENERATE_WITH_LYRICS = settings.GENERATE_FROM_DESCRIBED_LYRICS = ""
    page = alices.get("/").content.decode()
    assert 'name="way"' not in page
    assert 'name="lyrics"' not in page
    assert alices.post("/songs/", wishes(**LYRICS)).status_code == 422
    assert alices.post("/songs/", wishes()).status_code == 303


def test_an_endpoint_that_was_taken_away_fails_the_song_and_costs_nothing(
    settings, alice: User
) -> None:
    with endpoint(settings):
        form = SongForm(wishes(**LYRICS))
        assert form.is_valid()
        song = generation.order(alice, form.wishes(), "").song
        settings.GENERATE_WITH_LYRICS = ""
        to_the_end()
    song.refresh_from_db()
    assert (song.status, charges(alice)) == (SongStatus.FAILED, [])


def test_another_like_this_and_try_again_take_all_words_along(alices: Client, alice: User) -> None:
    song = a_song(alice, "", title="Cats", prompt="folk", lyrics="la", status=SongStatus.FAILED)
    assert alices.get(f"/?like={song.pk}").context["form"].initial == {
        "full_described_song": "", "guidance_scale": 15.0, "audio_duration": 60.0,
        "instrumental": False, "prompt": "folk", "lyrics": "la", "way": "lyrics",
    }  # fmt: skip
    again = generation.try_again(song)
    assert (again.prompt, again.lyrics, again.title) == ("folk", "la", "Cats")


# --- two takes ---


def test_two_takes_are_two_songs_of_the_same_words_and_two_seeds_each_paid(
    settings, alices: Client, alice: User
) -> None:
    with endpoint(settings):
        answer = alices.post("/songs/", wishes(two_takes="on"))
        drain()
        to_the_end()
    first, second = Song.objects.order_by("pk")
    assert answer["Location"] == "/songs/"
    assert first.title == "A waltz for two cats"
    assert second.title == "A waltz for two cats (take 2)"
    assert first.seed != second.seed
    assert first.wish_id != second.wish_id
    assert charges(alice) == [("charge", -1), ("charge", -1)]


def test_two_takes_that_are_sent_twice_are_still_two_songs(alices: Client) -> None:
    form = wishes(two_takes="on")
    for _ in range(2):
        alices.post("/songs/", form)
    assert Song.objects.count() == Event.objects.count() == 2
    alices.post("/songs/", {**form, "two_takes": ""})
    assert Song.objects.count() == 3


def test_two_takes_need_two_free_credits_or_nothing_is_ordered(alices: Client, alice: User) -> None:
    credits.grant(alice, -2, why="for the test")
    answer = alices.post("/songs/", wishes(two_takes="on"))
    assert answer.status_code == 422
    assert "2 takes cost 2 credits, and you have 1 free." in answer.content.decode()
    assert not Song.objects.exists()


def test_a_wish_of_an_earlier_version_of_the_form_is_the_same_wish(alices: Client) -> None:
    """A page that was opened before the new fields came, and is sent once more after."""
    form = wishes()
    alices.post("/songs/", form)
    alices.post("/songs/", {**form, "way": "description", "title": "", "lyrics": "", "prompt": ""})
    assert Song.objects.count() == 1
