"""2,000 songs of five steps over 200 users, an endpoint that answers at once: songs a second."""

from __future__ import annotations

from benchmarks.contenders import OURS, PEERS, Contender
from benchmarks.options import Options
from benchmarks.results import Results
from benchmarks.stage import Stage

TITLE = "Overhead: songs of five steps a second, endpoint answers at once"
SONGS, A_USER = 2000, 10
RATE, SENT = "songs/s", "songs/s, sender on the clock"


def contenders(options: Options) -> list[Contender]:
    return [OURS, *(PEERS[name] for name in options.peers)]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    """Twice: all ordered at once, and by one sender one by one, a transaction each."""
    songs = options.songs or SONGS
    users = max(songs // A_USER, 1)
    with stage.site(contender) as site:
        played = site.play(songs, users, 0)
        singly = site.play(songs, users, 0, together=1)
    measured = {
        "songs": songs,
        RATE: played.songs_per_second,
        SENT: singly.songs_per_second_sent,
        "ordering all, s": played.enqueue_seconds,
        "ordering one by one, ms a song": 1000 * singly.enqueue_seconds / songs,
        **played.spent,
    }
    for metric, value in measured.items():
        results.add("overhead", contender.name, metric, value)
