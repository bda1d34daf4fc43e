"""What was measured: every round's values, and what is made of them."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Results:
    """(case, contender, metric) → the values of all rounds. A metric's name ends in its unit."""

    machine: dict[str, Any]
    values: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    # What others used of the machine before each round of a case, 0 to 1.
    load: dict[str, list[float]] = field(default_factory=dict)

    def add(self, case: str, contender: str, metric: str, value: float) -> None:
        self.values.setdefault((case, contender, metric), []).append(round(value, 4))

    def last(self, case: str, contender: str) -> str:
        """The newest round, in a line."""
        newest = [
            f"{metric} {figure(values[-1])}"
            for (c, who, metric), values in self.values.items()
            if (c, who) == (case, contender)
        ]
        return " · ".join(newest)

    def median(self, case: str, contender: str, metric: str) -> float | None:
        values = self.values.get((case, contender, metric))
        return statistics.median(values) if values else None

    def ratios(self, case: str, metric: str, ours: str, peer: str) -> list[float]:
        """Ours by the peer's, round by round: both were measured one after the other."""
        a, b = (self.values.get((case, who, metric), []) for who in (ours, peer))
        return [x / y for x, y in zip(a, b, strict=False) if y]

    def as_json(self) -> dict[str, Any]:
        rows = [
            {"case": case, "contender": who, "metric": metric, "values": values}
            for (case, who, metric), values in self.values.items()
        ]
        return {"machine": self.machine, "others_used": self.load, "results": rows}

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        raw = json.loads(path.read_text())
        values = {(r["case"], r["contender"], r["metric"]): r["values"] for r in raw["results"]}
        return cls(raw["machine"], values, raw["others_used"])


def table(results: Results) -> str:
    """Median, range and ratio of every row, for a terminal."""
    rows = [("case", "who", "what", "median", "range", "ours ÷ it")]
    for (case, who, metric), values in results.values.items():
        ratios = [] if who == "ours" else results.ratios(case, metric, "ours", who)
        ratio = f"{statistics.median(ratios):.2f}" if ratios else ""
        middle = figure(statistics.median(values))
        rows.append((case, who, metric, middle, spread(values), ratio))
    return columns(rows)


def spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return "one round"
    return f"{figure(min(values))} – {figure(max(values))}"


def figure(value: float) -> str:
    """Three significant digits, or all of a whole number."""
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = {3, 5}
    lines = []
    for row in rows:
        cells = [
            c.rjust(w) if n in right else c.ljust(w)
            for n, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("─" * w for w in widths))
    return "\n".join(lines)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]
