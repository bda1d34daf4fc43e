"""`manage.py up`: run everything that a development machine needs, until Ctrl-C."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connections

from melodymaker import embedded, health
from melodymaker.supervisor import (
    PARTS,
    Children,
    InstanceLock,
    Occupied,
    PartEnded,
    PortTaken,
    Reloader,
    Watcher,
    refuse_taken,
)
from melodymaker.supervisor.children import environment
from songs.sharing.demo import publish_ready

PATIENCE = 120.0  # seconds until web and cluster must be ready
READY = {"web": "ok", "cluster": "ok"}

WELCOME = """
┌──────────────────────────────────────────────────────────────────────
│  MelodyMaker is ready.
│
│  Listen    {site:<30}  demo  / demo-password
│  Operate   {admin:<30}  admin / admin-password
│
│  A changed Python file is reloaded; runs in flight go on.
│  Ctrl-C stops everything; the data are kept for the next time.
└──────────────────────────────────────────────────────────────────────
"""


class Command(BaseCommand):
    help = "Start the database, the web server, a cluster and the studio; Ctrl-C stops them."

    def handle(self, *args: Any, **options: Any) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]
        site = f"http://127.0.0.1:{settings.PORT}/"
        instance_lock = InstanceLock(settings.BASE_DIR)
        self.refuse_production()
        try:
            instance_lock.acquire(site)
        except Occupied as problem:
            raise CommandError(str(problem)) from None
        try:
            with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is the normal end
                self.run(instance_lock, site)
        except (PortTaken, PartEnded, embedded.DatabaseUnavailable) as problem:
            raise CommandError(str(problem)) from None
        finally:
            instance_lock.release()

    def refuse_production(self) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "`make run` is for a development machine: it makes accounts with known passwords. "
                "This configuration is production's (DATABASE_URL is set, or DEBUG is off). "
                "If that database may have these accounts, set DEBUG=1 as well."
            )

    def run(self, instance_lock: InstanceLock, site: str) -> None:
        refuse_taken({"PORT": settings.PORT, "STUDIO_PORT": settings.STUDIO_PORT})
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        children = None
        try:
            self.prepare()
            children = Children(
                settings.BASE_DIR,
                sys.stdout,
                with_database=settings.EMBEDDED_DATABASE,
                listener=socket.create_server(("127.0.0.1", settings.PORT), backlog=2048),
            )
            children.start(PARTS, environment(PORT=str(settings.PORT)))
            self.wait_until_ready(children, instance_lock)
            self.stdout.write(WELCOME.format(site=site, admin=f"{site}admin/"))
            self.watch(children, instance_lock)
        finally:
            self.stop(children)

    def prepare(self) -> None:
        if settings.EMBEDDED_DATABASE:
            self.stdout.write("Starting the database …")
            embedded.start(settings.BASE_DIR)
        self.stdout.write("Migrating the database …")
        call_command("migrate", verbosity=0, interactive=False)
        call_command("demo", verbosity=0)
        connections.close_all()

    def wait_until_ready(self, children: Children, instance_lock: InstanceLock) -> None:
        """Wait for web and cluster. /health/ready would log errors while the parts are starting."""
        deadline = time.monotonic() + PATIENCE
        while (missing := {"web": _web(), "cluster": health.cluster()}) != READY:
            children.check()
            if instance_lock.withdrawn:
                raise KeyboardInterrupt
            if time.monotonic() > deadline:
                what = "; ".join(f"{name}: {state}" for name, state in missing.items())
                raise PartEnded(f"MelodyMaker was not ready within {PATIENCE:.0f} s ({what}).")
            time.sleep(0.2)
        connections.close_all()

    def watch(self, children: Children, instance_lock: InstanceLock) -> None:
        """Until the supervisor is to stop; a changed Python file is reloaded."""
        watcher = Watcher(settings.BASE_DIR, children.say)
        reloader = Reloader(settings.BASE_DIR, children)
        demo = DemoSongs()
        watcher.start()
        try:
            while not instance_lock.withdrawn:
                children.check()
                demo.publish()
                if watcher.has_changed.wait(0.25):
                    reloader.reload(watcher.take())
        finally:
            watcher.stop()

    def stop(self, children: Children | None) -> None:
        """End the parts, which are killed after a few seconds. Signals cannot interrupt this."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.stdout.write("\nStopping …")
        if children is not None:
            children.stop()
        connections.close_all()
        if settings.EMBEDDED_DATABASE:
            self.stop_database()
        self.stdout.write("Stopped.")

    def stop_database(self) -> None:
        deadline = time.monotonic() + 2.0
        while (others := embedded.others(settings.BASE_DIR)) and time.monotonic() < deadline:
            time.sleep(0.1)
        if others:
            self.stdout.write(
                f"The database keeps running, because other programs still use it (connections: "
                f"{others}). `make stop` stops it anyway."
            )
            return
        try:
            embedded.stop(settings.BASE_DIR)
        except embedded.DatabaseUnavailable as problem:
            self.stderr.write(str(problem))


class DemoSongs:
    """Publishes the demo's songs as the cluster finishes them."""

    INTERVAL = 2.0  # seconds

    def __init__(self) -> None:
        self._is_done = False
        self._next = 0.0

    def publish(self) -> None:
        if self._is_done or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self.INTERVAL
        try:
            self._is_done = publish_ready()
        except (DatabaseError, InterfaceError):
            pass  # the database is away; the next look may find it
        finally:
            connections.close_all()


def _web() -> str:
    connection = http.client.HTTPConnection("127.0.0.1", settings.PORT, timeout=10)
    try:
        connection.request("GET", "/health/live")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as problem:
        return f"does not answer ({problem})"
    finally:
        connection.close()
    return "ok" if status == 200 else f"answers {status}"
