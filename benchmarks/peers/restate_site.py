"""Restate's server and the processes that it calls: `python -m benchmarks.peers.restate_site`.

The server keeps its log in a folder of its own, new each time, with durability as shipped.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE = 30.0  # seconds for the server and the services to be there
PROCESSES = os.environ["BENCH_PROCESSES"]
HTTP_2 = ["--interface", "asgi", "--http", "2", "--loop", "uvloop", "--log-level", "warning"]
APP = "benchmarks.peers.restate_services:app"


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = os.environ["BENCH_FOLDER"]
    with tempfile.TemporaryDirectory(prefix="restate-", dir=folder) as store, running(store) as all:
        register()
        while all_run(all):
            time.sleep(0.5)
    sys.exit("Restate's server or its services have ended.")


@contextlib.contextmanager
def running(store: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes.append(subprocess.Popen([str(binary())], env=environment(store)))
        port = os.environ["BENCH_SERVICES_PORT"]
        services = ["--host", "127.0.0.1", "--port", port, "--workers", PROCESSES, *HTTP_2, APP]
        processes.append(subprocess.Popen([sys.executable, "-m", "granian", *services]))
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)


def binary() -> Path:
    """npm's package of this platform holds it."""
    packages = Path(sys.prefix) / "node_modules" / "@restatedev"
    return next(packages.glob("restate-server-*/bin/restate-server"))


def environment(store: str) -> dict[str, str]:
    """Nothing but its places, and what was found to be fast (BENCH_RESTATE, JSON)."""
    tuned: dict[str, str] = json.loads(os.environ["BENCH_RESTATE"])
    return os.environ | {
        "RESTATE_BASE_DIR": store,
        "RESTATE_NODE_NAME": "bench",
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_BIND_IP": "127.0.0.1",
        "RESTATE_BIND_PORT": os.environ["BENCH_NODE_PORT"],
        "RESTATE_ADMIN__BIND_PORT": os.environ["BENCH_ADMIN_PORT"],
        "RESTATE_INGRESS__BIND_PORT": os.environ["BENCH_INGRESS_PORT"],
        "RESTATE_LOG_FILTER": "warn",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        **tuned,
    }


def register() -> None:
    """Tell the server where its services are, as soon as both answer."""
    services = f"http://127.0.0.1:{os.environ['BENCH_SERVICES_PORT']}"
    admin = f"http://127.0.0.1:{os.environ['BENCH_ADMIN_PORT']}/deployments"
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            post(admin, {"uri": services})
            return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def post(url: str, body: Any) -> None:
    asked = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(asked, timeout=10).close()


def all_run(processes: list[subprocess.Popen[bytes]]) -> bool:
    return all(process.poll() is None for process in processes)


if __name__ == "__main__":
    main()
