"""A cluster's workers, as its gateway gives them runs."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.cluster.dispatch import Dispatch
from jobs.cluster.heartbeat import Keeper
from jobs.cluster.worker_table import Board
from jobs.runs import lease
from jobs.runs.claim import Claim


class Workers:
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
        # The cluster has begun to stop meanwhile.
        lease.give_back_all({claim.run_id: claim.token for claim in claims})
