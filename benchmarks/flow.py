"""Songs that flow, and how many a second are made in one window of time and in another."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from benchmarks.stage import Site

Question = Callable[[], bool]
Window = tuple[float, float]  # seconds since 1970, by the database's clock
FIRST, TOGETHER = 500, 500  # songs that are there when a window begins, and of a transaction
A_USER = 10
GLANCE = 0.25
ENDS = """
SELECT extract(epoch FROM ended_at)::float8 FROM jobs_run
 WHERE fn_id = 'bench-song' AND status = 'completed' ORDER BY ended_at
"""
LEFT = "SELECT count(*) FROM jobs_run WHERE fn_id = 'bench-song' AND ended_at IS NULL"
NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"


def flow(
    site: Site,
    songs: int,
    seconds: float,
    until: Question = bool,
    then: Callable[[], object] = bool,
) -> Window:
    """Order songs of as many users as in the overhead case, `then` begin something; from there
    until all are made, the time is over, or something has come."""
    site.order(FIRST, FIRST // A_USER, 0)
    began, deadline = now(site), time.monotonic() + seconds
    then()
    rest = max(songs - FIRST, A_USER)
    site.order(rest, rest // A_USER, 0, TOGETHER)
    while left(site) and not until() and time.monotonic() < deadline:
        for cluster in site.clusters:
            cluster.raise_if_ended()
        time.sleep(GLANCE)
    return began, now(site)


def now(site: Site) -> float:
    return float(site.connection.execute(NOW).fetchone()[0])


def left(site: Site) -> int:
    return int(site.connection.execute(LEFT).fetchone()[0])


def ends(site: Site) -> list[float]:
    """When each song that is made was done."""
    return [row[0] for row in site.connection.execute(ENDS).fetchall()]


def compared(
    site: Site, without: Sequence[Window], meanwhile: Sequence[Window]
) -> dict[str, float]:
    """Songs a second in windows of two sorts, and the second's by the first's."""
    times = ends(site)
    before, then = (
        sum(rate(times, window) for window in windows) / len(windows)
        for windows in (without, meanwhile)
    )
    return {
        "songs/s without": before,
        "songs/s meanwhile": then,
        "songs/s meanwhile ÷ without": then / before if before else 0.0,
    }


def rate(ends: Sequence[float], window: Window) -> float:
    began, ended = window
    return sum(began <= end <= ended for end in ends) / (ended - began) if ended > began else 0.0
