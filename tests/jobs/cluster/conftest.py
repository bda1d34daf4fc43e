from __future__ import annotations

import pytest

from jobs.cluster import pusher as pushers
from jobs.cluster.heartbeat import Heartbeat
from jobs.cluster.pusher import Pusher
from jobs.cluster.shared import Shared
from jobs.fetch.gateway import Gateway


@pytest.fixture
def pusher(monkeypatch, in_a_cluster: Shared) -> Pusher:
    """A pusher without a cluster: what it hands out stays in its pipe."""
    monkeypatch.setattr(pushers, "POLL", 0.01)
    pusher = Pusher()
    pusher._gateway, pusher._heartbeat = Gateway(), Heartbeat(in_a_cluster.worker_table)
    return pusher
