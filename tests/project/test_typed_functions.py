"""Type checkers know what a typed function gets: mypy, strict, of a sample as an app writes it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import jobs
from tests.docs.pages import BASE

SAMPLE = BASE / "tests/typed/orders.py"
MARK = re.compile(r"  # (reveals|refused): (.+)$")
SAID = re.compile(r':(\d+): (?:note: Revealed type is "(.+)"|error: (.+?)(?:  \[[\w-]+\])?)$')


def expected() -> dict[int, str]:
    lines = enumerate(SAMPLE.read_text().splitlines(), start=1)
    return {number: found[2] for number, line in lines if (found := MARK.search(line))}


def test_the_engine_says_that_it_is_typed():
    assert (Path(jobs.__file__).parent / "py.typed").is_file()


def test_mypy_reveals_and_refuses_in_the_sample_what_stands_behind_each_line_and_nothing_else():
    strict = ["--strict", "--follow-imports", "silent", "--cache-dir", ".mypy_cache/typed"]
    asked = [sys.executable, "-m", "mypy", *strict, str(SAMPLE.relative_to(BASE))]
    told = subprocess.run(asked, cwd=BASE, capture_output=True, text=True, check=False)
    found = {int(m[1]): m[2] or m[3] for m in map(SAID.search, told.stdout.splitlines()) if m}
    assert found == expected(), told.stdout + told.stderr
    assert len(found) >= 9
