"""The endpoint of tests answers by method and path, in order, and as badly as it is told."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from jobs.api import Context, FetchCode, JobsError, StepError
from jobs.testing import Answer, Asked, Endpoint, ran


def ask(endpoint: Endpoint, method: str, path: str, **more: Any) -> tuple[int, Any]:
    response = requests.request(method, f"{endpoint.url}{path}", timeout=10, **more)
    return response.status_code, response.json()


def test_without_an_answer_it_says_200(endpoint):
    assert ask(endpoint, "GET", "/") == (200, {})


def test_a_route_answers_in_order_and_the_last_answer_is_repeated(endpoint):
    endpoint.on("post", "/charges", Answer(402), Answer(body={"id": 1}))
    said = [ask(endpoint, "POST", "/charges?now=1")[0] for _ in range(3)]
    assert said == [402, 200, 200]


def test_a_route_is_chosen_by_method_and_path_and_the_latest_goes_first(endpoint):
    endpoint.on("GET", "/songs/*", Answer(body="all"))
    endpoint.on("GET", "/songs/7", Answer(body="seven"))
    endpoint.on("GET", "/songs/*?full=1", Answer(body="full"))
    endpoint.on("*", "/any", Answer(201))
    paths = ["/songs/8", "/songs/7", "/songs/7?full=1", "/songs/7?full=2"]
    texts = [requests.get(endpoint.url + path, timeout=10).text for path in paths]
    assert texts == ["all", "seven", "full", "seven"]
    assert ask(endpoint, "DELETE", "/any")[0] == 201


def test_what_no_route_fits_is_not_found_and_the_answer_names_the_routes(endpoint):
    endpoint.on("GET", "/songs/7", Answer())
    status, body = ask(endpoint, "POST", "/songs/7")
    assert (status, body) == (404, {"no_route": "POST /songs/7", "routes": ["GET /songs/7"]})


def test_answers_to_anything_go_before_routes(endpoint):
    endpoint.on("GET", "/", Answer(201))
    endpoint.answers(Answer(500))
    assert [ask(endpoint, "GET", "/")[0] for _ in range(2)] == [500, 201]


def test_an_answer_may_be_made_of_the_request(endpoint):
    def doubled(asked: Asked) -> Answer:
        return Answer(body={"n": asked.json()["n"] * 2})

    endpoint.on("POST", "/double", doubled)
    assert ask(endpoint, "POST", "/double", json={"n": 4}) == (200, {"n": 8})


def gives_json(asked: Asked) -> Any:
    return {"n": 1}


def gives_up(asked: Asked) -> Any:
    return asked.json()["n"]


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (gives_json, r"gives_json, .*py:\d+, which returns {'n': 1}; an Answer.* is allowed"),
        (gives_up, r"gives_up, .*py:\d+, which raises KeyError: 'n' \(.*test_endpoint\.py:\d+\)"),
    ],
)
def test_a_function_that_gives_no_answer_is_told_to_the_caller_and_at_the_end(function, sentence):
    served = ExitStack()
    endpoint = served.enter_context(Endpoint().open())
    endpoint.on("POST", "/", function)
    told = requests.post(endpoint.url, json={}, timeout=10)
    assert told.status_code == 400
    assert re.search(f"POST / is answered by .*{sentence}", told.text)
    with pytest.raises(JobsError, match=sentence):
        served.close()


def test_a_route_without_an_answer_is_refused(endpoint):
    with pytest.raises(ValueError, match="needs an Answer"):
        endpoint.on("GET", "/")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(delay=60), FetchCode.TIMEOUT),
        (Answer(hangs=True), FetchCode.TIMEOUT),
        (Answer(drops=True), FetchCode.UNREACHABLE),
        (Answer(breaks_off=True, body="a long answer"), FetchCode.UNUSABLE),
        (Answer(raw=b"good evening\r\n\r\n"), FetchCode.UNUSABLE),
    ],
    ids=["slow", "hangs", "drops", "breaks off", "no HTTP"],
)
@pytest.mark.django_db
def test_it_is_as_slow_or_broken_as_it_is_told(endpoint, answer, code):
    endpoint.on("GET", "/", answer)

    def handler(ctx: Context) -> str:
        try:
            ctx.step.fetch("ask", endpoint.url, timeout=0.2)
        except StepError as error:
            return error.code
        return "answered"

    assert ran(handler, retries=0).output == code
