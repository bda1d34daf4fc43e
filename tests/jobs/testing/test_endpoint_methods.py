"""The endpoint of tests answers by every method that `step.fetch` has."""

from __future__ import annotations

import pytest

from jobs.fetch.request import METHODS
from jobs.testing import Answer
from tests.support.functions import ran

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("method", METHODS)
def test_each_method_is_recorded_and_answered(method, endpoint):
    endpoint.answers(Answer(body={"said": method}, headers={"X-Own": "yes"}))

    def handler(ctx):
        answer = ctx.step.fetch("call", endpoint.url, method=method)
        return [answer.status_code, answer.headers["X-Own"], answer.text]

    said = "" if method == "HEAD" else f'{{"said": "{method}"}}'
    assert ran(handler).output == [200, "yes", said]
    assert [asked.method for asked in endpoint.asked] == [method]
