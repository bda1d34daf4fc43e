"""Commits a second of senders side by side, the flush made slow, with and without NOTIFY.

`commit_delay` makes the flush slow: who flushes the log sleeps for so long with the log's lock in
hand, so that the others wait as they do for a disk, and commit with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from benchmarks.cases.intake import rate, side_by_side
from benchmarks.contenders import OURS, OURS_WITHOUT_NOTIFY, Contender
from benchmarks.options import Options
from benchmarks.results import Results
from benchmarks.stage import Stage

TITLE = "NOTIFY: commits a second of senders side by side, one event each"
BESIDE = "without NOTIFY"
SENDERS, FLUSHES, SECONDS = (8, 32), (1, 4), 3


def contenders(options: Options) -> list[Contender]:
    return [OURS, replace(OURS_WITHOUT_NOTIFY, name=BESIDE)]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    """A cluster is awake and hears each word, but has nothing to do: what its work takes of the
    processors is not NOTIFY's.
    """
    with stage.site(contender), side_by_side(stage, contender) as senders:
        for flush in FLUSHES:
            with slow_flush(stage, flush):
                for count in SENDERS:
                    metric = f"{count} senders, flush of {flush} ms, commits/s"
                    asked = {"senders": count, "of": 1, "seconds": SECONDS, "later": True}
                    results.add("notify", contender.name, metric, rate(senders, asked))


@contextmanager
def slow_flush(stage: Stage, milliseconds: int) -> Iterator[None]:
    stage.server.set(commit_delay=str(1000 * milliseconds), commit_siblings="0")
    try:
        yield
    finally:
        stage.server.set(commit_delay="DEFAULT", commit_siblings="DEFAULT")
