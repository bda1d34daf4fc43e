"""`make test-postgres` where something is missing: said in one line, and in CI a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgres import __main__ as ways
from tests.postgres import programs


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "DEBIANS", str(tmp_path))
    monkeypatch.setattr(programs, "OLDEST", tmp_path)
    monkeypatch.setattr(ways, "FOLDER", tmp_path / "servers")


INSTALLED = [way for way in ways.WAYS if way != "plain"]  # that one is the wheel's


@pytest.mark.parametrize("way", INSTALLED)
def test_what_is_not_tested_is_said_in_a_line(way: str, monkeypatch, capsys):
    monkeypatch.delenv("CI", raising=False)
    assert ways.main([way]) == 0
    assert capsys.readouterr().out.strip().startswith(f"NOTE: NOT TESTED: {way}. This machine has")


def test_in_ci_it_is_a_failure(monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert ways.main(INSTALLED) == 1


def test_a_second_one_in_the_same_checkout_does_not_take_the_servers_of_the_first(capsys):
    with ways.alone():
        assert ways.main(["direct"]) == 1
    assert "runs in this checkout already" in capsys.readouterr().out


def test_each_file_that_is_chosen_for_a_way_is_there():
    assert [path for path in ways.chosen(ways.CHOSEN) if not path.exists()] == []
