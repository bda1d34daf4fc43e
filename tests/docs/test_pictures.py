"""The drawn pictures say what is so: files, processes and threads."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.docs.pages import BASE

PICTURES = sorted((BASE / "docs").glob("*.svg"))
PROCESSES = BASE / "docs/processes.svg"
MAP = BASE / "jobs/cluster/__init__.py"
FILE = re.compile(r"[\w./-]+\.(?:py|md|sh)\b")


def texts(picture: Path, kind: str = "") -> list[str]:
    """What its texts say, or those of one class."""
    found = ElementTree.fromstring(picture.read_text()).iter("{http://www.w3.org/2000/svg}text")
    return [
        "".join(text.itertext())
        for text in found
        if not kind or kind in text.get("class", "").split()
    ]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_file_that_a_picture_names_exists(picture: Path):
    named = [name for text in texts(picture) for name in FILE.findall(text)]
    assert [name for name in named if not (BASE / name).is_file()] == []


def test_the_way_of_a_song_names_files():
    named = {name for text in texts(BASE / "docs/way-of-a-song.svg") for name in FILE.findall(text)}
    assert {"songs/functions.py", "jobs/cluster/pusher.py", "jobs/fetch/gateway.py"} <= named


def mapped(kind: str) -> list[str]:
    """The names in the map's first column: of processes, or of threads."""
    lines = (ast.get_docstring(ast.parse(MAP.read_text())) or "").splitlines()
    start = lines.index(next(line for line in lines if "process, thread" in line)) + 1
    pattern = r" {6}threads? `(\w+)`" if kind == "thread" else r" {4}(\S.*?)(?:, several)?  "
    rows = lines[start : lines.index("", start)]
    return [found[1] for row in rows if (found := re.match(pattern, row))]


@pytest.mark.parametrize("kind", ["process", "thread"])
def test_the_picture_and_the_map_name_the_same(kind: str):
    drawn = [text.removesuffix(", several") for text in texts(PROCESSES, kind)]
    assert sorted(drawn) == sorted(mapped(kind))
    assert {"process": "pusher", "thread": "gateway"}[kind] in drawn


def test_each_thread_of_a_cluster_is_on_the_map():
    sources = "".join(path.read_text() for path in (BASE / "jobs").rglob("*.py"))
    started = re.findall(r'Thread\([^()]*name="(\w+)"', sources)
    assert sorted(started) == sorted(mapped("thread"))
