"""`make bench`: every case, as often as asked, ours and the peers in turn."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

from benchmarks import machine, options
from benchmarks.cases import latency, overhead
from benchmarks.contenders import DJANGO_Q, OURS, Contender
from benchmarks.database import Server
from benchmarks.processes import ROOT, ProcessFailed
from benchmarks.results import Results, table
from benchmarks.stage import Stage

CASES = {"overhead": overhead, "latency": latency}
PEERS = {"django-q2": DJANGO_Q}
LOCAL = ROOT / ".local" / "bench"


def main() -> None:
    chosen = options.parse(sys.argv[1:], list(CASES), list(PEERS))
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    LOCAL.mkdir(parents=True, exist_ok=True)
    with Server(LOCAL) as server:
        results = Results(machine.describe(LOCAL) | {"postgresql": server.settings()})
        stage = Stage(server, LOCAL / f"logs-{stamp}")
        path = LOCAL / f"results-{stamp}.json"
        try:
            for name in chosen.cases:
                play(name, stage, chosen, results)
                results.write(path)
        finally:
            stage.close()
    print(f"\n{table(results)}\n\n{path.relative_to(ROOT)}")


def play(name: str, stage: Stage, chosen: options.Options, results: Results) -> None:
    contenders: list[Contender] = [OURS, *(PEERS[peer] for peer in chosen.peers)]
    for number in range(chosen.times):
        for contender in contenders:
            began = time.monotonic()
            say(f"{name} {number + 1}/{chosen.times}: {contender.name} …")
            CASES[name].play(stage, chosen, results, contender)
            say(
                f"{name} {number + 1}/{chosen.times}: {contender.name}, "
                f"{time.monotonic() - began:.0f} s\n"
            )


def say(text: str) -> None:
    """One line that is written over while something runs; lines of their own in a file."""
    start, end = ("\r\x1b[K", "") if sys.stderr.isatty() else ("", "")
    if start or text.endswith("\n"):
        print(f"{start}{text}", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except ProcessFailed as failure:
        sys.exit(f"\n{failure}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; nothing is left running.")
