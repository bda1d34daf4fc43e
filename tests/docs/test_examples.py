"""The examples of docs/testing.md are a module whose tests pass."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from jobs.registry import catalog
from tests.docs.pages import BASE, blocks

pytestmark = pytest.mark.django_db
PAGE = BASE / "docs/testing.md"
SOURCE = "\n\n".join(blocks(PAGE, "python"))
NAME = "docs_testing_examples"


@pytest.fixture
def examples() -> Iterator[ModuleType]:
    module = sys.modules[NAME] = ModuleType(NAME)
    exec(compile(SOURCE, str(PAGE), "exec"), module.__dict__)
    yield module
    catalog.unregister("remind-to-pay")
    catalog.unregister("convert")
    catalog.unregister("collect")
    del sys.modules[NAME]


def cases() -> list[Any]:
    """The page's tests, each with a transaction of its own or without one, as it says."""
    found = re.findall(r"(transaction=True\)\n)?^def (test_\w+)", SOURCE, re.M)
    commits = pytest.mark.django_db(transaction=True)
    return [pytest.param(name, marks=[commits] if says else []) for says, name in found]


@pytest.mark.parametrize("name", cases())
def test_an_example_passes(name: str, examples: ModuleType, request: pytest.FixtureRequest):
    example = getattr(examples, name)
    example(*map(request.getfixturevalue, inspect.signature(example).parameters))
