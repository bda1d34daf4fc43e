"""2,000 songs of five steps over 200 users, an endpoint that answers at once: songs a second."""

from __future__ import annotations

from benchmarks.contenders import Contender
from benchmarks.options import Options
from benchmarks.results import Results
from benchmarks.stage import Stage

SONGS, A_USER = 2000, 10
RATE, ORDERING = "songs/s", "ordering them, s"


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    songs = options.songs or SONGS
    with stage.site(contender) as site:
        played = site.play(songs, max(songs // A_USER, 1), 0)
    results.add("overhead", contender.name, RATE, played.songs_per_second)
    results.add("overhead", contender.name, ORDERING, played.enqueue_seconds)
