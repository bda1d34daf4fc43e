"""JOBS["ALLOWED_HOSTS"] and ["PRIVATE_HOSTS"] hold hosts, which is told when a process starts."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks

GOOD = ["a.test", "a.test:8001", "127.0.0.1:9", "[::1]:80", "localhost:8001", " a.test "]
WRONG = {
    "https://a.test": "without “https://” and without a path. Write 'a.test'.",
    "https://me@a.test:8001/charges?x=1": "Write 'a.test:8001'.",
    "a.test/charges": "Write 'a.test'.",
    "*.a.test": "a host or host:port is allowed",
    "a.test:port": "a host or host:port is allowed",
    "": "a host or host:port is allowed",
    "a.test b.test": "a host or host:port is allowed",
}


def told(settings: Any, name: str, hosts: Any) -> list[str]:
    settings.JOBS = {**settings.JOBS, name: hosts}
    return [message.msg for message in run_checks() if message.id == "jobs.E017"]


@pytest.mark.parametrize("name", ["ALLOWED_HOSTS", "PRIVATE_HOSTS"])
@pytest.mark.parametrize(("given", "sentence"), WRONG.items(), ids=map(repr, WRONG))
def test_what_is_no_host_is_told_with_the_host_in_it(settings, name, given, sentence):
    (said,) = told(settings, name, [*GOOD, given])
    assert f'JOBS["{name}"] has {given!r}' in said
    assert sentence in said


def test_hosts_with_and_without_a_port_are_taken(settings):
    assert told(settings, "ALLOWED_HOSTS", GOOD) == []


def test_a_text_in_place_of_a_list_is_told(settings):
    (said,) = told(settings, "ALLOWED_HOSTS", "a.test")
    assert said == """JOBS["ALLOWED_HOSTS"] = 'a.test': a list of hosts is allowed."""
