"""Links into a bucket end after some minutes. A file stays within reach all the same: the site
gives another link, and a player that has the old one asks for it and goes on at its place."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator

import pytest
import requests
from django.conf import settings as project
from django.test import Client
from playwright.sync_api import expect

from songs.models import Song, User
from tests.songs.test_browser_player import PLAYS, POSITION, player, until
from tests.support import cast
from tests.support.browser import CHROMIUM, chromium, opened
from tests.support.signed_bucket import LIFE, SignedBucket, a_signed_bucket

AUDIO = bytes(range(256)) * 40
WAIT = 10  # seconds; only a test that fails waits for so long


@pytest.fixture
def bucket(settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[SignedBucket]:
    with a_signed_bucket(settings, monkeypatch) as bucket:
        yield bucket


@pytest.fixture
def song(alice: User, bucket: SignedBucket) -> Song:
    song = cast.a_song(alice, "a waltz", title="Łucja's “waltz”/1")
    bucket.objects = {song.s3_key: AUDIO, song.thumbnail_s3_key: b"a picture"}
    return song


def follow(client: Client, address: str, method: str = "GET", **headers: str) -> requests.Response:
    """Ask the site, and the bucket for what the site says."""
    leads = client.generic(method, address, headers=headers)
    assert leads.status_code == 302
    return requests.request(method, leads["Location"], headers=headers, timeout=WAIT)


@pytest.mark.django_db
def test_a_link_opens_its_file_for_its_method_until_it_ends(
    alices: Client, song: Song, bucket: SignedBucket
) -> None:
    address = f"/songs/{song.pk}/audio"
    whole = follow(alices, address)
    assert (whole.status_code, whole.content) == (200, AUDIO)
    assert whole.headers["Content-Type"] == "audio/mpeg"
    head = follow(alices, address, "HEAD")
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(AUDIO)))
    link = alices.get(address)["Location"]
    assert requests.head(link, timeout=WAIT).status_code == 403
    assert requests.get(f"{link}&x=1", timeout=WAIT).status_code == 403
    bucket.clock.advance(LIFE)
    assert requests.get(link, timeout=WAIT).status_code == 403
    assert follow(alices, address).content == AUDIO


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("part", ["audio", "cover", "audio?download=1"])
def test_parts_of_a_file_come_from_the_bucket(
    alices: Client, song: Song, method: str, part: str
) -> None:
    address = f"/songs/{song.pk}/{part}"
    content = b"a picture" if part == "cover" else AUDIO
    answer = follow(alices, address, method, Range="bytes=2-6")
    assert (answer.status_code, answer.headers["Content-Range"]) == (
        206,
        f"bytes 2-6/{len(content)}",
    )
    assert answer.content == (content[2:7] if method == "GET" else b"")
    digits = follow(alices, address, method, Range=f"bytes={'9' * 5_000}-")
    assert digits.status_code == 416


def a_long_song() -> bytes:
    """Two minutes of silence, too much for a browser to fetch at once."""
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setnchannels(2)
        audio.setsampwidth(2)
        audio.setframerate(44_100)
        audio.writeframes(bytes(4 * 44_100 * 120))
    return file.getvalue()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not CHROMIUM, reason="NO BROWSER TESTED: Chromium is not installed")
def test_a_player_whose_link_has_ended_gets_another_and_goes_on_at_its_place(
    live_server, alices: Client, alice: User, bucket: SignedBucket
) -> None:
    song = cast.a_song(alice, "a tango", title="A tango", s3_key="tango.wav", audio_duration=120.0)
    bucket.objects = {"tango.wav": a_long_song(), song.thumbnail_s3_key: b""}
    name = project.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": alices.cookies[name].value}
    # The running site's policy knows no bucket.
    with chromium() as browser, opened(browser, live_server.url, cookie, bypass_csp=True) as looked:
        page = looked.page
        page.goto(f"/songs/{song.pk}/")
        page.get_by_role("button", name="Play A tango").click()
        until(page, f"{POSITION} > 0.2")
        assert bucket.refused == 0
        bucket.clock.advance(LIFE)
        page.get_by_label("Position").fill("100")
        until(page, f"{POSITION} > 100.2")
        assert page.evaluate(PLAYS)
        expect(player(page)).to_contain_text("1:40")
        answers = [status for _, key, status in bucket.heard if key == "tango.wav"]
        assert 206 in answers[answers.index(403) :]
        del looked.complaints[:]  # the browser notes each 403
