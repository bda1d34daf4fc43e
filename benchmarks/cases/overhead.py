"""2,000 songs of five steps over 200 users, an endpoint that answers at once: songs a second."""

from __future__ import annotations

from benchmarks.contenders import OURS, PEERS, Contender
from benchmarks.options import Options
from benchmarks.results import Results
from benchmarks.stage import Stage

TITLE = "Overhead: songs of five steps a second, endpoint answers at once"
SONGS, A_USER = 2000, 10
RATE = "songs/s"


def contenders(options: Options) -> list[Contender]:
    return [OURS, *(PEERS[name] for name in options.peers)]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    songs = options.songs or SONGS
    with stage.site(contender) as site:
        played = site.play(songs, max(songs // A_USER, 1), 0)
    results.add("overhead", contender.name, "songs", songs)
    results.add("overhead", contender.name, RATE, played.songs_per_second)
    results.add("overhead", contender.name, "ordering all, s", played.enqueue_seconds)
    for metric, value in played.spent.items():
        results.add("overhead", contender.name, metric, value)
