"""The first look at the panel says in a sentence whether all is well."""

from __future__ import annotations

import pytest

from jobs.metrics.functions import functions
from jobs.metrics.overview import overview
from jobs.metrics.spans import SPANS
from jobs.metrics.steps import steps
from tests.functions import ran

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("key", SPANS)
def test_what_ended_is_counted_in_every_span(key: str):
    ran(lambda ctx: ctx.step.run("first", lambda: 1))
    seen = overview(SPANS[key])
    assert seen.charts.all.total.completed == 1
    assert seen.charts.of("test-function").total.completed == 1
    assert [f.series.total.completed for f in functions(seen.charts) if f.fn_id == "test-function"]
    (step,) = steps("test-function", SPANS[key]).steps
    assert (step.name, step.runs, step.failed) == ("first", 1, 0)


def test_without_a_cluster_the_sentence_says_so():
    assert overview(SPANS["1h"]).sentence == "No cluster has ever been heard of."
