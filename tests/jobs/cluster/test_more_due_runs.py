"""While more runs are due than the pusher claims ahead, the workers have enough to do: the gateway
collects more requests and responses for each of its statements."""

from __future__ import annotations

import math

import pytest

from tests.support.functions import go, registered

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]


def test_the_gateway_may_wait_while_more_runs_are_due_than_are_claimed_ahead(pusher, in_a_cluster):
    dispatch = in_a_cluster.dispatch
    ahead = dispatch.free_slots
    with registered(lambda ctx: None):
        for _ in range(ahead + 1):
            go()
        assert dispatch.backlog_seconds == 0.0
        pusher.dequeue()
        assert dispatch.backlog_seconds == math.inf
        for _ in range(ahead):
            assert dispatch._queues.get_within(0) is not None
        pusher.dequeue()
    assert dispatch.backlog_seconds == 0.0
