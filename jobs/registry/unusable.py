"""Functions that are set aside alone, so that the others go on: why, in a sentence each.

    refused when registered     what it was given cannot be used; for as long as this code is there
    not written by a sync       the database did not take its row; asked again with the next sync

This process takes none of their runs. Those wait visibly, with the sentence, for a cluster that can
(discovery.why_unknown), and are still made, where enough of the function could be read for that.
"""

from __future__ import annotations

# Sentences about what could not even be kept under an id: two functions of one, say.
refused: list[str] = []
_refused: dict[str, str] = {}
_unwritten: dict[str, str] = {}


def refuse(fn_id: str, why: str) -> None:
    _refused[fn_id] = why


def set_aside(fn_id: str, why: str) -> None:
    _unwritten[fn_id] = why


def forget(fn_id: str) -> None:
    """It has been registered, or written, or is no more."""
    _refused.pop(fn_id, None)
    _unwritten.pop(fn_id, None)


def is_refused(fn_id: str) -> bool:
    return fn_id in _refused


def why(fn_id: str) -> str | None:
    """Why this process cannot take its runs; None if it can."""
    return _refused.get(fn_id) or _unwritten.get(fn_id)


def sentences() -> list[str]:
    """All of them, for the checks."""
    return [*refused, *_refused.values(), *_unwritten.values()]
