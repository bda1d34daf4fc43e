"""20 users, 10 songs each, 100 ms a song, one at a time for each user: 1.0 s at best."""

from __future__ import annotations

from benchmarks.contenders import OURS, PEERS, Contender
from benchmarks.options import Options
from benchmarks.results import Results
from benchmarks.stage import Stage

TITLE = "Turns: 20 users × 10 songs of 100 ms, one at a time for each"
USERS, SONGS_A_USER, SECONDS = 20, 10, 0.1


def contenders(options: Options) -> list[Contender]:
    """Plain django-q2 knows no turns."""
    return [OURS, *(PEERS[name] for name in options.peers if name != "django-q2")]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    threads = {"BENCH_THREADS": str(USERS)} if contender.kind == "dbos" else {}
    with stage.site(contender, BENCH_TURNS="1", **threads) as site:
        played = site.play(USERS * SONGS_A_USER, USERS, SECONDS)
    results.add("turns", contender.name, "all done, s", played.wall)
    results.add("turns", contender.name, "times the ideal", played.wall / (SONGS_A_USER * SECONDS))
    results.add("turns", contender.name, "overlaps", played.endpoint["overlaps"])
