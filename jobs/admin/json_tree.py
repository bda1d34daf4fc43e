"""JSON as a folding tree that marks the places with a text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.admin.html import pretty, undirected
from jobs.lib.excerpts import excerpt

MAX_PLACES = 2_000  # names and values; larger values are shown as text
MAX_LEVELS = 20
OPEN_LEVELS = 2  # deeper ones are folded, unless the text is found there
MAX_SHOWN = 2_000  # characters of one value


@dataclass(frozen=True, slots=True)
class Tree:
    """`found` counts the places that hold the text."""

    html: SafeString
    found: int = 0


def tree(value: Any, wanted: str = "") -> Tree:
    """Marks names and values that contain `wanted`, in any case."""
    if size(value) > MAX_PLACES or levels(value) > MAX_LEVELS:
        return Tree(pretty(value))
    drawing = _Drawing(wanted.casefold())
    html = drawing.node("", value, 0)
    return Tree(html, drawing.found)


def size(value: Any) -> int:
    """Names and values, counted a little beyond MAX_PLACES."""
    number, rest = 0, [value]
    while rest and number <= MAX_PLACES:
        number += 1
        rest.extend(_children(rest.pop()))
    return number


def levels(value: Any) -> int:
    """Its depth, counted a little beyond MAX_LEVELS."""
    depth, level = 0, [value]
    while level and depth <= MAX_LEVELS:
        depth += 1
        level = [child for one in level for child in _children(one)]
    return depth


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


@dataclass(slots=True)
class _Drawing:
    wanted: str
    found: int = 0

    def node(self, name: str, value: Any, level: int) -> SafeString:
        before = self.found
        label = self._marked(name, "jobs-json-name") if name else SafeString("")
        if not isinstance(value, dict | list) or not value:
            return format_html('<div class="jobs-json-leaf">{} {}</div>', label, self._leaf(value))
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        inside = format_html_join(
            "", "{}", ((self.node(str(key), child, level + 1),) for key, child in pairs)
        )
        is_open = level < OPEN_LEVELS or self.found > before
        return format_html(
            '<details{}><summary>{} <span class="jobs-quiet">{}</span></summary>{}</details>',
            SafeString(" open") if is_open else "",
            label,
            _length(value),
            inside,
        )

    def _leaf(self, value: Any) -> SafeString:
        kind = "text" if isinstance(value, str) else "value"
        text = json.dumps(value, ensure_ascii=False)
        return self._marked(excerpt(text, MAX_SHOWN), f"jobs-json-{kind}")

    def _marked(self, text: str, style: str) -> SafeString:
        is_found = bool(self.wanted) and self.wanted in text.casefold()
        text = undirected(text)
        if not is_found:
            return format_html('<bdi class="{}">{}</bdi>', style, text)
        self.found += 1
        return format_html('<bdi class="{}"><mark>{}</mark></bdi>', style, text)


def _length(value: dict[str, Any] | list[Any]) -> str:
    number = len(value)
    noun = "name" if isinstance(value, dict) else "value"
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
