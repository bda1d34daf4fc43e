"""`make test-nginx` where nginx is missing: said in one line, and in CI a failure."""

from __future__ import annotations

import pytest

from tests.nginx import __main__ as way


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "program", lambda: None)


def test_what_is_not_tested_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert way.main([]) == 0
    assert (
        "NOTE: NOT TESTED: deploy/nginx.conf. This machine has no nginx" in capsys.readouterr().out
    )


def test_in_ci_it_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert way.main([]) == 1


def test_what_it_runs_is_there() -> None:
    assert way.TESTS.is_file()
