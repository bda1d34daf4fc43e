"""A cluster's workers, for its gateway."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.cluster.dispatch import Dispatch
from jobs.cluster.heartbeat import Heartbeat
from jobs.cluster.worker_table import WorkerTable
from jobs.runs import lease
from jobs.runs.claimed_run import Claim


class ClusterWorkerPool:
    def __init__(
        self, name: str, worker_table: WorkerTable, dispatch: Dispatch, heartbeat: Heartbeat
    ) -> None:
        self.name, self._worker_table = name, worker_table
        self._dispatch, self._heartbeat = dispatch, heartbeat

    @property
    def is_busy(self) -> bool:
        return self._dispatch.is_busy

    @property
    def backlog_seconds(self) -> float:
        return self._dispatch.backlog_seconds

    @property
    def free_slots(self) -> int:
        return 0 if self._worker_table.is_stopping else self._dispatch.free_answer_slots

    def accept(self, claims: Sequence[Claim]) -> None:
        if self._heartbeat.add(claims):
            self._dispatch.put_answered(claims)
            if self._dispatch.missing_shifts:
                self._dispatch.workers_missing.notify()
            return
        # The cluster stops.
        lease.give_back_all({claim.run_id: claim.token for claim in claims})
