"""A cluster's workers, as its gateway gives them runs."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.cluster import django_q_adapter
from jobs.cluster.dispatch import Dispatch
from jobs.cluster.heartbeat import Keeper
from jobs.platform.postgres import notifier
from jobs.runs.claim import Claim
from jobs.runs.lease import give_back


class Workers:
    def __init__(self, name: str, dispatch: Dispatch, keeper: Keeper) -> None:
        self.name, self._dispatch, self._keeper = name, dispatch, keeper

    @property
    def is_busy(self) -> bool:
        return self._dispatch.is_busy

    @property
    def room(self) -> int:
        return 0 if django_q_adapter.board.is_stopping else self._dispatch.room_for_answers

    def take(self, claims: Sequence[Claim]) -> None:
        if self._keeper.add(claims):
            self._dispatch.put_answered(claims)
            if self._dispatch.missing_shifts:
                self._dispatch.call.ring()
            return
        for claim in claims:  # the cluster began to stop meanwhile
            give_back(claim.run_id, claim.token)
        notifier.wake_clusters(notifier.RUN_DUE)
