"""`POST /songs/` at the real site under load, while 200 runs are in flight.

All limits are on: each order is counted, and far from refused (`LIMITS` in stage.py).
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request

from benchmarks.contenders import OURS, Contender
from benchmarks.options import Options
from benchmarks.processes import PATIENCE, Process, free_port
from benchmarks.results import Results, percentile
from benchmarks.stage import Site, Stage

TITLE = "Web: POST /songs/ while 200 runs are in flight"
IN_FLIGHT, SECONDS_A_SONG = 200, 40
LISTENERS, CONNECTIONS, SECONDS = 200, 16, 10
GUNICORN = ["-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "melodymaker.wsgi"]
ORDERS = ("orders-all", "orders-network", "orders-account")  # the limits that count an order
SENDING = "SELECT count(*) FROM jobs_fetch WHERE status = 'sending'"
COUNTED = "SELECT coalesce(sum(count), 0) FROM songs_limitcount WHERE rule = '{}'"
MADE = "SELECT count(*) FROM songs_song WHERE status = 'processed'"


def contenders(options: Options) -> list[Contender]:
    return [OURS]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    port = free_port()
    with stage.site(contender) as site:
        before = count(site, MADE)
        counted_before = count(site, COUNTED.format(ORDERS[0]))
        web = stage.start(contender, GUNICORN, "gunicorn", {"PORT": str(port)})
        listeners = stage.start(
            contender, ["-m", "benchmarks.listeners"], "listeners", {}, talks=True
        )
        load = Process(
            [sys.executable, "-m", "benchmarks.load"], {}, stage.folder / "load.log", talks=True
        )
        try:
            told = press(site, web, listeners, load, port)
            site.wait()
        finally:
            for process in (load, listeners, web):
                process.end()
        made = count(site, MADE) - before - IN_FLIGHT
        counted = min(count(site, COUNTED.format(rule)) for rule in ORDERS) - counted_before
    took = told["milliseconds"]
    errors = sum(told["errors"].values())
    results.add("web", contender.name, "requests/s", len(took) / told["seconds"])
    results.add("web", contender.name, "p50, ms", percentile(took, 0.5))
    results.add("web", contender.name, "p99, ms", percentile(took, 0.99))
    results.add("web", contender.name, "errors", errors)
    lost = told["accepted"] - made
    results.add("web", contender.name, "accepted but not made", lost)
    results.add("web", contender.name, "accepted but not counted", told["accepted"] - counted)


def press(site: Site, web: Process, listeners: Process, load: Process, port: int) -> dict:
    for process in (listeners, load):
        process.read()
    wait_for(web, port)
    asked = {"listeners": LISTENERS, "songs": IN_FLIGHT, "seconds": SECONDS_A_SONG}
    sessions = listeners.ask(asked, PATIENCE)["sessions"]
    deadline = time.monotonic() + PATIENCE
    while count(site, SENDING) < IN_FLIGHT:
        if time.monotonic() > deadline:
            raise web.failure(f"has only {count(site, SENDING)} runs in flight")
        time.sleep(0.1)
    question = {"port": port, "sessions": sessions, "connections": CONNECTIONS}
    warm_up = load.ask(question | {"seconds": 1}, PATIENCE)
    told: dict = load.ask(question | {"seconds": SECONDS}, SECONDS + PATIENCE)
    told["accepted"] = accepted(warm_up) + accepted(told)
    return told


def accepted(told: dict) -> int:
    return len(told["milliseconds"]) - sum(told["errors"].values())


def count(site: Site, question: str) -> int:
    return int(site.connection.execute(question).fetchone()[0])


def wait_for(web: Process, port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        web.raise_if_ended()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live") as answer:
                if answer.status == 200:
                    return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise web.failure("does not answer")
