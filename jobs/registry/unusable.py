"""Why functions are set aside, in a sentence each.

    refused when registered   its configuration cannot be used, as long as this code runs
    not written by a sync     the database refused its row; the next sync tries again

Runs are still made, if enough of the function was readable, and wait for another cluster
(discovery.why_unknown).
"""

from __future__ import annotations

NOT_REGISTERED = "Until this is mended, its events and ticks start no run of it."
MADE = "Its runs are made, and wait until this is mended, or a cluster that can run it comes."
UNWRITTEN = "Its runs wait until a cluster that starts anew has written its row."
# Sentences about functions without an id, or usable triggers, of their own (two of one id, say).
refused: list[str] = []
_refused: dict[str, str] = {}
_unwritten: dict[str, str] = {}


def refuse(fn_id: str, why: str) -> None:
    _refused[fn_id] = why


def set_aside(fn_id: str, why: str) -> None:
    _unwritten[fn_id] = why


def forget(fn_id: str) -> None:
    _refused.pop(fn_id, None)
    _unwritten.pop(fn_id, None)


def is_refused(fn_id: str) -> bool:
    return fn_id in _refused


def why(fn_id: str) -> str | None:
    """None if this process can take the function's runs."""
    return _refused.get(fn_id) or _unwritten.get(fn_id)


def sentences() -> list[str]:
    return [sentence for sentence, _ in sentences_with_hints()]


def sentences_with_hints() -> list[tuple[str, str]]:
    return [
        *((sentence, NOT_REGISTERED) for sentence in refused),
        *((sentence, MADE) for sentence in _refused.values()),
        *((sentence, UNWRITTEN) for sentence in _unwritten.values()),
    ]
