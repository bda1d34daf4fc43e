"""By when a run must start (`timeouts.start`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from jobs.lib.durations import seconds
from jobs.registry import last_synced


def start_deadline(fn_id: str) -> Any:
    """By when a run that is ready now must start (SQL); None without `timeouts.start`."""
    function = last_synced.function_of(fn_id)
    start = function.timeouts.start if function else None
    return None if start is None else Now() + timedelta(seconds=seconds(start))
