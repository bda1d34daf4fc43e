"""The ZIP with everything that the site has of a listener, in bounded memory.

    songs/0001 Night train.mp3        audio, as it is in the store
    covers/0001 Night train.png
    songs.json, songs.csv             each wish, what became of it, and the names of its files
    ledger.json, ledger.csv           each entry of the ledger
    account.json                      name, e-mail address, when it joined
    README.txt

A file that the store has no more is named in songs.json. Any other error of the store is raised.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import IO, Any
from uuid import UUID

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder

from songs.models import CreditEntry, Song, User
from songs.storage import CHUNK, file_name

A_PAGE = 50  # songs that are read together
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would execute
SONG = (
    *("number", "title", "way", "description", "style", "lyrics", "described_lyrics"),
    *("published_as", "duration_seconds", "closeness", "instrumental", "seed"),
    *("status", "reason", "categories", "ordered_at", "finished_at", "audio", "cover"),
)
ENTRY = ("at", "kind", "amount", "balance", "reason", "song")
README = """Everything that MelodyMaker has of you.

songs/    your songs
covers/   their covers
songs     each song as you asked for it, and what became of it
ledger    each credit that came or went
account   your name here, your e-mail address, and when you joined

.json files are for programs, .csv files for spreadsheets; both say the same. Times are in UTC.
In .csv files a ' stands before a text that a spreadsheet would take for a formula.
"""

Told = Callable[[int], None]
Packed = dict[UUID, tuple[int, str, str]]  # number, and the names of audio and cover in the ZIP
Rows = Callable[[], Iterable[dict[str, Any]]]


def pack(user: User, into: IO[bytes], songs: Sequence[UUID], told: Told) -> None:
    """Write the ZIP of these songs of the listener; `told` hears how many are in it."""
    entries = user.credit_entries.select_related("song").order_by("pk")
    with zipfile.ZipFile(into, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        write_text(archive, "README.txt", README)
        write_text(archive, "account.json", as_json(account_of(user)))
        packed = write_files(archive, songs, told)
        write_table(archive, "songs", SONG, lambda: song_rows(songs, packed))
        write_table(archive, "ledger", ENTRY, lambda: map(entry_row, entries.iterator(A_PAGE)))


def account_of(user: User) -> dict[str, Any]:
    return {"name": user.get_username(), "email": user.email, "joined_at": user.date_joined}


def write_files(archive: zipfile.ZipFile, songs: Sequence[UUID], told: Told) -> Packed:
    packed = {}
    for number, song in enumerate(read(songs), 1):
        called = f"{number:04} {song}"
        audio = write_file(archive, "songs", called, song.s3_key)
        cover = write_file(archive, "covers", called, song.thumbnail_s3_key)
        packed[song.pk] = number, audio, cover
        told(number)
    return packed


def read(songs: Sequence[UUID]) -> Iterator[Song]:
    """The songs in this order, a page at a time; those that are deleted meanwhile are left out."""
    for at in range(0, len(songs), A_PAGE):
        page = songs[at : at + A_PAGE]
        found = (
            Song.objects.select_related("publication")
            .prefetch_related("categories")
            .in_bulk(list(page))
        )
        yield from (found[pk] for pk in page if pk in found)


def write_file(archive: zipfile.ZipFile, folder: str, called: str, key: str) -> str:
    """Copy a file of the store; returns its name in the ZIP, “missing” if it is not there."""
    if not key:
        return ""
    name = f"{folder}/{file_name(called, PurePosixPath(key).suffix.lower())}"
    try:
        source = default_storage.open(key)
    except (FileNotFoundError, SuspiciousFileOperation):
        return "missing"
    with source, archive.open(name, "w", force_zip64=True) as target:
        shutil.copyfileobj(source, target, CHUNK)
    return name


def song_rows(songs: Sequence[UUID], packed: Packed) -> Iterator[dict[str, Any]]:
    return (song_row(song, *packed[song.pk]) for song in read(songs) if song.pk in packed)


def song_row(song: Song, number: int, audio: str, cover: str) -> dict[str, Any]:
    values = (
        *(number, song.title, song.way, song.full_described_song, song.prompt),
        *(song.lyrics, song.described_lyrics, published_as(song), song.audio_duration),
        *(song.guidance_scale, song.instrumental, song.seed, song.status, song.reason),
        [category.name for category in song.categories.all()],
        *(song.created_at, song.finished_at, audio, cover),
    )
    return dict(zip(SONG, values, strict=True))


def published_as(song: Song) -> str:
    """The name that stood beside the public song; empty if it was never published."""
    publication = getattr(song, "publication", None)
    return publication.by if publication is not None else ""


def entry_row(entry: CreditEntry) -> dict[str, Any]:
    title = str(entry.song) if entry.song else ""
    kind = entry.get_kind_display()
    values = (entry.at, kind, entry.amount, entry.balance, entry.why, title)
    return dict(zip(ENTRY, values, strict=True))


# --- members of the ZIP -----------------------------------------------------------------------


def write_text(archive: zipfile.ZipFile, name: str, text: str) -> None:
    archive.writestr(name, text.encode(), zipfile.ZIP_DEFLATED)


def as_json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)


def write_table(archive: zipfile.ZipFile, name: str, columns: Sequence[str], rows: Rows) -> None:
    """As JSON and as CSV. The rows are read once for each: a ZIP takes one member after the other,
    and neither is held in memory."""
    with archive.open(packed_text(f"{name}.json"), "w") as member:
        member.write(b"[")
        for number, row in enumerate(rows()):
            member.write(b",\n" if number else b"\n")
            member.write(as_json(row).encode())
        member.write(b"\n]\n")
    with (
        archive.open(packed_text(f"{name}.csv"), "w") as member,
        io.TextIOWrapper(member, "utf-8", newline="") as text,
    ):
        writer = csv.writer(text)
        writer.writerow(columns)
        for row in rows():
            writer.writerow(cell(row[column]) for column in columns)


def packed_text(name: str) -> zipfile.ZipInfo:
    """A member that is compressed, unlike songs and covers, which are already."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return cell(", ".join(value))
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
