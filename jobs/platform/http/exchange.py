"""A request and its outcome as plain values: the gateway hands the one to a greenlet and gets the
other back. What they hold can be stored in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jobs.errors import FetchCode

BODY_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """Plain values; secrets are references."""

    method: str
    url: str
    headers: dict[str, Any]
    body: str
    timeout: float  # seconds in all
    result_url: str = ""


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """An answer as a run remembers it, or an error {"code", "message"}, with "final" if a retry
    would bring the same.
    """

    response: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    head: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def failed(cls, code: FetchCode, message: str, *, final: bool = False) -> RequestOutcome:
        error: dict[str, Any] = {"code": code.value, "message": message}
        return cls(error=error | {"final": True} if final else error)
