"""The examples of docs/compensation.md are a module whose tests pass."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from jobs.registry import catalog
from tests.docs.pages import BASE, blocks

pytestmark = pytest.mark.django_db
PAGE = BASE / "docs/compensation.md"
SOURCE = "\n\n".join(blocks(PAGE, "python"))
NAME = "docs_compensation_examples"
TESTS = re.findall(r"^def (test_\w+)", SOURCE, re.M)


@pytest.fixture
def examples() -> Iterator[ModuleType]:
    module = sys.modules[NAME] = ModuleType(NAME)
    exec(compile(SOURCE, str(PAGE), "exec"), module.__dict__)
    yield module
    catalog.unregister("book-trip")
    catalog.unregister("book-tour")
    del sys.modules[NAME]


def test_the_paper_has_examples():
    assert len(TESTS) == 3


@pytest.mark.parametrize("name", TESTS)
def test_an_example_passes(name: str, examples: ModuleType):
    example = getattr(examples, name)
    assert not inspect.signature(example).parameters
    example()
