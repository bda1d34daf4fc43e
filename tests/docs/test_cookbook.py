"""The code of the papers for authors is a module each, whose tests pass."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jobs.registry import catalog
from jobs.testing import Endpoint
from tests.docs.pages import BASE, blocks

pytestmark = pytest.mark.django_db
PAGES = [
    BASE / f"docs/{name}.md"
    for name in ("cookbook", "first-function", "code-changes", "compensation")
]


def source(page: Path) -> str:
    return "\n\n".join(blocks(page, "python"))


def name_of(page: Path) -> str:
    return f"docs_{page.stem.replace('-', '_')}"


@pytest.fixture
def loaded(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    page = request.param
    known = set(catalog.ids())
    module = sys.modules[name_of(page)] = ModuleType(name_of(page))
    exec(compile(source(page), str(page), "exec"), module.__dict__)
    yield module
    for fn_id in set(catalog.ids()) - known:
        catalog.unregister(fn_id)
    del sys.modules[name_of(page)]


@pytest.fixture
def endpoint(settings: Any) -> Iterator[Endpoint]:
    """As the fixture of jobs.testing.pytest_plugin, which the papers use."""
    with Endpoint().open() as endpoint:
        settings.JOBS = {**settings.JOBS, "ALLOWED_HOSTS": [endpoint.host]}
        yield endpoint


def examples() -> Iterator[Any]:
    for page in PAGES:
        for name in re.findall(r"^def (test_\w+)\(", source(page), re.M):
            yield pytest.param(page, name, id=f"{page.stem}-{name}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_of_them_has_examples(page: Path) -> None:
    assert "def test_" in source(page)


@pytest.mark.parametrize(("loaded", "name"), list(examples()), indirect=["loaded"])
def test_a_recipe_passes(loaded: ModuleType, name: str, request: pytest.FixtureRequest) -> None:
    example = getattr(loaded, name)
    for given in cases(example):
        wanted = list(example.__code__.co_varnames[: example.__code__.co_argcount])
        fixtures = {arg: request.getfixturevalue(arg) for arg in wanted if arg not in given}
        example(**fixtures, **given)
        if "endpoint" in fixtures:
            fixtures["endpoint"].asked.clear()


def cases(example: Any) -> list[dict[str, Any]]:
    """The values of its `parametrize`, or one case without any."""
    marks = [mark for mark in getattr(example, "pytestmark", []) if mark.name == "parametrize"]
    if not marks:
        return [{}]
    names, values = marks[0].args
    return [dict(zip(names, row, strict=True)) for row in values]
