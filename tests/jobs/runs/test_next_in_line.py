"""A run that ends may leave its worker the next one of its line, by the same rules as any other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.api import Concurrency, Context, pause
from jobs.execution.executor import execute
from jobs.execution.observer import NullObserver
from jobs.models import Run
from jobs.runs.claiming import claim_due
from jobs.runs.next_in_line import LONELY_ENDS
from jobs.testing import drain, travel
from tests.support.functions import go, registered

pytestmark = pytest.mark.django_db
PER_USER = [Concurrency(limit=1, key="event.data.user")]


class Eager(NullObserver):
    """A worker's worker table, on which it may go on."""

    may_take_next = True


def works(ctx: Context) -> int:
    if ctx.event.data.get("fails"):
        raise ValueError("no")
    return ctx.event.data["number"]


def order(*users: str, **data: object) -> list[Run]:
    return [go({"number": number, "user": user, **data}) for number, user in enumerate(users)]


def test_the_next_of_the_line_is_leased_as_the_run_ends():
    with registered(works, concurrency=PER_USER):
        _, second, third = order("ann", "ann", "ann")
        (taken,) = claim_due(10, "here")
        following = execute(taken, Eager())
        assert following is not None
        assert (following.run_id, following.worker) == (second.id, "here")
        assert following.event["data"]["number"] == 1
        second.refresh_from_db()
        assert (second.status, second.lease_token) == ("running", following.token)
        assert (second.turns_held, second.due_at) == (1, None)
        assert claim_due(10) == []

        last = execute(following, Eager())
        assert last is not None
        assert last.run_id == third.id
        assert execute(last, Eager()) is None
    assert set(Run.objects.values_list("status", "output")) == {("completed", n) for n in range(3)}


def test_where_lines_have_been_short_the_next_is_woken_and_the_one_behind_it_leased():
    worker = Eager()
    with registered(works, concurrency=PER_USER):
        for number in range(LONELY_ENDS):
            order(f"user {number}")
            assert execute(*claim_due(10), worker) is None
        _, second, third = order("ann", "ann", "ann")
        assert execute(*claim_due(10), worker) is None
        (taken,) = claim_due(10)
        assert taken.run_id == second.id
        following = execute(taken, worker)
    assert following is not None
    assert following.run_id == third.id


def test_a_worker_that_may_not_go_on_wakes_the_next():
    with registered(works, concurrency=PER_USER):
        _, second = order("ann", "ann")
        assert execute(*claim_due(10)) is None
        assert [c.run_id for c in claim_due(10)] == [second.id]


def test_another_users_line_is_none_of_its_business():
    with registered(works, concurrency=PER_USER):
        order("ann", "bob")
        mine, _ = claim_due(10)
        assert execute(mine, Eager()) is None


def test_a_run_that_is_next_but_one_hand_too_many_is_woken_instead():
    """Two of a limit of two are at work: who comes due first takes the turn that is left."""
    with registered(works, concurrency=[Concurrency(limit=2, key="event.data.user")]):
        *_, third, fourth = order("ann", "ann", "ann", "ann")
        one, other = claim_due(10)
        following = execute(one, Eager())
        assert following is not None
        assert following.run_id == third.id
        execute(other)
        assert [c.run_id for c in claim_due(10)] == [fourth.id]


def test_a_run_that_was_woken_before_goes_first():
    with registered(works, concurrency=PER_USER):
        _, second, third = order("ann", "ann", "ann")
        (taken,) = claim_due(10)
        Run.objects.filter(id=second.id).update(due_at=second.created_at, reason="")
        assert execute(taken, Eager()) is None
        assert [c.run_id for c in claim_due(1)] == [second.id]
        third.refresh_from_db()
        assert third.turns_held == 0


def test_the_next_of_a_function_that_is_to_stand_still_is_not_begun():
    with registered(works, concurrency=PER_USER) as function:
        _, second = order("ann", "ann")
        (taken,) = claim_due(10)
        pause(function.fn_id, stop_running=True)
        assert execute(taken, Eager()) is None
        assert claim_due(10) == []
        second.refresh_from_db()
        assert (second.reason, second.turns_held) == ("paused", 0)


def test_a_run_that_fails_passes_its_turn_on_all_the_same():
    with registered(works, concurrency=PER_USER, retries=0):
        first, second = order("ann", "ann", fails=True)
        assert execute(*claim_due(10), Eager()) is None
        first.refresh_from_db()
        assert first.status == "failed"
        assert [c.run_id for c in claim_due(10)] == [second.id]


def test_a_worker_that_dies_before_it_has_gone_on_costs_a_lease():
    with registered(works, concurrency=PER_USER):
        order("ann", "ann", "ann")
        assert execute(*claim_due(10), Eager()) is not None  # and nobody executes it
        travel(timedelta(minutes=1))
        drain()
    assert set(Run.objects.values_list("status", flat=True)) == {"completed"}
