"""A part of a page that asks for news by itself exchanges itself and nothing else.

`<body>` says for all links that they exchange #page; htmx hands that down to each part.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

TEMPLATES = Path(settings.BASE_DIR) / "templates"
ASKS = re.compile(r"<[a-z]+\b(?=[^<]*\bhx-(?:get|post)=)(?:\{[{%].*?[%}]\}|[^<>])*>", re.DOTALL)


def parts() -> list[tuple[str, str]]:
    """Each element of the site's pages that asks by itself, with its file."""
    files = [file for file in TEMPLATES.rglob("*.html") if "admin" not in file.parts]
    return [
        (str(file.relative_to(TEMPLATES)), element)
        for file in files
        for element in ASKS.findall(file.read_text())
    ]


def test_there_are_parts_that_ask_for_news() -> None:
    assert {"songs/_song.html", "account/_download.html"} <= {file for file, _ in parts()}


@pytest.mark.parametrize("said", ["hx-target=", "hx-select=", "hx-swap="])
def test_each_says_what_it_exchanges(said: str) -> None:
    assert [file for file, element in parts() if said not in element] == []
