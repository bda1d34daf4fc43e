"""What a cluster says of itself in its row: when it last looked, what keeps it from it."""

from __future__ import annotations

import time
from typing import Any

from jobs.cluster.worker_table import Board


def pulse_of(board: Board, workers: int) -> dict[str, Any]:
    """What a cluster's row says: {"looked", "claimed"}, in seconds ago or null for never,
    {"problem"}, a text, and {"at_work", "workers"}, numbers of processes."""
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
