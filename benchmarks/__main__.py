"""`make bench`: every case, as often as asked, ours and the peers in turn."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine, options
from benchmarks.cases import CASES, ONLY_IF_NAMED
from benchmarks.contenders import LOCAL, PEERS
from benchmarks.database import Embedded, ServerUnavailable
from benchmarks.peers import installation
from benchmarks.processes import ROOT, ProcessFailed
from benchmarks.publish import PUBLISHED, publish
from benchmarks.results import Results, table, write
from benchmarks.stage import Stage
from benchmarks.system import System


def main() -> None:
    chosen = options.parse(sys.argv[1:], list(CASES), list(PEERS), ONLY_IF_NAMED)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    LOCAL.mkdir(parents=True, exist_ok=True)
    playing = installation.install(chosen.peers, LOCAL / f"logs-{stamp}" / "pip.log")
    chosen = replace(chosen, peers=playing)
    kind = System if chosen.server == "system" else Embedded
    with kind(LOCAL) as server:
        server.set(**chosen.settings)
        here = machine.describe(LOCAL) | {"postgresql": server.settings()}
        results = Results(here, machine.commit(ROOT), chosen.server)
        stage = Stage(server, LOCAL / f"logs-{stamp}")
        path = LOCAL / f"results-{stamp}.json"
        try:
            for name in chosen.cases:
                play(name, stage, chosen, results)
                write(results.cases, path)
        finally:
            stage.close()
    print(f"\n{table(results.cases)}\n\n{path.relative_to(ROOT)}")
    if chosen.publish:
        publish([*filter(Path.exists, [PUBLISHED]), path])


def play(name: str, stage: Stage, chosen: options.Options, results: Results) -> None:
    """Round after round, each contender once in each: they share what else the machine does."""
    case = CASES[name]
    contenders = case.contenders(chosen)
    if not contenders:
        return
    measured = results.begin(name)
    for number in range(1, chosen.times + 1):
        for contender in contenders:
            what = f"{name} {number}/{chosen.times}: {contender.name}"
            say(f"{what} …")
            measured.others_used.append(round(machine.wait_for_quiet(chosen.patience), 2))
            began = time.monotonic()
            case.play(stage, chosen, results, contender)
            values = results.last(name, contender.name)
            say(f"{what}: {values} ({time.monotonic() - began:.0f} s)\n")


def say(text: str) -> None:
    """One line that is written over while something runs; in a file, only what is done."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    elif text.endswith("\n"):
        print(text, end="", file=sys.stderr, flush=True)


def stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, stop)  # all that was started is ended too
    try:
        main()
    except (ProcessFailed, ServerUnavailable, subprocess.CalledProcessError) as failure:
        sys.exit(f"\n{failure}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; nothing is left running.")
