"""Arrows point one way: `songs → jobs.api`, and `jobs` knows nothing of songs."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest
from importlinter import api
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
ENGINE = sorted((ROOT / "jobs").rglob("*.py"))


@pytest.fixture
def loggers():
    """The import linter sets up logging for itself, and everybody else's loggers off."""
    before = {name: logging.getLogger(name).disabled for name in logging.root.manager.loggerDict}
    yield
    for name, was_disabled in before.items():
        logging.getLogger(name).disabled = was_disabled


@pytest.mark.usefixtures("loggers")
def test_the_contracts_of_the_import_linter_are_kept(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)

    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_there_are_contracts_to_keep():
    contracts = api.read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]

    assert any(
        contract["source_modules"] == ["jobs"] and "songs" in contract["forbidden_modules"]
        for contract in contracts
        if contract["type"] == "forbidden"
    )


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_of_the_engine_imports_the_product(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.split(".")[0])
    assert not imported & {"songs", "melodymaker", "tests"}
