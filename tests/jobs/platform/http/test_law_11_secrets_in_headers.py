"""Secrets go out in headers and come back in nothing."""

from __future__ import annotations

import pytest

from jobs.lib.secrets import Secret
from tests.support.hostile_endpoint import (
    Adversary,
    allow,
    answer,
    ask,
    is_final,
    message,
    redirect,
    says,
)

SECRET = "wk-Canary-51c2"
HEADERS = {"Modal-Key": Secret("MODAL_KEY").reference()}


@pytest.fixture(autouse=True)
def _secret(settings):
    settings.MODAL_KEY = SECRET


def test_a_secret_is_sent_and_only_its_name_comes_back(settings):
    with Adversary(answer(f"you said {SECRET}".encode(), 200, X_Echo=SECRET)) as server:
        allow(settings, server)
        outcome = ask(server.url, headers=HEADERS)
    assert server.heard[0].headers["modal-key"] == SECRET
    assert outcome.response is not None
    assert outcome.response["body"] == "you said [MODAL_KEY]"
    assert SECRET not in str(outcome)


@pytest.mark.parametrize(
    "manner",
    [
        says(f"I know {SECRET}\r\n".encode()),
        redirect(f"http://{SECRET}.test/"),
        redirect(f"{SECRET}:x"),
        answer(Content_Encoding=SECRET),
        says(f"HTTP/1.1 {SECRET} OK\r\n\r\n".encode()),
    ],
)
def test_no_error_tells_a_secret(settings, manner):
    with Adversary(manner) as server:
        allow(settings, server)
        outcome = ask(server.url, headers=HEADERS)
    assert server.heard[0].headers["modal-key"] == SECRET
    assert outcome.error is not None
    assert SECRET.lower() not in str(outcome).lower()


def test_a_result_url_that_holds_a_secret_is_not_remembered(settings):
    remembered: list[str] = []
    with Adversary(redirect(f"/result?key={SECRET}")) as server:
        allow(settings, server)
        outcome = ask(server.url, headers=HEADERS, remember=remembered.append)
    assert message(outcome) == "it redirects (303) to an address that holds a secret"
    assert is_final(outcome)
    assert remembered == []


@pytest.mark.parametrize("name", ["two words", "a:b", "line\r\nbreak", "ü", ""])
def test_what_is_no_header_s_name_is_a_final_error(settings, name):
    with Adversary(answer()) as server:
        allow(settings, server)
        outcome = ask(server.url, headers={name: "x"})
    assert "is not a header's name" in message(outcome)
    assert is_final(outcome)


@pytest.mark.parametrize("value", ["two\nlines-of-it", "ends-with-a-line-break\n", "nul\0nul"])
def test_a_secret_that_no_header_can_hold_is_said_without_telling_it(settings, value):
    settings.MODAL_KEY = value
    with Adversary(answer()) as server:
        allow(settings, server)
        outcome = ask(server.url, headers=HEADERS)
    assert "header 'Modal-Key'" in message(outcome)
    assert is_final(outcome)
    assert value not in str(outcome)
    assert repr(value)[1:-1] not in str(outcome)
    assert server.connections == 0


def test_a_secret_that_is_missing_is_a_final_error_that_names_its_setting(settings):
    settings.MODAL_KEY = ""
    with Adversary(answer()) as server:
        allow(settings, server)
        outcome = ask(server.url, headers=HEADERS)
    assert "settings.MODAL_KEY" in message(outcome)
    assert is_final(outcome)
    assert server.connections == 0


def test_a_header_that_is_not_ascii_is_sent_as_utf_8(settings):
    with Adversary(answer()) as server:
        allow(settings, server)
        assert ask(server.url, headers={"X-Title": "Für Elise ♪"}).error is None
    sent = server.heard[0].headers["x-title"].encode("latin-1").decode()
    assert sent == "Für Elise ♪"
