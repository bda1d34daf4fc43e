"""Latency where no NOTIFY arrives, as behind a pool in transaction mode: the cluster looks."""

from __future__ import annotations

from benchmarks.cases.latency import note
from benchmarks.contenders import OURS_WITHOUT_NOTIFY, Contender
from benchmarks.options import Options
from benchmarks.results import Results
from benchmarks.stage import Stage

TITLE = "Latency without NOTIFY: one song at a time, milliseconds"
SONGS = 10


def contenders(options: Options) -> list[Contender]:
    return [OURS_WITHOUT_NOTIFY]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    with stage.site(contender) as site:
        note("polling", results, contender, site.play_in_turn(SONGS))
