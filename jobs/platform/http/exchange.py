"""A request, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

BODY_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """Plain values; secrets are references."""

    method: str
    url: str
    headers: dict[str, Any]
    body: str
    timeout: float  # seconds for the whole
    result_url: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A response as a run remembers it, or an error {"message", "final"}."""

    answer: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    summary: dict[str, Any] = field(default_factory=dict)
