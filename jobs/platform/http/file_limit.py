"""Each connection takes a file descriptor."""

from __future__ import annotations

import contextlib
import logging
import resource

logger = logging.getLogger("jobs.engine")


def make_room(wanted: int) -> bool:
    """Raise this process's limit to `wanted` descriptors. False if the system allows fewer."""
    if _allowed() >= wanted:
        return True
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):  # the kernel's ceiling may be below `hard`
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if _allowed() >= wanted:
        return True
    logger.warning(
        "The gateway may need %d open files at once, the system allows %d (ulimit -Hn). Requests "
        'beyond that fail: allow more, or lower JOBS["GATEWAY_LIMIT"].',
        wanted,
        _allowed(),
    )
    return False


def _allowed() -> float:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if soft == resource.RLIM_INFINITY else soft
