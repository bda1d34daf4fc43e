"""A cluster's workers, as its gateway gives them runs."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.cluster.dispatch import Dispatch
from jobs.cluster.heartbeat import Keeper
from jobs.cluster.worker_table import Board
from jobs.platform.postgres import notifier
from jobs.runs.claim import Claim
from jobs.runs.lease import give_back


class Workers:
    """Those of this cluster, as its gateway knows them."""

    def __init__(self, name: str, board: Board, dispatch: Dispatch, keeper: Keeper) -> None:
        self.name, self._board, self._dispatch, self._keeper = name, board, dispatch, keeper

    @property
    def is_busy(self) -> bool:
        return self._dispatch.is_busy

    @property
    def room(self) -> int:
        return 0 if self._board.is_stopping else self._dispatch.room_for_answers

    def take(self, claims: Sequence[Claim]) -> None:
        if self._keeper.add(claims):
            self._dispatch.put_answered(claims)
            if self._dispatch.missing_shifts:
                self._dispatch.call.ring()
            return
        for claim in claims:  # the cluster has begun to stop meanwhile
            give_back(claim.run_id, claim.token)
        notifier.wake_clusters(notifier.RUN_DUE)
