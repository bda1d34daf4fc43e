"""One song at a time, 50 times: from the order's commit to the first step, and to the end."""

from __future__ import annotations

from benchmarks.cases import overhead
from benchmarks.contenders import OURS_WITHOUT_NOTIFY, Contender
from benchmarks.options import Options
from benchmarks.results import Results, percentile
from benchmarks.stage import Stage

TITLE = "Latency: one song at a time, milliseconds after the order's commit"
SONGS, SONGS_WITHOUT_NOTIFY = 50, 10
DBOS_POLL = "0.01"  # seconds: DBOS polls, and here it may do so without pause


def contenders(options: Options) -> list[Contender]:
    return [*overhead.contenders(options), OURS_WITHOUT_NOTIFY]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    with stage.site(contender, BENCH_POLL=DBOS_POLL) as site:
        polls = contender is OURS_WITHOUT_NOTIFY
        played = site.play_in_turn(SONGS_WITHOUT_NOTIFY if polls else SONGS)
    for what, values in (("started", played.start_ms), ("completed", played.done_ms)):
        for name, share in (("p50", 0.5), ("p95", 0.95)):
            metric = f"{what} {name}, ms"
            results.add("latency", contender.name, metric, percentile(values, share))
