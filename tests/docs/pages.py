"""Reading the papers: what the tests of this folder look at."""

from __future__ import annotations

import re
from pathlib import Path

BASE = Path(__file__).resolve().parent.parent.parent
PAGES = [BASE / "README.md", BASE / "CHANGELOG.md", BASE / "jobs/README.md"]
PAGES += sorted((BASE / "docs").glob("*.md"))


def section(page: Path, title: str) -> str:
    """What stands under a heading of the second level, up to the next one."""
    found = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page.read_text(), re.M | re.DOTALL
    )
    assert found, f"{page.name} has no section “{title}”"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of a text's tables, their headings left out."""
    lines = [line.strip() for line in text.splitlines()]
    tables = [line for line in lines if line.startswith("|")]
    kept = [
        line
        for line, following in zip(tables, [*tables[1:], ""], strict=True)
        if not line.startswith("|---") and not following.startswith("|---")
    ]
    return [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in kept]


def code(cell: str) -> str:
    """What stands between the first two backticks of a cell; empty if nothing does."""
    found = re.match(r"`([^`]*)`", cell)
    return found[1] if found else ""


def blocks(page: Path, language: str) -> list[str]:
    """The fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.M | re.DOTALL)
