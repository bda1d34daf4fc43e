"""What a run's steps have left is read when the function asks for it, and is not kept."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from jobs.api import Context
from jobs.execution.executor import execute
from jobs.execution.records import OUTPUTS_AT_ONCE
from jobs.models import Run, Step
from jobs.runs.claiming import claim_due
from jobs.testing import Answer, drain, travel
from tests.support.functions import Diary, at_once, go, registered, the_run
from tests.support.received_bytes import Received, received

pytestmark = pytest.mark.django_db

ROW = 400  # bytes that a step's row has beside its output, at most
PAGE = 30_000
LARGE = 300_000
READ, ASKED_FOR = "FROM (SELECT *,", "SELECT name, output FROM jobs_step"


def text_of(number: int, size: int) -> str:
    """A text that no other step returns."""
    return f"{number:06}" * (size // 6)


def returns(sizes: list[int]) -> Callable[[Context], list[str]]:
    """Steps that return texts of such sizes, and an hour's sleep behind them."""

    def handler(ctx: Context) -> list[str]:
        found = [ctx.step.run(f"step-{n}", text_of, n, size)[:6] for n, size in enumerate(sizes)]
        ctx.step.sleep("nap", 3600)
        return found

    return handler


def in_order(count: int) -> list[str]:
    return [f"{number:06}" for number in range(count)]


def went_on() -> Received:
    """What the worker reads when the run that sleeps goes on."""
    travel(timedelta(hours=1))
    (claimed,) = claim_due(1)
    with received() as seen:
        execute(claimed)
    return seen


def replayed(handler: Any) -> Received:
    with registered(handler):
        go()
        drain()
        return went_on()


def test_the_little_that_most_runs_remember_comes_in_one_trip():
    seen = replayed(returns([1_000] * 10))

    assert the_run().output == in_order(10)
    assert (len(seen.of(READ)), seen.of(ASKED_FOR)) == (1, [])
    assert seen.bytes < 10 * (1_000 + ROW)


def test_a_large_memory_is_read_piece_by_piece_and_each_piece_once():
    seen = replayed(returns([PAGE] * 60))

    assert the_run().output == in_order(60)
    assert seen.largest <= OUTPUTS_AT_ONCE + 61 * ROW
    assert seen.bytes <= 60 * PAGE + 61 * ROW
    assert len(seen.of(ASKED_FOR)) == 7  # eight at a time, of which the first came with the rows


def test_an_output_that_is_large_by_itself_comes_alone_and_the_small_ones_around_it_with_the_rows():
    seen = replayed(returns([100, LARGE, 100, 100, LARGE, 100]))

    assert the_run().output == in_order(6)
    assert seen.of(READ)[0] < 7 * (ROW + 100)
    assert [size // OUTPUTS_AT_ONCE for size in seen.of(ASKED_FOR)] == [1, 1]


def test_what_the_function_does_not_ask_for_any_more_is_not_read():
    whole = returns([PAGE] * 60)
    with registered(whole):
        go()
        drain()

    def only_one(ctx: Context) -> str:
        last = ctx.step.run("step-59", text_of, 59, PAGE)
        ctx.step.sleep("nap", 3600)
        return last[:6]

    with registered(only_one):
        seen = went_on()
    assert the_run().output == "000059"
    assert seen.bytes < OUTPUTS_AT_ONCE + PAGE + 62 * ROW


def test_in_another_order_each_step_has_its_own_output_and_little_is_held_at_a_time():
    with registered(returns([PAGE] * 40)):
        go()
        drain()

    def backwards(ctx: Context) -> list[str]:
        numbers = [*range(39, -1, -2), *range(38, -1, -2)]
        found = {n: ctx.step.run(f"step-{n}", text_of, n, PAGE)[:6] for n in numbers}
        ctx.step.sleep("nap", 3600)
        return [found[n] for n in range(40)]

    with registered(backwards):
        seen = went_on()
    assert the_run().output == in_order(40)
    assert seen.largest <= OUTPUTS_AT_ONCE + 41 * ROW


def test_rows_that_are_older_than_the_count_of_their_bytes_are_read_all_the_same():
    with registered(returns([PAGE, LARGE, 100])):
        go()
        drain()
        Step.objects.update(output_bytes=None)
        went_on()
    assert the_run().output == in_order(3)


def test_large_answers_of_requests_come_when_they_are_asked_for(endpoint):
    endpoint.answers(*(Answer(body=text_of(n, LARGE)) for n in range(4)))

    def handler(ctx: Context) -> list[str]:
        asked = [lambda n=n: ctx.step.fetch(f"call-{n}", endpoint.url).text[:6] for n in range(4)]
        found = ctx.step.parallel(asked)
        ctx.step.sleep("nap", 3600)
        return sorted(found)

    seen = replayed(handler)
    assert the_run().output == in_order(4)
    assert len(endpoint.asked) == 4
    assert [size // OUTPUTS_AT_ONCE for size in seen.of(ASKED_FOR)] == [1] * 4


def test_the_body_of_a_request_that_was_sent_is_not_read_again(endpoint):
    with registered(lambda ctx: ctx.step.fetch("call", endpoint.url, data="x" * LARGE).text):
        go()
        (claimed,) = claim_due(1)
        execute(claimed)
        Run.objects.update(due_at=Run.objects.get().created_at)
        (claimed,) = claim_due(1)
        with received() as seen:
            execute(claimed)
        assert seen.bytes < 10 * ROW
        drain()
    assert (the_run().status, endpoint.asked[0].body) == ("completed", "x" * LARGE)


MARK = "a list that no other test makes"


def test_what_a_step_has_returned_is_kept_no_longer_than_until_it_is_committed():
    counted = []

    def kept() -> int:
        gc.collect()
        return sum(type(held) is list and held[:1] == [MARK] for held in gc.get_objects())

    def handler(ctx: Context) -> None:
        ctx.step.run("list", lambda: [MARK] * 100)
        counted.append(ctx.step.run("count", kept, atomic=False))  # commits what came before
        ctx.step.sleep("nap", 3600)

    replayed(handler)
    assert counted == [0, 0]
    assert Step.objects.get(name="list").output == [MARK] * 100


@pytest.mark.django_db(transaction=True)
def test_an_outage_while_an_output_is_read_is_no_error_that_the_function_could_catch():
    diary = Diary()

    def cut_off() -> None:
        pid = connection.connection.info.backend_pid
        at_once(lambda: connection.cursor().execute("SELECT pg_terminate_backend(%s, 5000)", [pid]))

    def handler(ctx: Context) -> int:
        if diary.entries == ["large"]:
            diary.write("cut off")
            cut_off()
        try:
            size = len(ctx.step.run("large", lambda: diary.write("large") and "x" * LARGE))
        except Exception:
            size = ctx.step.run("another way", int)
        ctx.step.sleep("nap", 3600)
        return size

    with registered(handler, retries=0):
        go()
        drain()
        travel(timedelta(hours=1))
        drain()
        drain()
    assert (the_run().status, the_run().output) == ("completed", LARGE)
    assert diary.entries == ["large", "cut off"]


def test_a_run_that_was_forgotten_meanwhile_is_let_go(caplog):
    def handler(ctx: Context) -> None:
        Step.objects.filter(run_id=ctx.run_id).delete()
        ctx.step.run("large", lambda: "x" * LARGE)
        ctx.step.sleep("nap", 3600)

    with registered(handler):
        go()
        drain()
        went_on()
    assert "Let go" in caplog.text
    assert "forgotten" in caplog.text
    assert (the_run().status, Step.objects.count()) == ("running", 0)
