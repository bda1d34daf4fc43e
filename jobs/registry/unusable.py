"""Why functions are set aside, in a sentence each.

    refused when registered   its configuration cannot be used, as long as this code runs
    not written by a sync     the database refused its row; the next sync tries again

The runs are still made, if enough of the function could be read, and wait for another cluster
(discovery.why_unknown).
"""

from __future__ import annotations

# Sentences about functions without an id of their own (two of one id, say).
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
    return [*refused, *_refused.values(), *_unwritten.values()]
