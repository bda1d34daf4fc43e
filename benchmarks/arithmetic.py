"""What 10 million songs a day would take, from what one song was measured to take."""

from __future__ import annotations

import statistics

from benchmarks.results import Cases, figure

A_DAY = 10_000_000
PEAK = 3  # the busiest hour has so many times the day's average
SECONDS_A_SONG = 60  # at the endpoint
IN_FLIGHT_A_CLUSTER = 1000
DAYS_KEPT = 30


def table(cases: Cases) -> str:
    """Markdown; empty if the overhead case was not measured whole."""
    measured = cases["overhead"].rounds["ours"] if "overhead" in cases else {}
    a_song = {metric: statistics.median(values) for metric, values in measured.items()}
    try:
        rows = _rows(a_song)
    except KeyError:
        return ""
    lines = ["| what | a song, measured | 10 million a day |", "|---|--:|--:|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def _rows(a_song: dict[str, float]) -> list[tuple[str, str, str]]:
    rate = A_DAY / 86_400
    peak = rate * PEAK
    cluster = a_song["cluster's CPU, ms a song"]
    database = a_song["database's CPU, ms a song"]
    log, flushes = a_song["log written, KiB a song"], a_song["log flushes a song"]
    kept, in_flight = a_song["records kept, KiB a song"], peak * SECONDS_A_SONG
    clusters = in_flight / IN_FLIGHT_A_CLUSTER
    return [
        ("songs a second, on average", "", figure(rate)),
        (f"in the busiest hour, {PEAK} times as many", "", figure(peak)),
        ("cores for the clusters, then", f"{figure(cluster)} ms", figure(peak * cluster / 1000)),
        ("cores for PostgreSQL, then", f"{figure(database)} ms", figure(peak * database / 1000)),
        (
            f"requests in flight, then, at {SECONDS_A_SONG} s a song",
            f"{SECONDS_A_SONG} s (assumed)",
            f"{in_flight:,.0f}",
        ),
        (f"clusters for them, {IN_FLIGHT_A_CLUSTER:,} each", "", f"{clusters:,.0f}"),
        ("write-ahead log, then", f"{figure(log)} KiB", f"{peak * log / 1024:,.1f} MiB/s"),
        ("flushes of it, then", figure(flushes), f"{peak * flushes:,.0f} a second, at most"),
        (
            f"records of {DAYS_KEPT} days",
            f"{figure(kept)} KiB",
            f"{A_DAY * DAYS_KEPT * kept / 2**30:,.2f} TiB",
        ),
    ]
