"""What every case plays on: a database, an endpoint, and one contender at a time."""

from __future__ import annotations

import contextlib
import json
import secrets
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contenders import Contender
from benchmarks.database import Server
from benchmarks.processes import Process, run

WARM_UP = 20  # songs: every worker has its connections by then
GLANCE = 0.05
PATIENCE = 600.0  # seconds for one round
SENDING = 300.0

Times = list[tuple[float, float, float]]  # accepted, begun, done: seconds since 1970, the server's


@dataclass
class Round:
    """What one round brought."""

    times: Times
    endpoint: dict[str, int]
    enqueue_seconds: float
    pss: list[float] = field(default_factory=list)

    @property
    def songs_per_second(self) -> float:
        """From the first step's start to the last commit."""
        begun, done = min(t[1] for t in self.times), max(t[2] for t in self.times)
        return len(self.times) / (done - begun)

    @property
    def wall(self) -> float:
        """Seconds from the first accepted order to the last commit."""
        return max(t[2] for t in self.times) - min(t[0] for t in self.times)

    @property
    def start_ms(self) -> list[float]:
        return [1000 * (begun - accepted) for accepted, begun, _ in self.times]

    @property
    def done_ms(self) -> list[float]:
        return [1000 * (done - accepted) for accepted, _, done in self.times]


class Site:
    """One contender at work: its database, its clusters, and who orders."""

    def __init__(self, stage: Stage, contender: Contender, workers: int, clusters: int) -> None:
        self.stage, self.contender = stage, contender
        self.clusters = [
            stage.start(contender, contender.cluster, workers, f"{contender.name}-cluster-{n}")
            for n in range(clusters)
        ]
        self.sender = stage.start(
            contender, ["-m", "benchmarks.sender"], workers, f"{contender.name}-sender", talks=True
        )
        self.sender.read()
        self.connection = stage.server.connect(contender.database)

    def warm_up(self, songs: int = WARM_UP) -> None:
        self.play(songs, songs, 0)
        self.stage.report()

    def play(self, songs: int, users: int, delay: float, weigh: bool = False) -> Round:
        """Order songs at once, and wait until all are done."""
        asked = {"songs": songs, "users": users, "delay": delay}
        self.forget_songs()
        pss: list[float] = []
        told = self.sender.ask(asked, SENDING)
        self.wait(lambda: pss.append(self.pss()) if weigh else None)
        return Round(self.times(songs), self.stage.report(), told["seconds"], pss)

    def play_in_turn(self, songs: int) -> Round:
        """One song at a time, each ordered when the one before is done."""
        self.forget_songs()
        seconds = 0.0
        for _ in range(songs):
            seconds += self.sender.ask({"songs": 1, "users": 1, "delay": 0})["seconds"]
            self.wait()
        return Round(self.times(songs), self.stage.report(), seconds)

    def forget_songs(self) -> None:
        self.connection.execute("TRUNCATE bench_listener, bench_song, bench_order, bench_charge")

    def wait(self, meanwhile: Callable[[], Any] = lambda: None) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.unfinished():
            for cluster in self.clusters:
                cluster.raise_if_ended()
            if time.monotonic() > deadline:
                raise self.clusters[0].failure(f"left {self.unfinished()} songs unfinished")
            meanwhile()
            time.sleep(GLANCE)

    def unfinished(self) -> int:
        row = self.connection.execute(self.contender.unfinished).fetchone()
        return int(row[0])

    def times(self, songs: int) -> Times:
        times = self.connection.execute(self.contender.times).fetchall()
        if len(times) != songs or any(None in row for row in times):
            raise self.clusters[0].failure(f"made {len(times)} of {songs} songs")
        return times

    def pss(self) -> float:
        return sum(cluster.pss() for cluster in self.clusters)

    def close(self) -> None:
        for process in (self.sender, *self.clusters):
            process.end()
        self.connection.close()


class Stage:
    """The server and the endpoint, and the contenders' databases as they come to be needed."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self._prepared: set[str] = set()
        self._key = secrets.token_urlsafe(50)
        self.endpoint = Process(
            [sys.executable, "-m", "benchmarks.endpoint"],
            {},
            folder / "endpoint.log",
            talks=True,
        )
        self.endpoint_url = f"http://127.0.0.1:{self.endpoint.read()['port']}/"

    def close(self) -> None:
        self.endpoint.end()

    @contextlib.contextmanager
    def site(
        self, contender: Contender, *, workers: int = 4, clusters: int = 1, keep: bool = False
    ) -> Iterator[Site]:
        """A fresh start: emptied tables (unless `keep`), new processes, warmed up."""
        self.prepare(contender)
        with self.server.connect(contender.database) as connection:
            if not keep:
                connection.execute(contender.forget)
            connection.execute("CHECKPOINT")
        site = Site(self, contender, workers, clusters)
        try:
            site.warm_up()
            yield site
        finally:
            site.close()

    def prepare(self, contender: Contender) -> None:
        if contender.name in self._prepared:
            return
        self.server.create(contender.database)
        log = self.folder / f"{contender.name}-migrate.log"
        command = [contender.python, "-m", "django", "migrate", "--run-syncdb", "-v", "0"]
        run(command, self.environment(contender), log)
        self._prepared.add(contender.name)

    def start(
        self,
        contender: Contender,
        command: list[str],
        workers: int,
        name: str,
        *,
        talks: bool = False,
    ) -> Process:
        environment = self.environment(contender) | {"CLUSTER_WORKERS": str(workers)}
        log = self.folder / f"{name}.log"
        return Process([contender.python, *command], environment, log, talks=talks)

    def environment(self, contender: Contender) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": contender.settings,
            "BENCH_CONTENDER": contender.name,
            "DATABASE_URL": self.server.url(contender.database),
            "DEBUG": "0",
            "HTTPS": "0",
            "SECRET_KEY": self._key,
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "CLUSTER_WORKERS": "4",
            "GENERATE_FROM_DESCRIPTION": self.endpoint_url,
            "MODAL_KEY": "benchmark-key",
            "MODAL_SECRET": "benchmark-secret",
            "LOG_LEVEL": "WARNING",
            **contender.environment,
        }

    def report(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.endpoint_url}report") as answer:
            told: dict[str, int] = json.load(answer)
        return told
