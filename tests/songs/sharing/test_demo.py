"""The demo's songs: ordered once, made as every song is, public when they are ready."""

from __future__ import annotations

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command

from songs.models import CreditEntry, Publication, Song, User
from songs.sharing import publishing
from songs.sharing.demo import HOUSE_BAND, SONGS, publish_ready
from tests.songs.making import endpoint, to_the_end

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_landing_page_of_a_new_checkout_plays_the_demo_s_songs(settings, client) -> None:
    settings.DEBUG = True
    with endpoint(settings):
        for _ in range(2):
            call_command("demo", verbosity=0)
        assert not publish_ready()
        to_the_end()
        assert publish_ready()
    assert Song.objects.count() == Publication.objects.public().count() == len(SONGS)
    page = client.get("/").content.decode()
    for song in SONGS:
        assert song.title in page
        assert song.description not in page
    assert User.objects.get(username=HOUSE_BAND).credits == 0
    assert CreditEntry.objects.filter(user__username=HOUSE_BAND, kind="charge").count() == 3


def test_a_demo_song_that_was_withdrawn_stays_private(settings) -> None:
    settings.DEBUG = True
    with endpoint(settings):
        call_command("demo", verbosity=0)
        to_the_end()
        publish_ready()
    publishing.withdraw(Song.objects.first())
    assert publish_ready()
    assert Publication.objects.public().count() == len(SONGS) - 1


def test_the_house_band_cannot_sign_in(settings) -> None:
    settings.DEBUG = True
    call_command("demo", verbosity=0)
    band = User.objects.get(username=HOUSE_BAND)
    assert not band.has_usable_password()
    assert authenticate(username=HOUSE_BAND, password="house-band-password") is None
