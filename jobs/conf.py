"""The engine's settings, `JOBS = {…}`, read where they are used; each has a default."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

LEASE = 15.0
GATEWAY_LIMIT = 1000
GATEWAY_GRACE = 10.0
RETENTION_DAYS = 30
LONGEST_DAYS = 36_500
RETENTION_BATCH = 500


def _setting(name: str, default: Any) -> Any:
    value = getattr(settings, "JOBS", {}).get(name)
    return default if value is None else value


def lease() -> float:
    """Seconds for which a worker that is not heard of keeps its run."""
    return float(_setting("LEASE", LEASE))


def backoff() -> Sequence[float] | None:
    """Seconds before retry 1, 2, …; None for Inngest's table and its jitter."""
    table: Sequence[float] | None = _setting("BACKOFF", None)
    return table


def secrets() -> Sequence[str]:
    """Names of settings whose values never reach a row."""
    names: Sequence[str] = _setting("SECRETS", ())
    return names


def allowed_hosts() -> Sequence[str]:
    """Hosts, or host:port pairs, that `step.fetch` may call."""
    hosts: Sequence[str] = _setting("ALLOWED_HOSTS", ())
    return hosts


def private_hosts() -> Sequence[str]:
    """Allowed hosts whose names may lead to private addresses (see addresses.py)."""
    hosts: Sequence[str] = _setting("PRIVATE_HOSTS", ())
    return hosts


def gateway_limit() -> int:
    """Requests that one cluster has in flight at most."""
    return max(int(_setting("GATEWAY_LIMIT", GATEWAY_LIMIT)), 1)


def gateway_grace() -> float:
    """Seconds that a stopping cluster waits for the requests it has in flight."""
    return float(_setting("GATEWAY_GRACE", GATEWAY_GRACE))


def retention() -> timedelta | None:
    """How long what has ended is remembered (RETENTION_DAYS); None for ever."""
    days = _setting("RETENTION_DAYS", RETENTION_DAYS)
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 <= days <= LONGEST_DAYS:
        raise ImproperlyConfigured(
            f'JOBS["RETENTION_DAYS"] = {days!r}: a number of days from 0 (keep everything for '
            f"ever) to {LONGEST_DAYS:,} is allowed."
        )
    return timedelta(days=days) if days else None


def retention_batch() -> int:
    """Rows that one transaction of the retention forgets at most (RETENTION_BATCH)."""
    return max(int(_setting("RETENTION_BATCH", RETENTION_BATCH)), 1)
