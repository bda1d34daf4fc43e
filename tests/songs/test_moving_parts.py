"""A part of a page that asks for news by itself exchanges itself and nothing else.

`<body>` says for all links that they exchange #page; htmx hands that down to each part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

TEMPLATES = Path(settings.BASE_DIR) / "templates"
ASKS = re.compile(r"<[a-z]+\b(?=[^<]*\bhx-(?:get|post)=)(?:\{[{%].*?[%}]\}|[^<>])*>", re.DOTALL)


def read() -> Iterator[tuple[str, str, str]]:
    """Each element of the site's pages that asks by itself: its file, what follows it, itself."""
    for file in TEMPLATES.rglob("*.html"):
        if "admin" not in file.parts:
            text = file.read_text()
            for found in ASKS.finditer(text):
                yield str(file.relative_to(TEMPLATES)), text[found.end() :], found.group()


def parts() -> list[tuple[str, str]]:
    return [(file, element) for file, _, element in read()]


def held_by_askers() -> list[tuple[str, str]]:
    """What is written within each element that asks by the clock, with its file."""
    return [
        (file, text.split(f"</{element[1:].split()[0]}>")[0])
        for file, text, element in read()
        if "hx-trigger=" in element
    ]


def test_there_are_parts_that_ask_for_news() -> None:
    assert {"songs/_song.html", "account/_download.html"} <= {file for file, _ in parts()}


@pytest.mark.parametrize("said", ["hx-target=", "hx-select=", "hx-swap="])
def test_each_says_what_it_exchanges(said: str) -> None:
    assert [file for file, element in parts() if said not in element] == []


def test_nothing_that_can_be_pressed_lies_within_one() -> None:
    """htmx hands down what a part exchanges: a link within it would put a whole page there."""
    held = held_by_askers()
    assert len(held) >= 4
    presses = re.compile(r"<(?:a|form|button)\b|{% include ")
    assert [file for file, text in held if presses.search(text)] == []
