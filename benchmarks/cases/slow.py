"""1,000 users, a song each, all at once, from an endpoint that takes 5 s for each."""

from __future__ import annotations

from benchmarks.cases.overhead import contenders
from benchmarks.contenders import Contender
from benchmarks.options import Options
from benchmarks.results import Results
from benchmarks.stage import Stage

__all__ = ["TITLE", "contenders", "play"]

TITLE = "Slow endpoint: all songs ordered at once, 5 s each"
SONGS, SECONDS = 1000, 5.0
# A peer's worker waits for the answer: it gets as many as it is sensibly given. Restate's services
# wait without one.
MORE = {
    "django-q2": {"CLUSTER_WORKERS": "64"},
    "dbos": {"BENCH_THREADS": "500"},  # in each of two processes
}


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    with stage.site(contender, **MORE.get(contender.name, {})) as site:
        songs = options.songs or SONGS
        played = site.play(songs, songs, SECONDS, weigh=True)
    results.add("slow", contender.name, "songs", songs)
    results.add("slow", contender.name, "all done, s", played.wall)
    results.add("slow", contender.name, "memory (PSS), MiB", max(played.pss))
    results.add("slow", contender.name, "at the endpoint at a time", played.endpoint["peak"])
