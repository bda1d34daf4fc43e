"""The endpoints' contract: the request for a song, and the reply.

The endpoints are Modal functions around ACE-Step, one for each way to ask for a song, and a
language model writes the categories. This module validates every field of a reply before the site
uses it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from jobs.api import NonRetriableError, excerpt, quoted, shows
from songs.models import Song, Way

# The setting with the URL of each way's endpoint, and the fields of its request that hold words.
ENDPOINTS = {
    Way.DESCRIPTION: "GENERATE_FROM_DESCRIPTION",
    Way.LYRICS: "GENERATE_WITH_LYRICS",
    Way.DESCRIBED_LYRICS: "GENERATE_FROM_DESCRIBED_LYRICS",
}
WORDS = {
    Way.DESCRIPTION: ("full_described_song",),
    Way.LYRICS: ("prompt", "lyrics"),
    Way.DESCRIBED_LYRICS: ("prompt", "described_lyrics"),
}
INFER_STEPS = 60
MAX_CATEGORIES = 5
CATEGORY_LIMIT = 40  # characters
MAX_NAME = 1000  # further characters of a name are ignored
FOLDED_LIMIT = 80  # case-folding can triple a name's length
KEY_LIMIT = 200
KEY = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(/[A-Za-z0-9][A-Za-z0-9_-]{0,99}){0,3}\.[a-z0-9]{2,5}"
)
AUDIO_TYPES = (".wav", ".mp3", ".flac", ".ogg", ".m4a")
COVER_TYPES = (".png", ".jpg", ".jpeg", ".webp")


class ImpossibleReply(ValueError):
    """The endpoint's reply is invalid. The message says why."""


@dataclass(frozen=True, slots=True)
class Music:
    """A valid reply. The keys are keys of the storage, never paths."""

    audio_key: str
    cover_key: str  # empty if there is no cover
    categories: list[str]

    @property
    def keys(self) -> list[str]:
        return [key for key in (self.audio_key, self.cover_key) if key]


def ways() -> list[Way]:
    """The ways for which this site has an endpoint."""
    return [way for way, name in ENDPOINTS.items() if getattr(settings, name)]


def endpoint_for(way: str) -> str:
    """The URL of a way's endpoint. Raises NonRetriableError if the site has none."""
    name = ENDPOINTS[Way(way)]
    url: str = getattr(settings, name)
    if not url:
        raise NonRetriableError(f"{name} is not set, so no song can be made in this way.")
    return url


def request_body(song: Song) -> dict[str, Any]:
    """The body of the request for a song.

    It always has a seed: the endpoint takes the default, -1, literally, so that all listeners
    would get the same song for the same words.
    """
    return {
        **{name: getattr(song, name) for name in WORDS[song.way]},
        "audio_duration": song.audio_duration,
        "guidance_scale": song.guidance_scale,
        "infer_step": INFER_STEPS,
        "instrumental": song.instrumental,
        "seed": song.seed,
    }


def read_reply(reply: Any) -> Music:
    """Validate a reply. Raises ImpossibleReply."""
    if not isinstance(reply, dict):
        raise ImpossibleReply(f"The reply is a {type(reply).__name__}, not an object.")
    return Music(
        audio_key=_key(reply, "s3_key", AUDIO_TYPES),
        cover_key=_key(reply, "cover_image_s3_key", COVER_TYPES, required=False),
        categories=_categories(reply.get("categories")),
    )


def _key(reply: dict[str, Any], name: str, types: tuple[str, ...], required: bool = True) -> str:
    key = reply.get(name)
    if not required and key in (None, ""):
        return ""
    if key is None:
        raise ImpossibleReply(f"The reply has no {name}; it has {_names(reply)}.")
    if not isinstance(key, str) or not KEY.fullmatch(key) or not key.endswith(types):
        raise ImpossibleReply(
            f"{name}={quoted(key)} is not the key of a file ({', '.join(types)})."
        )
    if len(key) > KEY_LIMIT:
        raise ImpossibleReply(f"{name} has {len(key)} characters; {KEY_LIMIT} are allowed.")
    return key


def _names(reply: dict[str, Any]) -> str:
    shown = [quoted(name, 40) for name in sorted(reply)[:10]]
    return ", ".join(shown) + (", …" if len(reply) > len(shown) else "") or "nothing"


def _categories(names: Any) -> list[str]:
    """The categories in their order: normalised, white space folded, cut to length, without repeats
    that differ only in case."""
    if names is None:
        return []
    if not isinstance(names, list):
        raise ImpossibleReply(f"categories is a {type(names).__name__}, not a list.")
    kept: dict[str, str] = {}
    for name in names:
        if isinstance(name, str) and shows(clean := cleaned_name(name)):
            kept.setdefault(folded(clean), clean)
    return list(kept.values())[:MAX_CATEGORIES]


def cleaned_name(name: str) -> str:
    """The name of a category: normalised, of printable characters, cut to length at a word."""
    normal = unicodedata.normalize("NFKC", excerpt(name, MAX_NAME))
    printable = "".join(c if c.isprintable() else " " for c in normal)
    return excerpt(" ".join(printable.split()), CATEGORY_LIMIT, at_word=True)


def folded(name: str) -> str:
    """The identity of a category: its case-folded name."""
    return excerpt(name.casefold(), FOLDED_LIMIT)


def spellings(name: str) -> list[str]:
    """The identities that a typed name may mean: itself, and the name cleaned and folded."""
    return [name, folded(cleaned_name(name))]
