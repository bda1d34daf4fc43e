"""Type checkers know what a typed function gets: mypy and pyright, both strict, of a sample as an
app writes it, and of the cookbook. A “…” in the sample stands for the beginning of what is said.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jobs
from tests.docs.pages import BASE, blocks

SAMPLE = BASE / "tests/typed/orders.py"
MARK = re.compile(r"  # (reveals|refused): (.+)$")
SAID = re.compile(r':(\d+): (?:note: Revealed type is "(.+)"|error: (.+?)(?:  \[[\w-]+\])?)$')
QUALIFIER = re.compile(r"\b(?:\w+\.)+(?=\w)")
# Without mypy's plugin the fields of Django's models have no types.
PYRIGHT = {"typeCheckingMode": "strict", "reportUnknownMemberType": False, "pythonVersion": "3.11"}


def expected() -> dict[int, str]:
    lines = enumerate(SAMPLE.read_text().splitlines(), start=1)
    return {number: found[2] for number, line in lines if (found := MARK.search(line))}


def is_refused(line: int) -> bool:
    found = MARK.search(SAMPLE.read_text().splitlines()[line - 1])
    return found is not None and found[1] == "refused"


@pytest.fixture(scope="module")
def cookbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = tmp_path_factory.mktemp("cookbook") / "cookbook.py"
    page.write_text("\n\n".join(blocks(BASE / "docs/cookbook.md", "python")))
    return page


def mypy(file: Path) -> str:
    strict = ["--strict", "--follow-imports", "silent", "--cache-dir", ".mypy_cache/typed"]
    asked = [sys.executable, "-m", "mypy", *strict, str(file)]
    told = subprocess.run(asked, cwd=BASE, capture_output=True, text=True, check=False)
    return told.stdout + told.stderr


@pytest.fixture(scope="module")
def pyright(cookbook: Path) -> dict[str, list[Any]]:
    """What it says of both files, by their names."""
    where = {"include": [str(SAMPLE), str(cookbook)], "extraPaths": [str(BASE)]}
    settings = cookbook.parent / "pyrightconfig.json"
    settings.write_text(json.dumps(PYRIGHT | where))
    python = ["--pythonpath", sys.executable]
    asked = [sys.executable, "-m", "basedpyright", "-p", str(settings), "--outputjson", *python]
    told = subprocess.run(asked, cwd=BASE, capture_output=True, text=True, check=False)
    report = json.loads(told.stdout)
    assert report["summary"]["filesAnalyzed"] == 2, told.stdout + told.stderr
    found: dict[str, list[Any]] = {SAMPLE.name: [], cookbook.name: []}
    for said in report["generalDiagnostics"]:
        found[Path(said["file"]).name].append(said)
    return found


def test_the_engine_says_that_it_is_typed():
    assert (Path(jobs.__file__).parent / "py.typed").is_file()


def test_mypy_reveals_and_refuses_in_the_sample_what_stands_behind_each_line_and_nothing_else():
    told = mypy(SAMPLE.relative_to(BASE))
    found = {int(m[1]): m[2] or m[3] for m in map(SAID.search, told.splitlines()) if m}
    wanted = expected()
    assert found.keys() == wanted.keys(), told
    for line, said in wanted.items():
        assert found[line].endswith(said.removeprefix("…")), told
    assert len(found) >= 12


def test_pyright_reveals_the_same_and_refuses_the_same_lines(pyright):
    revealed = dict(reveals(pyright[SAMPLE.name]))
    wanted = expected()
    assert revealed == {
        line: QUALIFIER.sub("", wanted[line]) for line in wanted if not is_refused(line)
    }
    refused = {line_of(said) for said in pyright[SAMPLE.name] if said["severity"] == "error"}
    assert refused == set(filter(is_refused, wanted))


def reveals(said: list[Any]) -> Iterator[tuple[int, str]]:
    for one in said:
        if one["severity"] == "information":
            yield line_of(one), re.findall(r'is "(.+)"$', one["message"])[0]


def line_of(said: Any) -> int:
    return int(said["range"]["start"]["line"]) + 1


def test_the_cookbook_is_typed_for_both(cookbook, pyright):
    assert "Success: no issues found in 1 source file" in mypy(cookbook)
    assert [said["message"] for said in pyright[cookbook.name]] == []
