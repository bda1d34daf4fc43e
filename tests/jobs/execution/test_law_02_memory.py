"""Law 2: a remembered step never runs again, and gives the same value every time it is asked."""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum

import pytest
from django.db.models import JSONField

from jobs.api import Context
from jobs.execution import records
from jobs.models import Fetch, Step
from jobs.testing import drain, travel
from tests.support.functions import Diary, go, nap, ran, registered, the_run, three_steps

pytestmark = pytest.mark.django_db


class Colour(IntEnum):
    RED = 3


def test_a_run_goes_through_its_steps_once_each():
    diary = Diary()
    run = ran(three_steps(diary))

    assert (run.status, run.output) == ("completed", {"said": "first second third"})
    assert diary.entries == ["first", "second", "third"]
    assert [step.name for step in run.steps.all()] == ["first", "second", "third"]
    assert {step.status for step in run.steps.all()} == {"completed"}
    assert run.steps_done == 3


def test_the_retry_of_a_later_step_repeats_no_earlier_one():
    diary = Diary()

    def handler(ctx: Context) -> None:
        ctx.step.run("pay", diary.write, "pay")
        ctx.step.run("ship", diary.fail_times, "ship", 2)

    with registered(handler):
        go()
        for _ in range(3):
            drain()
            travel(timedelta(seconds=2))
    assert the_run().status == "completed"
    assert diary.entries == ["pay", "ship", "ship", "ship"]


def test_a_wait_repeats_no_step_before_it():
    diary = Diary()
    with registered(nap(diary)):
        go()
        drain()
        travel(timedelta(hours=1))
        drain()
    assert diary.entries == ["before", "after"]


RETURNED = {
    "nothing": (None, None),
    "a tuple": ((1, (2, 3)), [1, [2, 3]]),
    "keys that are numbers": ({1: "a", 2: "b"}, {"1": "a", "2": "b"}),
    "a subclass of int": ({"colour": Colour.RED}, {"colour": 3}),
    "letters of all kinds": ("naïve “söng” 🎵", "naïve “söng” 🎵"),
    "a large number": (2**80, 2**80),
    "a small number": (5e-324, 5e-324),
    "a whole float": (2.0, 2.0),
    "a text that looks like an escape": (r"C:\users\u00e9", r"C:\users\u00e9"),
}


@pytest.mark.parametrize(("returned", "remembered"), RETURNED.values(), ids=RETURNED)
def test_the_first_call_and_every_later_one_give_what_json_gives_back(returned, remembered):
    seen = seen_before_and_after_a_wait(returned)

    assert [repr(value) for value in seen] == [repr(remembered)] * 2


def test_the_keys_of_an_object_come_in_the_same_order_every_time():
    first, later = seen_before_and_after_a_wait({"paris": 1, "rome": 2, "a": 3})

    assert list(first) == list(later)


@pytest.mark.parametrize("number", [1e16, -0.0, 1.5e300])
def test_a_float_stays_the_float_that_it_was(number):
    first, later = seen_before_and_after_a_wait(number)

    assert repr(first) == repr(later)


def test_what_a_step_gave_out_and_the_function_changed_is_remembered_unchanged():
    def handler(ctx: Context) -> list[int]:
        numbers = ctx.step.run("numbers", list, [1, 2])
        numbers.append(3)
        return numbers

    run = ran(handler)
    assert run.steps.get().output == [1, 2]
    assert run.output == [1, 2, 3]


def seen_before_and_after_a_wait(value) -> list:
    seen = []

    def handler(ctx: Context) -> None:
        seen.append(ctx.step.run("value", lambda: value))
        ctx.step.sleep("nap", 60)

    with registered(handler):
        go()
        drain()
        travel(timedelta(minutes=1))
        drain()
    assert the_run().status == "completed"
    return seen


def test_a_workers_records_have_the_columns_of_their_tables():
    columns = [*Step._meta.concrete_fields, *Fetch._meta.concrete_fields]
    is_json = {column.attname for column in columns if isinstance(column, JSONField)}

    assert {*records.STEP, "run_id"} == {f.attname for f in Step._meta.concrete_fields}
    assert {*records.FETCH, "run_id", "created_at"} == {
        f.attname for f in Fetch._meta.concrete_fields
    }
    assert is_json == records.JSON
