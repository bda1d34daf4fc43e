"""Functions of a test: registered for a block, run, and found."""

from __future__ import annotations

import pytest

from jobs.api import TriggerEvent
from jobs.errors import JobsError
from jobs.testing import ran, registered

pytestmark = pytest.mark.django_db


def test_a_run_that_was_there_before_is_not_taken_for_the_one_that_is_asked_for():
    picky = TriggerEvent(event="test/go", if_exp="event.data.n > 1")
    with registered(lambda ctx: ctx.event.data["n"], trigger=picky) as function:
        assert ran(function, {"n": 2}).output == 2
        with pytest.raises(AssertionError, match=r"condition .* is not met"):
            ran(function, {"n": 1})


def test_options_of_a_function_that_is_registered_are_refused():
    told = pytest.raises(JobsError, match=r"ran\(test-function, skip_tim=…\)")
    with registered(lambda ctx: 1) as function, told:
        ran(function, skip_tim=True)
