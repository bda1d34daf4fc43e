"""The papers are a site: each has its place, each link leads somewhere, the signatures are the
code's."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from docs.tools import signatures, site
from jobs import api
from jobs.execution.steps import Steps

NAV = (site.ROOT / "mkdocs.yml").read_text()


def test_every_paper_has_its_place_in_the_navigation() -> None:
    assert [str(place) for place in site.pages().values() if f": {place}\n" not in NAV] == []


def test_the_site_is_built_and_no_link_leads_nowhere(tmp_path: Path) -> None:
    site.gather()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=site.ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "signatures.html").exists()
    assert "create_function" in (tmp_path / "search" / "search_index.json").read_text()
    for page in tmp_path.glob("*.html"):
        assert "fonts.googleapis" not in page.read_text()


def test_the_page_of_signatures_is_the_codes() -> None:
    assert signatures.PAGE.read_text() == signatures.page(), "run `make docs`"


def test_every_public_name_stands_on_it() -> None:
    page = signatures.page()
    assert [name for name in api.__all__ if f"### `{name}`\n" not in page] == []


OPTIONS = [("create_function", api.create_function)] + [
    (f"step.{name}", method) for name, method in signatures.methods(Steps)
]
PASSED_ON = {"id", "fn", "args", "kwargs"}  # of a step and its body, as in every call


@pytest.mark.parametrize(("name", "thing"), OPTIONS, ids=[name for name, _ in OPTIONS])
def test_every_option_is_told_of_in_the_docstring(name: str, thing: Any) -> None:
    said = inspect.getdoc(thing) or ""
    given = [one.name for one in signatures.parameters(thing) if one.name not in PASSED_ON]
    assert [option for option in given if f"`{option}" not in said] == []


ASSIGNED = re.compile(r"^ +self\.([a-z]\w*)(?:: [^=]+)?(?:, self\.([a-z]\w*))? = ", re.M)
OF_THE_ENGINE = {"runner"}


@pytest.mark.parametrize("name", ["Context", "Response", "StepError", "RunFailed", "RunUnfinished"])
def test_every_attribute_of_what_a_function_gets_stands_on_it(name: str) -> None:
    thing = getattr(api, name)
    made = {each for pair in ASSIGNED.findall(inspect.getsource(thing.__init__)) for each in pair}
    if issubclass(thing, api.JobsError):
        made |= {"code", "status_code", "body", "headers"}
    told = signatures.attributes(thing)
    assert [each for each in made - OF_THE_ENGINE - {""} if f"| `{each}` |" not in told] == []
    assert len(made) > 2
