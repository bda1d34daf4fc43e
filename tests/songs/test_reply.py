"""The endpoint's reply is another program's words: what is believed of it, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from songs.failure_messages import UNUSABLE
from songs.models import Category, Song, SongStatus, User
from songs.music import (
    CATEGORY_LIMIT,
    FOLDED_LIMIT,
    KEY_LIMIT,
    MAX_CATEGORIES,
    ImpossibleReply,
    folded,
    read_reply,
)
from tests.songs.making import (
    REPLY,
    charges,
    endpoint,
    made,
    posts,
    replies,
    run_of,
    says_json,
)
from tests.support.hostile_endpoint import answer

REFUSED_KEYS = [
    "../x.mp3",
    "/etc/passwd",
    "a b.mp3",
    "https://example.org/x.mp3",
    "//example.org/x.mp3",
    "a/../x.mp3",
    "a//x.mp3",
    "./x.mp3",
    ".mp3",
    "x.mp3\n",
    "x.mp3\0",
    "x.mp3?versionId=1",
    "x\\y.mp3",
    "x.png.exe",
    "x",
    "",
    " ",
    "ü.mp3",
    "a/" * 5 + "x.mp3",
    "x" * 101 + ".mp3",
    "/".join(["x" * 99] * 3) + ".mp3",
    5,
    True,
    ["x.mp3"],
    {"key": "x.mp3"},
]
NOT_A_SONG = [
    [],
    [REPLY],
    "x.mp3",
    5,
    None,
    {},
    {"detail": "Internal Server Error"},
    {**REPLY, "s3_key": None},
    {**REPLY, "s3_key": "x.png"},
    {**REPLY, "cover_image_s3_key": "x.mp3"},
    {**REPLY, "categories": "Waltz, Chamber"},
    {**REPLY, "categories": {"Waltz": 1}},
    {**REPLY, "categories": 5},
]


def categories(*names: Any) -> list[str]:
    return read_reply({**REPLY, "categories": list(names)}).categories


# --- what a reply says ----------------------------------------------------------------------------


def test_a_good_reply_is_believed() -> None:
    music = read_reply(REPLY)
    assert music.audio_key == REPLY["s3_key"]
    assert music.cover_key == REPLY["cover_image_s3_key"]
    assert music.categories == ["Waltz", "Chamber"]


@pytest.mark.parametrize("key", ["x.mp3", "songs/2026/x.wav", "A_b-3.flac", "x" * 100 + ".ogg"])
def test_a_key_is_a_name_in_the_storage(key: str) -> None:
    assert read_reply({**REPLY, "s3_key": key}).audio_key == key


@pytest.mark.parametrize("key", REFUSED_KEYS, ids=repr)
def test_what_is_no_key_is_refused_and_named(key: Any) -> None:
    with pytest.raises(ImpossibleReply, match="s3_key"):
        read_reply({**REPLY, "s3_key": key})


@pytest.mark.parametrize("key", ["../x.png", "x.svg", "x.html", 5, False], ids=repr)
def test_a_cover_that_is_no_picture_is_refused(key: Any) -> None:
    with pytest.raises(ImpossibleReply, match="cover_image_s3_key"):
        read_reply({**REPLY, "cover_image_s3_key": key})


@pytest.mark.parametrize("cover", [None, "", ...])
def test_a_song_needs_no_cover(cover: Any) -> None:
    reply = {**REPLY, "cover_image_s3_key": cover}
    if cover is ...:
        del reply["cover_image_s3_key"]
    assert read_reply(reply).cover_key == ""


@pytest.mark.parametrize("reply", NOT_A_SONG, ids=lambda reply: json.dumps(reply)[:40])
def test_a_reply_that_cannot_be_right_is_refused_in_words(reply: Any) -> None:
    with pytest.raises(
        ImpossibleReply, match=r"^(The reply|s3_key|cover_image_s3_key|categories)\b"
    ):
        read_reply(reply)


def test_a_refusal_says_what_was_there_instead_however_much_it_was() -> None:
    with pytest.raises(ImpossibleReply) as refusal:
        read_reply({"\ud800" + "x" * 5000: 1, **{f"field {n:03}": n for n in range(500)}})
    assert str(refusal.value).startswith("The reply has no s3_key; it has 'field 000', ")
    assert len(str(refusal.value)) < 500


# --- categories -----------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [None, []])
def test_a_song_needs_no_categories(given: Any) -> None:
    assert read_reply({**REPLY, "categories": given}).categories == []


def test_categories_are_trimmed_and_each_comes_once_whatever_its_case() -> None:
    assert categories(" Synth\n\tPop ", "SYNTH POP", "synth pop", "Jazz") == ["Synth Pop", "Jazz"]


def test_the_same_letters_written_in_two_ways_are_one_category() -> None:
    assert categories("Chanson d’été", "Chanson d’e\u0301te\u0301") == ["Chanson d’été"]


def test_empty_names_and_what_is_no_text_are_passed_over() -> None:
    assert categories("", "  ", "\0", "\u200b", None, 5, ["Pop"], {"a": 1}, "Jazz") == ["Jazz"]


def test_only_the_first_few_categories_are_kept() -> None:
    assert categories(*(f"Style {n}" for n in range(50))) == [
        f"Style {n}" for n in range(MAX_CATEGORIES)
    ]


def test_a_long_name_is_cut() -> None:
    [name] = categories("a very long name " * 12)
    assert len(name) <= CATEGORY_LIMIT
    assert name == name.strip()


@given(st.lists(st.one_of(st.text(), st.none(), st.integers(), st.text("ΐßﷺ \0\ud800"))))
def test_whatever_the_categories_are_they_fit_their_column(names: list[Any]) -> None:
    kept = categories(*names)
    assert len(kept) <= MAX_CATEGORIES
    assert len({folded(name) for name in kept}) == len(kept)
    for name in kept:
        assert 0 < len(name) <= CATEGORY_LIMIT
        assert 0 < len(folded(name)) <= FOLDED_LIMIT
        assert name.isprintable()


# --- what becomes of the song ---------------------------------------------------------------------


@pytest.mark.django_db
def test_two_hundred_long_categories_leave_five_rows_and_a_second_song_shares_them(
    settings, alice: User
) -> None:
    names = [f"{'ΐ' * 60} {n}" if n % 2 else f"ﷺ{n} " * 20 for n in range(200)]
    with endpoint(settings, replies(categories=names)):
        songs = [made(alice), made(alice)]
    assert all(song.is_processed for song in songs)
    assert songs[0].categories.count() == Category.objects.count() <= MAX_CATEGORIES
    assert set(songs[0].categories.all()) == set(songs[1].categories.all())


@pytest.mark.django_db
def test_a_category_keeps_the_case_of_its_first_song(settings, alice: User) -> None:
    with endpoint(settings, replies(categories=["Jazz"]), replies(categories=["JAZZ", "Pop"])):
        made(alice)
        second = made(alice)
    assert sorted(category.name for category in second.categories.all()) == ["Jazz", "Pop"]


@pytest.mark.django_db
def test_html_in_a_category_is_inert_on_the_songs_page(
    settings, alice: User, alices: Client
) -> None:
    hostile = "<script>alert(1)</script>"
    with endpoint(settings, replies(categories=[hostile])):
        song = made(alice)
    page = alices.get(f"/songs/{song.pk}/").content.decode()
    assert song.categories.get().name == hostile
    assert hostile not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("manner", "told"),
    [
        (answer(b"<!doctype html><title>Welcome</title>"), "is not JSON: <!doctype html>"),
        (answer(b""), "is not JSON: nothing"),
        (replies(s3_key=...), "The reply has no s3_key"),
        (replies(s3_key="../x.mp3"), "s3_key='../x.mp3' is not the key of a file"),
        (replies(s3_key=["x.mp3"]), "is not the key of a file"),
        (replies(categories="Waltz"), "categories is a str, not a list"),
        (says_json([REPLY]), "The reply is a list, not an object"),
        (says_json({"detail": "ok"}, status=201), "it has 'detail'"),
    ],
    ids=["html", "empty", "no key", "path", "list", "categories", "array", "other"],
)
def test_a_reply_that_is_no_song_fails_at_once_tells_why_and_costs_nothing(
    settings, alice: User, manner: Any, told: str
) -> None:
    with endpoint(settings, manner) as server:
        song = made(alice)
        assert posts(server) == 1
    run = run_of(song)
    assert (run.status, run.error["step"]) == ("failed", "update-song")
    assert told in run.error["message"]
    assert told in run.attempts.get(step_name="update-song").error_message
    assert (song.status, song.reason) == (SongStatus.FAILED, UNUSABLE)
    assert (song.s3_key, song.categories.count(), charges(alice)) == ("", 0, [])


@pytest.mark.django_db
def test_the_longest_key_that_is_believed_can_be_stored(settings, alice: User) -> None:
    key = "x" * 98 + "/" + "y" * (KEY_LIMIT - 98 - 5) + ".mp3"
    with endpoint(settings, replies(s3_key=key, cover_image_s3_key=None)):
        song = made(alice)
    assert Song.objects.get(pk=song.pk).s3_key == key
    assert len(key) == KEY_LIMIT
