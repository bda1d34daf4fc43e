"""Arrows point one way: the contracts of pyproject.toml are kept, and are whole."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest
from importlinter import api
from importlinter.cli import lint_imports

import jobs

ENGINE = Path(jobs.__file__).parent
ROOT = ENGINE.parent
MODULES = sorted(ENGINE.rglob("*.py"))
DOORS = {"admin", "models", "testing"}  # wings whose __init__ hands on or sets up
NO_WINGS = {"migrations", "templatetags"}  # Django's folders
WINGS = [
    path
    for path in sorted(ENGINE.rglob("__init__.py"))
    if path.parent != ENGINE and path.parent.name not in NO_WINGS
]


@pytest.fixture
def loggers():
    """The import linter sets up logging for itself, and all other loggers off."""
    before = {name: logging.getLogger(name).disabled for name in logging.root.manager.loggerDict}
    yield
    for name, was_disabled in before.items():
        logging.getLogger(name).disabled = was_disabled


@pytest.mark.usefixtures("loggers")
def test_the_contracts_of_the_import_linter_are_kept(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)

    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


@pytest.fixture
def contracts() -> list[dict]:
    return api.read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]


def test_the_engine_is_forbidden_the_product(contracts):
    forbidden = [
        c for c in contracts if c["type"] == "forbidden" and "songs" in c["forbidden_modules"]
    ]

    assert [contract["source_modules"] for contract in forbidden] == [["jobs"]]


def test_a_module_that_is_not_opened_is_shut_to_the_product(contracts):
    [door] = [contract for contract in contracts if contract["type"] == "protected"]

    assert (door["protected_modules"], door["allowed_importers"]) == (["jobs.*"], ["jobs"])
    assert {line.split(" -> ")[1] for line in door["ignore_imports"]} == {"jobs.api"}


def test_a_module_that_stands_in_no_layer_is_an_error(contracts):
    layers = [contract for contract in contracts if contract["type"] == "layers"]

    assert [contract["containers"] for contract in layers] == [["jobs"], ["jobs.platform"]]
    assert all(contract["exhaustive"] for contract in layers)


@pytest.mark.parametrize("path", WINGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_wing_has_a_caption(path):
    """`head -qn1 jobs/*/__init__.py` prints the plan of the house."""
    tree = ast.parse(path.read_text())
    caption = (ast.get_docstring(tree) or "").splitlines()[:1]

    assert caption
    assert caption[0].endswith(".")
    assert path.parent.name in DOORS or len(tree.body) == 1


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_of_the_engine_imports_the_product(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.split(".")[0])
    assert not imported & {"songs", "melodymaker", "tests"}
