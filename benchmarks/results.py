"""What was measured: every round's values, and what is made of them."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Rounds = dict[str, dict[str, list[float]]]  # contender → metric → a value for each round
SERVERS = {
    "embedded": "The embedded PostgreSQL",
    "system": "The system's PostgreSQL, with its default settings",
}


@dataclass
class Case:
    """A metric's name says its unit."""

    at: str
    commit: str
    machine: dict[str, Any]  # see machine.describe
    # What others used of the machine just before each round, 0 to 1.
    others_used: list[float] = field(default_factory=list)
    rounds: Rounds = field(default_factory=dict)

    def ratios(self, metric: str, ours: str, peer: str) -> list[float]:
        """Ours by the peer's, round by round: both were measured one after the other."""
        a, b = (self.rounds.get(who, {}).get(metric, []) for who in (ours, peer))
        return [x / y for x, y in zip(a, b, strict=False) if y]


Cases = dict[str, Case]  # by name and server, see `key`


def key(case: str, server: str) -> str:
    return case if server == "embedded" else f"{case} on {server}"


@dataclass
class Results:
    machine: dict[str, Any]
    commit: str
    server: str = "embedded"
    cases: Cases = field(default_factory=dict)

    def begin(self, case: str) -> Case:
        now = datetime.now(UTC).isoformat(timespec="minutes")
        measured = Case(now, self.commit, self.machine)
        return self.cases.setdefault(key(case, self.server), measured)

    def add(self, case: str, contender: str, metric: str, value: float) -> None:
        rounds = self._of(case).rounds.setdefault(contender, {})
        rounds.setdefault(metric, []).append(round(value, 4))

    def last(self, case: str, contender: str) -> str:
        """The newest round, in a line."""
        metrics = self._of(case).rounds.get(contender, {})
        return " · ".join(f"{metric} {figure(values[-1])}" for metric, values in metrics.items())

    def _of(self, case: str) -> Case:
        return self.cases[key(case, self.server)]


def write(cases: Cases, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {name: asdict(case) for name, case in cases.items()}
    path.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> Cases:
    return {name: Case(**case) for name, case in json.loads(path.read_text()).items()}


def rows(name: str, case: Case) -> list[tuple[str, ...]]:
    """(case, who, what, median, range, ratio) of everything measured; ratios as ours ÷ it."""
    found = []
    for who, metrics in case.rounds.items():
        for metric, values in metrics.items():
            ratios = [] if who == "ours" else case.ratios(metric, "ours", who)
            ratio = f"{statistics.median(ratios):.2f}" if ratios else ""
            middle = figure(statistics.median(values))
            found.append((name, who, metric, middle, spread(values), ratio))
    return found


def table(cases: Cases) -> str:
    """All of it, for a terminal."""
    head = ("case", "who", "what", "median", "range", "ours ÷ it")
    return columns([head, *(row for name, case in cases.items() for row in rows(name, case))])


def columns(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = {3, 5}
    laid_out = []
    for line in lines:
        cells = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        laid_out.append("  ".join(cells).rstrip())
    laid_out.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(laid_out)


def spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return "one round"
    return f"{figure(min(values))} – {figure(max(values))}"


def figure(value: float) -> str:
    """Three significant digits, or all of a whole number."""
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]
