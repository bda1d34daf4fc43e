"""What every case plays on: a database, an endpoint, and one contender at a time."""

from __future__ import annotations

import contextlib
import json
import secrets
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.contenders import Contender
from benchmarks.database import Server
from benchmarks.processes import Process, free_port, run

WARM_UP = 20  # songs: every worker has its connections by then
GLANCE = 0.25  # seconds between two looks how far it is, which cost the database something
LIMITED = [
    *("orders-account", "orders-network", "orders-all", "making-account"),
    *("downloads-account", "downloads-network", "polling-account", "polling-network"),
]
FAR_AWAY = 1_000_000
PATIENCE = 60.0  # seconds without a song being done
SENDING = 300.0
STATISTICS = 1.2  # seconds
WEIGHING = 0.5  # seconds between two looks at the memory
SONGS = "bench_listener, bench_song, bench_order, bench_charge"

Times = list[tuple[float, float, float]]  # accepted, begun, done: seconds since 1970, the server's


@dataclass
class Round:
    """What one round brought."""

    times: Times
    endpoint: dict[str, int]
    enqueue_seconds: float
    sent_at: float  # when the first order began to be sent, seconds since 1970
    pss: list[float] = field(default_factory=list)
    spent: dict[str, float] = field(default_factory=dict)  # a song: metric → value

    @property
    def songs_per_second(self) -> float:
        """From the first step's start to the last commit."""
        begun, done = min(t[1] for t in self.times), max(t[2] for t in self.times)
        return len(self.times) / (done - begun)

    @property
    def songs_per_second_sent(self) -> float:
        """From the first order's being sent to the last commit."""
        return len(self.times) / (max(t[2] for t in self.times) - self.sent_at)

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

    def __init__(
        self, stage: Stage, contender: Contender, environment: dict[str, str], clusters: int
    ) -> None:
        self.stage, self.contender, self.environment = stage, contender, environment
        start = partial(stage.start, contender)
        self.clusters = [
            start(contender.cluster, f"cluster-{n}", environment | {"BENCH_EXECUTOR": str(n)})
            for n in range(clusters)
        ]
        self.sender = start(["-m", "benchmarks.sender"], "sender", environment, talks=True)
        self.sender.read()
        self.connection = stage.server.connect(contender.database)

    def warm_up(self, songs: int = WARM_UP) -> None:
        self.play(songs, songs, 0)
        self.stage.report()

    def play(
        self,
        songs: int,
        users: int,
        delay: float,
        *,
        weigh: bool = False,
        together: int | None = None,
    ) -> Round:
        """Order songs, so many `together` or all at once, and wait until all are done."""
        self.forget_songs()
        before = self.spent()
        told = self.order(songs, users, delay, together)
        pss = self.wait(weigh=weigh)
        spent = {name: (now - before[name]) / songs for name, now in self.spent().items()}
        return Round(
            self.times(songs), self.stage.report(), told["seconds"], told["sent_at"], pss, spent
        )

    def spent(self) -> dict[str, float]:
        """What its work has cost so far; statistics of the server are a second late."""
        time.sleep(STATISTICS)
        bytes_, flushes = self.stage.server.written()
        kept = {"records kept, KiB a song": self.kept() / 1024} if self.contender.forget else {}
        return {
            "cluster's CPU, ms a song": 1000 * sum(cluster.cpu() for cluster in self.clusters),
            "database's CPU, ms a song": 1000 * self.stage.server.cpu(),
            "log written, KiB a song": bytes_ / 1024,
            "log flushes a song": flushes,
            **kept,
        }

    def kept(self) -> int:
        """Bytes of the contender's own tables and indexes."""
        tables = [name.strip() for name in self.contender.forget.split(",")]
        size = "SELECT sum(pg_total_relation_size(t::regclass)) FROM unnest(%s::text[]) t"
        return int(self.connection.execute(size, [tables]).fetchone()[0])

    def play_in_turn(self, songs: int) -> Round:
        """One song at a time, each ordered when the one before is done."""
        self.forget_songs()
        orders = []
        for _ in range(songs):
            orders.append(self.order(1, 1, 0))
            self.wait(glance=0.02)
        seconds = sum(told["seconds"] for told in orders)
        return Round(self.times(songs), self.stage.report(), seconds, orders[0]["sent_at"])

    def order(
        self, songs: int, users: int, delay: float, together: int | None = None
    ) -> dict[str, float]:
        asked = {"songs": songs, "users": users, "delay": delay, "together": together or songs}
        told: dict[str, float] = self.sender.ask(asked, SENDING)
        return told

    def forget_songs(self) -> None:
        self.connection.execute(f"TRUNCATE {SONGS}")

    def wait(self, *, weigh: bool = False, glance: float = GLANCE) -> list[float]:
        """Until all songs are done; the clusters' memory meanwhile, if asked for."""
        progress, weighed, pss = time.monotonic(), 0.0, []
        left = before = self.unfinished()
        while left:
            for cluster in self.clusters:
                cluster.raise_if_ended()
            if left != before:
                progress = time.monotonic()
            if time.monotonic() - progress > PATIENCE:
                raise self.clusters[0].failure(f"has got no further with {left} songs")
            if weigh and time.monotonic() - weighed > WEIGHING:
                weighed = time.monotonic()
                pss.append(sum(cluster.pss() for cluster in self.clusters))
            time.sleep(glance)
            before, left = left, self.unfinished()
        return pss

    def unfinished(self) -> int:
        row = self.connection.execute(self.contender.unfinished).fetchone()
        return int(row[0])

    def times(self, songs: int) -> Times:
        times = self.connection.execute(self.contender.times).fetchall()
        if len(times) != songs or any(None in row for row in times):
            raise self.clusters[0].failure(f"made {len(times)} of {songs} songs")
        return times

    def close(self) -> None:
        for process in (self.sender, *self.clusters):
            process.end()
        self.connection.close()


class Stage:
    """The server and the endpoint, and the contenders' databases as they come to be needed."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self._prepared: set[str] = set()
        self.histories: set[str] = set()  # databases that have got theirs
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
        self,
        contender: Contender,
        *,
        clusters: int | None = None,
        keep: bool = False,
        **environment: str,
    ) -> Iterator[Site]:
        """A fresh start: emptied tables (`keep` leaves history), new processes, warmed up."""
        self.prepare(contender)
        self.empty(contender, keep=keep)
        environment |= {name: str(free_port()) for name in contender.ports}
        count = contender.clusters if clusters is None else clusters
        site = Site(self, contender, environment, count)
        try:
            site.warm_up()
            yield site
        finally:
            site.close()

    def empty(self, contender: Contender, *, keep: bool = False) -> None:
        with self.server.connect(contender.database) as connection:
            tables = [SONGS] if keep else filter(None, [SONGS, contender.forget])
            connection.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
            # Else what the last round has changed has the empty tables analyzed in this one.
            connection.execute("SELECT pg_stat_reset()")
            connection.execute("CHECKPOINT")

    def prepare(self, contender: Contender) -> None:
        if contender.database in self._prepared:
            return
        self.server.create(contender.database)
        log = self.folder / f"{contender.database}-prepare.log"
        migrate = ("-m", "django", "migrate", "--run-syncdb", "-v", "0")
        for command in filter(None, (migrate, contender.prepare)):
            run([contender.python, *command], self.environment(contender), log)
        for statement in contender.database_setup:
            with self.server.connect(contender.database) as connection:
                connection.execute(statement.format(database=contender.database))
        self._prepared.add(contender.database)

    def start(
        self,
        contender: Contender,
        command: list[str],
        name: str,
        changes: dict[str, str],
        *,
        talks: bool = False,
    ) -> Process:
        log = self.folder / f"{contender.database}-{name}.log"
        environment = self.environment(contender) | changes
        return Process([contender.python, *command], environment, log, talks=talks)

    def environment(self, contender: Contender) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": contender.settings,
            "BENCH_CONTENDER": contender.kind,
            "DATABASE_URL": self.server.url(contender.database),
            "DEBUG": "0",
            "EMAIL_URL": "smtp://127.0.0.1:25",  # no mail is sent
            "HTTPS": "0",
            "SECRET_KEY": self._key,
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "CLUSTER_WORKERS": "4",
            # One address orders thousands of songs. The limits count as ever, and are far away.
            "LIMITS": ",".join(f"{name}={FAR_AWAY}" for name in LIMITED),
            "SONGS_AT_ONCE": "300",  # the case `web` has 200 in flight
            "GENERATE_FROM_DESCRIPTION": self.endpoint_url,
            "MODAL_KEY": "benchmark-key",
            "MODAL_SECRET": "benchmark-secret",
            "LOG_LEVEL": "WARNING",
            "BENCH_FOLDER": str(self.folder.resolve()),
            **dict(contender.environment),
        }

    def report(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.endpoint_url}report") as answer:
            told: dict[str, int] = json.load(answer)
        return told
