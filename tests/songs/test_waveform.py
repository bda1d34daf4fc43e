"""A song's waveform is drawn when it arrives, stored small, and missed by none that exists."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from songs import waveform
from songs.models import Song, SongStatus, User
from songs.models.song import DRAWN_WITHIN
from songs.templatetags.site import bars
from songs.upkeep import A_RUN, draw_waveforms
from tests.songs.making import REPLY, charges, endpoint, made, run_of
from tests.support.cast import a_song
from tests.support.functions import ran

pytestmark = pytest.mark.django_db
RATE = 32_000


def a_sound(kind: str = "WAV", seconds: float = 4.0, loudness: float = 0.5) -> bytes:
    """Quiet in its first half, loud in its second."""
    times = np.arange(int(RATE * seconds)) / RATE
    tone = np.sin(2 * np.pi * 440 * times) * np.where(times < seconds / 2, 0.25, 1.0) * loudness
    file = io.BytesIO()
    soundfile.write(file, np.column_stack([tone, tone]), RATE, format=kind)
    return file.getvalue()


def keep(key: str, content: bytes) -> None:
    default_storage.save(key, ContentFile(content))


def of(song: Song) -> bytes | None:
    song.refresh_from_db()
    return None if song.peaks is None else bytes(song.peaks)


def test_a_song_that_arrives_gets_its_waveform(settings, alices: Client, alice: User) -> None:
    keep(REPLY["s3_key"], a_sound("MP3"))
    with endpoint(settings):
        song = made(alice)
    peaks = of(song)
    assert peaks is not None
    assert len(peaks) == waveform.BARS
    assert max(peaks) == 255
    assert max(peaks[:44]) < 80 < 200 < min(peaks[52:])
    page = alices.get(f"/songs/{song.pk}/").content.decode()
    assert f'data-waveform="{song.waveform}"' in page
    assert f'd="{bars(song.waveform)}"' in page


@pytest.mark.parametrize("kind", ["WAV", "MP3", "FLAC"])
def test_every_kind_of_file_and_every_loudness_is_drawn_alike(kind: str) -> None:
    for loudness in (0.05, 0.9):
        key = f"{loudness}.{kind.lower()}"
        keep(key, a_sound(kind, loudness=loudness))
        peaks = waveform.peaks_of(key)
        assert max(peaks) == 255
        assert max(peaks[:44]) < 90 < 190 < min(peaks[52:90])


@pytest.mark.parametrize(
    "content", [b"", b"no sound", a_sound("MP3")[:40], b"RIFF" + bytes(5000)], ids=range(4)
)
def test_a_file_that_cannot_be_drawn_costs_the_picture_alone(
    settings, alices: Client, alice: User, content: bytes
) -> None:
    keep(REPLY["s3_key"], content)
    with endpoint(settings):
        song = made(alice)
    assert (song.status, of(song)) == (SongStatus.PROCESSED, b"")
    assert run_of(song).status == "completed"
    assert charges(alice) == [("charge", -1)]
    assert alices.get(f"/songs/{song.pk}/").status_code == 200


def test_a_kind_of_file_without_a_decoder_is_not_drawn() -> None:
    keep("song.ogg", a_sound("OGG"))
    assert waveform.peaks_of("song.ogg") == b""


def test_silence_is_flat_and_a_short_sound_has_all_its_bars() -> None:
    keep("silence.wav", a_sound(loudness=0))
    keep("short.wav", a_sound(seconds=0.01))
    assert waveform.peaks_of("silence.wav") == bytes(waveform.BARS)
    assert len(waveform.peaks_of("short.wav")) == waveform.BARS


def test_a_file_that_is_too_large_is_not_read(monkeypatch: Any) -> None:
    keep("large.wav", a_sound())
    monkeypatch.setattr(waveform, "MAX_BYTES", 1000)
    assert waveform.peaks_of("large.wav") == b""


def test_older_songs_get_theirs_by_a_run_once(alice: User) -> None:
    songs = [a_song(alice) for _ in range(3)]
    making = a_song(alice, status=SongStatus.PROCESSING)
    for song in songs:
        keep(song.s3_key, a_sound("MP3", seconds=1))
    assert ran(draw_waveforms.handler).output == {"drawn": 3}
    assert all(len(of(song) or b"") == waveform.BARS for song in songs)
    assert of(making) is None
    assert waveform.undrawn(A_RUN) == []


def test_a_page_waits_for_the_waveform_of_a_song_that_has_just_arrived(
    alices: Client, alice: User
) -> None:
    song = a_song(alice, finished_at=timezone.now(), peaks=None)
    address = f"/songs/{song.pk}/waveform"
    for page in ("/", "/songs/", f"/songs/{song.pk}/"):
        assert f'data-drawing="{address}"' in alices.get(page).content.decode()
    assert alices.get(address).status_code == 204
    Song.objects.update(peaks=bytes(range(96)))
    song.refresh_from_db()
    answer = alices.get(address)
    assert (answer.status_code, answer.content.decode()) == (200, song.waveform)
    assert "data-drawing" not in alices.get("/songs/").content.decode()


def test_no_page_waits_long_for_a_waveform(alices: Client, alice: User) -> None:
    """The cluster may stand still, and a file of an unknown kind is never drawn."""
    song = a_song(alice, finished_at=timezone.now() - DRAWN_WITHIN, peaks=None)
    assert "data-drawing" not in alices.get(f"/songs/{song.pk}/").content.decode()
    answer = alices.get(f"/songs/{song.pk}/waveform")
    assert (answer.status_code, answer.content) == (200, b"")
