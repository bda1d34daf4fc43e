"""Whatever is typed, sent or put into an address: no page breaks, none shows it as markup, and what
is refused stays in its field."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from songs.models import Publication, Song, User
from tests.songs.sharing.sharing import public
from tests.support.cast import a_song, wishes

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"
TEXTS = {
    "nothing": "",
    "space": " \t\n ",
    "10,000 words": "word " * 10_000,
    "markup": EVIL,
    "emoji": "👩‍🎤🎵" * 3,
    "right to left": "\u202eשיר\u2066 שלום",
    "a NUL": "a\x00b",
    "a number": "-1e999",
    "other digits": "٣٫٥",
    "a list": "[]",
}
FIELDS = {
    "/songs/": [*wishes(), "title", "prompt", "lyrics", "described_lyrics", "way", "two_takes"],
    "/songs/{own}/rename": ["title"],
    "/songs/{own}/publish": ["title", "byline"],
    "/songs/{own}/again": ["form_token"],
    "/listen/{public}/report": ["kind", "words"],
    "/listen/{public}/like": ["like"],
}
ASKED = {
    "/": ["like"],
    "/songs/": ["q", "status", "category", "page"],
    "/songs/cards": ["song"],
    "/songs/{own}/card": ["seen"],
    "/songs/{own}/audio": ["download"],
    "/discover/": ["category", "order", "after"],
    "/discover/feed.xml": ["category"],
    "/sitemap-songs.xml": ["p"],
}
FINE = (200, 204, 302, 303, 400, 404, 422)


@pytest.fixture
def places(alice: User, bob: User) -> dict[str, Any]:
    own = a_song(alice, title="Mine")
    return {"own": own.pk, "public": public(bob, "Piano", title="One").pk}


def answered(answer: Any, about: Any) -> str:
    assert answer.status_code in FINE, (answer.status_code, about)
    page = "" if answer.streaming else answer.content.decode()
    assert EVIL not in page, about
    return page


@pytest.mark.parametrize("kind", TEXTS)
def test_no_field_breaks_a_page_and_what_is_refused_is_kept(
    alices: Client, places: dict[str, Any], kind: str
) -> None:
    given = TEXTS[kind]
    for address, fields in FIELDS.items():
        for name in fields:
            form = wishes() if address == "/songs/" else {"title": "T", "kind": "spam"}
            songs = Song.objects.count()
            answer = alices.post(address.format(**places), {**form, name: given})
            page = answered(answer, (address, name, kind))
            made = Song.objects.count() - songs
            assert made == 0 or (address == "/songs/" and answer.status_code == 303)
            if answer.status_code == 422 and name in ("title", "byline", "words", "prompt"):
                assert escape(given.strip()) in page, (address, name)


@pytest.mark.parametrize("kind", TEXTS)
def test_no_address_breaks_a_page(alices: Client, places: dict[str, Any], kind: str) -> None:
    for address, names in ASKED.items():
        for name in names:
            given = {name: TEXTS[kind][:8_000]}
            answered(alices.get(address.format(**places), given), (address, name, kind))


def test_the_id_of_anothers_song_is_as_one_that_is_none(
    alices: Client, bob: User, places: dict[str, Any]
) -> None:
    hidden = a_song(bob, "a secret", title="Bob's secret")
    before = Song.objects.values().get(pk=hidden.pk)
    for part in ("rename", "publish", "withdraw", "again", "delete", "undo", "cancel"):
        answer = alices.post(f"/songs/{hidden.pk}/{part}", {"title": "Mine now"}, follow=True)
        assert "secret" not in answer.content.decode(), part
    for address in (
        f"/?like={hidden.pk}",
        f"/songs/cards?song={hidden.pk}:x",
        f"/listen/{hidden.pk}/",
        f"/listen/{hidden.pk}/audio",
    ):
        assert "secret" not in answered(alices.get(address), address)
    for part in ("like", "play", "report"):
        posted = alices.post(f"/listen/{hidden.pk}/{part}", {"like": "yes", "kind": "spam"})
        assert posted.status_code == 404
    assert Song.objects.values().get(pk=hidden.pk) == before
    assert not Publication.objects.filter(song=hidden).exists()
