"""A module's constant has one value: of two with one name, each line above the second means the
first, and each function the second."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WINGS = ("jobs", "songs", "melodymaker")
MODULES = [path for wing in WINGS for path in sorted((ROOT / wing).rglob("*.py"))]


def constants(path: Path) -> Iterator[str]:
    """The names in capitals that the module's own lines assign."""
    for line in ast.parse(path.read_text()).body:
        if isinstance(line, ast.Assign | ast.AnnAssign):
            for part in ast.walk(line):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    yield part.id


@pytest.mark.parametrize("wing", WINGS)
def test_no_module_gives_one_name_to_two_constants(wing: str) -> None:
    assert MODULES
    twice = {
        str(path.relative_to(ROOT)): [name for name, count in found.items() if count > 1]
        for path in MODULES
        if path.is_relative_to(ROOT / wing)
        and (found := Counter(name for name in constants(path) if name.isupper()))
    }
    assert {path: names for path, names in twice.items() if names} == {}
