"""Recording: an order becomes an MP3, a cover and its categories."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import soundfile

from songs.studio.picture.cover import paint
from songs.studio.score.score import compose
from songs.studio.sound.mixing import mix
from songs.studio.sound.synthesis import RATE, Audio
from songs.studio.tags import tagged
from songs.studio.words.brief import Brief

QUALITY = 0.2  # of LAME's variable rate, its V2: about 190 kbit/s
CHUNK = 1 << 17


@dataclass(frozen=True)
class Recording:
    """The finished files, as bytes."""

    mp3: bytes
    png: bytes


def record(brief: Brief, go_on: Callable[[], None] = lambda: None) -> Recording:
    """Compose, play, mix, encode and paint. The same brief gives the same bytes.

    `resume` is called between players. If it raises an error, the recording is abandoned.
    """
    mp3 = tagged(encode(mix(compose(brief), go_on)), brief)
    return Recording(mp3, paint(brief))


def encode(sound: Audio) -> bytes:
    """Stereo float32, shape (2, samples) -> MP3 without tags."""
    target = io.BytesIO()
    with soundfile.SoundFile(
        target,
        "w",
        samplerate=RATE,
        channels=2,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="VARIABLE",
        compression_level=QUALITY,
    ) as file:
        for start in range(0, sound.shape[1], CHUNK):
            file.write(sound[:, start : start + CHUNK].T)
    return target.getvalue()
