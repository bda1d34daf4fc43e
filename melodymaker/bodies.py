"""How large the body of a request may be. The web worker and the middleware ask here."""

from __future__ import annotations

BODY_LIMIT = 64 * 1024  # bytes: the longest form of a listener is far below
PANEL_BODY_LIMIT = 1024 * 1024  # bytes: an operator may edit an event of 512 KiB
PANEL = "/admin/"


def body_limit(path: str) -> int:
    """The largest body, in bytes, for a path that is decoded already."""
    return PANEL_BODY_LIMIT if path.startswith(PANEL) else BODY_LIMIT


def size_in_words(limit: int) -> str:
    """“64 KiB”, “1 MiB”."""
    return f"{limit // 1024} KiB" if limit < 1024 * 1024 else f"{limit // 1024**2} MiB"
