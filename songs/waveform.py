"""A song's waveform: how loud each of 96 equal parts of it is, a byte a part.

1. A song that arrives sends an event, in the commit in which it becomes playable, and a run of its
   own draws it. A file that cannot be read costs nothing but the picture: the player shows a line
   of even bars.
2. The function `draw-waveforms` draws those of older songs, a few at a time (functions.py).
3. `Song.peaks` is null until a waveform was drawn, and empty if that is not possible.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage

from songs.models import Song, SongQuerySet

logger = logging.getLogger(__name__)

EVENT = "songs/song.arrived"
BARS = 96
MAX_BYTES = 100 * 1024 * 1024  # bytes of a file that is read
STRIDE = 7  # of so many samples one is looked at: enough for a picture, and quick
FULL = 32_768  # the loudest sample
# Other kinds of files are not drawn: each of these has a decoder of its own, which refuses what it
# does not understand.
DECODERS = {".mp3": "mp3_read_s16", ".wav": "wav_read_s16", ".flac": "flac_read_s16"}


def draw(song: SongQuerySet) -> dict[str, Any]:
    """Draw the waveform of a song and store it. Never raises for a file that cannot be drawn."""
    row = song.first()
    if row is None or not row.is_processed:
        return {"bars": 0}
    peaks = peaks_of(row.s3_key)
    # Only if the song still has this file: it may have been made again.
    song.filter(s3_key=row.s3_key).update(peaks=peaks)
    return {"bars": len(peaks)}


def undrawn(most: int) -> list[UUID]:
    """Songs without a waveform, the newest first."""
    waiting = Song.objects.processed().filter(peaks=None).order_by("-pk")
    return list(waiting.values_list("pk", flat=True)[:most])


def peaks_of(key: str) -> bytes:
    """The bars of a file, the loudest 255; empty if it cannot be drawn."""
    decode = decoder_of(key)
    if decode is None:
        return b""
    try:
        if default_storage.size(key) > MAX_BYTES:
            raise ValueError(f"It is larger than {MAX_BYTES:,} bytes.")
        with default_storage.open(key) as file:
            return bars_of(loudness(decode(file.read()).samples))
    except Exception as problem:  # of any storage and of any decoder
        logger.warning("The waveform of %r cannot be drawn: %s", key, problem)
        return b""


def decoder_of(key: str) -> Callable[[bytes], Any] | None:
    """Where numpy is installed, miniaudio imports it: 12 MiB that few processes need."""
    import miniaudio

    name = DECODERS.get(PurePosixPath(key).suffix)
    return None if name is None else getattr(miniaudio, name)


def loudness(samples: array[int]) -> list[int]:
    """The loudest sample of each of some hundred pieces of a sound, 0 to 32,768."""
    piece = max(STRIDE, len(samples) // (4 * BARS))
    found = []
    for start in range(0, len(samples), piece):
        looked_at = samples[start : start + piece : STRIDE]
        found.append(max(max(looked_at), -min(looked_at)))
    return found


def bars_of(found: list[int]) -> bytes:
    """The pieces, gathered into 96 bars. A quiet song is drawn as high as a loud one; silence is
    flat."""
    if not found:
        return b""
    spans = (
        (at * len(found) // BARS, max((at + 1) * len(found) // BARS, at * len(found) // BARS + 1))
        for at in range(BARS)
    )
    bars = [max(islice(found, start, end)) for start, end in spans]
    loudest = max(max(bars), FULL // 64)
    return bytes(bar * 255 // loudest for bar in bars)
