"""Puts measured figures into the papers: `python -m benchmarks.publish results.json …`

Cases of later files replace those of earlier ones. docs/performance.json is what is published;
the charts and the tables of docs/performance.md are made from it, so that no figure is typed.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import arithmetic
from benchmarks.cases import CASES, CHARTED
from benchmarks.charts import chart
from benchmarks.processes import ROOT
from benchmarks.results import SERVERS, Case, Cases, figure, key, read, spread, write

DOCS = ROOT / "docs"
PUBLISHED, PAPER = DOCS / "performance.json", DOCS / "performance.md"


def publish(paths: Sequence[Path]) -> None:
    found: Cases = {}
    for path in paths:
        found |= read(path)
    keys = [key(name, server) for name in CASES for server in SERVERS]
    cases = {known: found[known] for known in keys if known in found}
    write(cases, PUBLISHED)
    text = replace(PAPER.read_text(), "machine", machines(cases))
    text = replace(text, "arithmetic", arithmetic.table(cases))
    for name in CASES:
        parts = [
            part(name, server, cases[key(name, server)])
            for server in SERVERS
            if key(name, server) in cases
        ]
        if parts:
            text = replace(text, name, "\n\n".join(parts))
    PAPER.write_text(text)


def part(name: str, server: str, case: Case) -> str:
    """What a page shows of a case on one server; its chart is drawn."""
    image = f"performance-{key(name, server).replace(' ', '-')}.svg"
    (DOCS / image).write_text(chart(CASES[name].TITLE, case, CHARTED[name]))
    version = case.machine["postgresql"]["server_version"].partition(" ")[0]
    return f"**{SERVERS[server]}** ({version})\n\n{figures(name, image, case)}"


def replace(text: str, name: str, new: str) -> str:
    """What stands between `<!-- name -->` and `<!-- /name -->`."""
    found = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return found.sub(lambda match: f"{match[1]}{new}\n{match[2]}", text)


def machines(cases: Cases) -> str:
    """Which case was measured on which, and with which PostgreSQL."""
    used: dict[str, list[str]] = {}
    servers: dict[str, None] = {}
    for name, case in cases.items():
        used.setdefault(machine(case), []).append(name)
        settings = case.machine["postgresql"].items()
        servers[", ".join(f"`{setting} = {value}`" for setting, value in settings)] = None
    lines = [f"- **{', '.join(names).capitalize()}**: {told}" for told, names in used.items()]
    return "\n".join([*lines, *(f"\nPostgreSQL: {settings}." for settings in servers)])


def machine(case: Case) -> str:
    told = case.machine
    return (
        f"{told['processor']}, {told['cores']} cores, {told['memory_gib']} GiB; {told['system']}, "
        f"Python {told['python']}. An 8 KiB write reached the disk (`fdatasync`) in "
        f"{told['fdatasync_ms']} ms."
    )


def figures(name: str, image: str, case: Case) -> str:
    others = ", ".join(f"{used:.0%}" for used in case.others_used)
    pairs = compared(name, case)
    head = ["", *case.rounds, *(f"{who} ÷ {beside}" for who, beside in pairs)]
    lines = [f"| {' | '.join(head)} |", "|---|" + "--:|" * (len(head) - 1)]
    lines += [f"| {' | '.join(row)} |" for row in rows(case, pairs)]
    return (
        f"![{CASES[name].TITLE}]({image})\n\n"
        + "\n".join(lines)
        + f"\n\nMeasured {case.at[:10]} at `{case.commit}`. What other programs used of the "
        f"machine just before each round: {others}."
    )


def compared(name: str, case: Case) -> list[tuple[str, str]]:
    """Whom the table shows beside whom: ours beside each peer, or all beside the one that the case
    names."""
    beside = getattr(CASES[name], "BESIDE", None)
    if beside is not None:
        return [(who, beside) for who in case.rounds if who != beside]
    return [("ours", who) for who in case.rounds if "ours" in case.rounds and who != "ours"]


def rows(case: Case, pairs: Sequence[tuple[str, str]]) -> Iterator[list[str]]:
    """A line for each metric: everybody's median and range, and the ratios' medians."""
    metrics = dict.fromkeys(metric for measured in case.rounds.values() for metric in measured)
    for metric in metrics:
        measured = [found.get(metric, []) for found in case.rounds.values()]
        ratios = [case.ratios(metric, who, beside) for who, beside in pairs]
        yield [metric, *map(cell, measured), *(middle(values) for values in ratios)]


def cell(values: Sequence[float]) -> str:
    low_and_high = f" ({spread(values)})" if len(set(values)) > 1 else ""
    return middle(values) + low_and_high


def middle(values: Sequence[float]) -> str:
    return figure(statistics.median(values)) if values else ""


if __name__ == "__main__":
    publish([Path(name) for name in sys.argv[1:]] or [PUBLISHED])
