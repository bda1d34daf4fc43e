"""Bars as SVG, drawn by hand: legible in light and dark, without a script or a font of its own."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.results import Case, figure

WIDTH, LEFT, RIGHT = 720, 160, 190
TOP, PANEL, ROW, BAR = 56, 34, 30, 16
STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 16px; }
.what { font-weight: 600; }
.quiet { fill: #59636e; font-size: 12px; }
.ours { fill: #0969da; }
.peer { fill: #afb8c1; }
.range { stroke: #1f2328; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .quiet { fill: #9198a1; }
  .ours { fill: #4493f8; }
  .peer { fill: #57606a; }
  .range { stroke: #e6edf3; }
}
"""


@dataclass(frozen=True)
class Bar:
    label: str
    values: Sequence[float]
    ours: bool


def chart(title: str, case: Case, metrics: Sequence[str]) -> str:
    """A panel of bars for each metric: the median, and the range as a line across its end."""
    parts, y = [_text(0, 20, title, "title")], TOP
    note = "Bars are medians, lines the range of all rounds."
    rounds = max(len(v) for who in case.rounds.values() for v in who.values())
    parts.append(_text(0, 40, note if rounds > 1 else "One round.", "quiet"))
    measured = {metric for who in case.rounds.values() for metric in who}
    for metric in filter(measured.__contains__, metrics):  # what an older round did not measure
        parts.append(_text(0, y + 22, metric, "what"))
        y += PANEL
        for line in _bars(case, metric):
            parts.append(line.format(y=y, middle=y + BAR / 2, text=y + BAR - 3))
            y += ROW
    whole = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 -8 {WIDTH + 24} {y + 16}" '
        f'role="img" aria-label="{escape(title, quote=True)}">\n'
        f"<style>{STYLE}</style>\n{whole}\n</svg>\n"
    )


def _bars(case: Case, metric: str) -> list[str]:
    bars = [
        Bar(
            who,
            metrics[metric],
            len(case.rounds) == 1 or who == "ours" or "ours" not in case.rounds,
        )
        for who, metrics in case.rounds.items()
        if metric in metrics
    ]
    highest = max(max(bar.values) for bar in bars) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / highest
    return [_bar(bar, scale) for bar in bars]


def _bar(bar: Bar, scale: float) -> str:
    """Its lines, with the places that depend on the height left open."""
    middle, low, high = statistics.median(bar.values), min(bar.values), max(bar.values)
    shown = figure(middle) + (f"  ({figure(low)} – {figure(high)})" if low != high else "")
    kind = "ours" if bar.ours else "peer"
    lines = [
        f'<text x="0" y="{{text}}">{escape(bar.label)}</text>',
        f'<rect class="{kind}" x="{LEFT}" y="{{y}}" width="{max(middle * scale, 1):.1f}" '
        f'height="{BAR}" rx="2"/>',
        f'<text x="{LEFT + max(high * scale, 1) + 8:.1f}" y="{{text}}">{escape(shown)}</text>',
    ]
    if low != high:
        ends = f'x1="{LEFT + low * scale:.1f}" x2="{LEFT + high * scale:.1f}"'
        lines.append(f'<line class="range" {ends} y1="{{middle}}" y2="{{middle}}"/>')
    return "\n".join(lines)


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(words)}</text>'
