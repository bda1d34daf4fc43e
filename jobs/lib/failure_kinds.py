"""A failed run's error in short: a reason for lists, and the kind that groups failures.

    call-modal-api · 401 missing or invalid credentials      the reason
    update-song · KeyError …                                 the kind

Both begin with the failed step, its answer's status or its error's class, and the cause's first
words. The kind leaves out numbers, ids, addresses and quoted values: similar failures share it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jobs.lib.excerpts import excerpt

KIND_LIMIT = 200  # characters of the column
STEP_LIMIT = 80
WORDS_LIMIT = 90  # of a kind
MAX_WORDS = 9  # of a kind
LEFT_OUT = "…"
UNTOLD = "no error is known"

ANSWERED = re.compile(r"^[A-Z]+ \S+ answered (\d{3}): (.*)", re.DOTALL)
REQUESTED = re.compile(r"^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \S+?: (?=\S)")
# These say how the engine goes on, not what happened.
MUTE = {"Error", "FetchError", "NonRetriableError", "RetryAfterError", "StepError"}
TOLD_AS = ("detail", "message", "msg", "error", "title", "description", "reason")

URL = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"|`[^`]*`|(?<!\w)'[^']*'(?!\w)|‘[^’]*’")
ID = re.compile(r"\b(?=[\w-]*\d[\w-]*\d[\w-]*\d)[\w-]{6,}\b|\b0x[0-9a-f]+\b", re.IGNORECASE)
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d.,:]*(?=\D|$)")
REPEATED = re.compile(rf"{LEFT_OUT}(?:[\s,;:/]*{LEFT_OUT})+")
TAG = re.compile(r"<[^<>]{0,500}>")


@dataclass(frozen=True, slots=True)
class ShortReason:
    """`step` is empty for code between steps, `what` (a status or a class) where neither is
    known.
    """

    step: str
    what: str
    words: str

    def __str__(self) -> str:
        return " · ".join(filter(None, (self.step, f"{self.what} {self.words}".strip())))

    @property
    def kind(self) -> str:
        words = general(self.words)
        step = excerpt(self.step, STEP_LIMIT)
        what = excerpt(self.what, STEP_LIMIT // 2)
        return " · ".join(filter(None, (step, f"{what} {words}".strip())))[:KIND_LIMIT] or UNTOLD


def reason_of(error: Any) -> ShortReason:
    """Of a run's `error` column, whatever it holds."""
    if not isinstance(error, dict):
        return ShortReason("", "", UNTOLD)
    step, name = str(error.get("step") or ""), class_of(error)
    message = str(_told(error).get("message") or "")
    if answered := ANSWERED.match(message):
        status, body = answered.groups()
        return ShortReason(step, status, _of_answer(body).removeprefix(status).lstrip(" :·-"))
    words = _one_line(REQUESTED.sub("", message))
    if not words:
        return ShortReason(step, name, "" if name else UNTOLD)
    return ShortReason(step, "" if name in MUTE else name, words)


def class_of(error: dict[str, Any]) -> str:
    return str(_told(error).get("name") or "")


def _told(error: dict[str, Any]) -> dict[str, Any]:
    cause = error.get("cause")
    return cause if isinstance(cause, dict) else error


def kind_of(error: Any) -> str:
    return reason_of(error).kind


def general(words: str) -> str:
    for pattern in (URL, QUOTED, ID, NUMBER):
        words = pattern.sub(LEFT_OUT, words)
    words = REPEATED.sub(LEFT_OUT, " ".join(words.split()[:MAX_WORDS]))
    return excerpt(words, WORDS_LIMIT, at_word=True).rstrip(" ,.;:–—-")


def _of_answer(body: str) -> str:
    return _one_line(next(_sayings(body), "") or TAG.sub(" ", body))


def _sayings(body: str) -> Iterator[str]:
    try:
        yield from _found(json.loads(body), 0)
    except (ValueError, RecursionError):
        # A cut answer's first saying is still whole.
        for name in TOLD_AS:
            if said := re.search(rf'"{name}"\s*:\s*"((?:[^"\\]|\\.)+)', body):
                yield said[1]


def _found(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < 5 and isinstance(value, list) and value:
        yield from _found(value[0], depth + 1)
    elif depth < 5 and isinstance(value, dict):
        for name in TOLD_AS:
            if name in value:
                yield from _found(value[name], depth + 1)


def _one_line(text: str) -> str:
    return excerpt(" ".join(text.split()), 200, at_word=True)
