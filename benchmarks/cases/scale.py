"""The overhead case with 1, 2 and 4 clusters on one database, all on this machine."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.cases import overhead
from benchmarks.contenders import OURS, Contender
from benchmarks.options import Options
from benchmarks.results import Results
from benchmarks.stage import Stage

TITLE = "Scale-out: clusters on one database and one machine, songs a second"
CLUSTERS = {"1 cluster": 1, "2 clusters": 2, "4 clusters": 4}


def contenders(options: Options) -> list[Contender]:
    return [replace(OURS, name=name) for name in CLUSTERS]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    songs = options.songs or overhead.SONGS
    with stage.site(contender, clusters=CLUSTERS[contender.name]) as site:
        played = site.play(songs, max(songs // overhead.A_USER, 1), 0)
    results.add("scale", contender.name, "songs", songs)
    results.add("scale", contender.name, overhead.RATE, played.songs_per_second)
