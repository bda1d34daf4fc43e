"""What a cluster's row says of its pusher."""

from __future__ import annotations

import time
from typing import Any

from jobs.cluster.worker_table import Board


def pulse_of(board: Board, workers: int) -> dict[str, Any]:
    """{"looked", "claimed"}: seconds ago, or null for never; {"problem"}: a text; {"at_work",
    "workers"}: numbers of processes."""
    beat = board.last_beat()
    return {
        "looked": _ago(beat.looked),
        "claimed": _ago(beat.claimed),
        "problem": beat.problem,
        "at_work": sum(entry.run_id is not None for entry in board.entries()),
        "workers": workers,
    }


def _ago(moment: float) -> float | None:
    return round(max(time.monotonic() - moment, 0.0), 1) if moment else None
