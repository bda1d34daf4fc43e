"""Fills a database with runs and asks each page of the panel, from a process of its own.

{"runs": 1000000, "rounds": 20}
→   {"/admin/": {"ms": [12.0, …], "queries": 14}, …}
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import django
from django.conf import settings

# Files need not be collected to be named.
settings.STORAGES["staticfiles"] = {
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
django.setup()

from django.contrib.admin.utils import quote  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from benchmarks import panel_rows  # noqa: E402
from benchmarks.processes import peak, resident  # noqa: E402
from jobs.models import Run  # noqa: E402
from songs.models import Song, User  # noqa: E402

FRAGMENT = {"HX-Request": "true"}
LISTS = ("run", "event", "registeredfunction", "cluster")


def main() -> None:
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        run = panel_rows.make(asked["runs"])
        told = measured(run, asked["rounds"])
        told["a long run"] = long_run(asked["rounds"])
        print(json.dumps(told), flush=True)


def measured(run: Run, rounds: int) -> dict[str, dict[str, Any]]:
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.get(username="operator"))
    return {name: ask(client, *page, rounds) for name, page in pages(run).items()}


def long_run(rounds: int) -> dict[str, Any]:
    """Its page, and how many MiB more than before the process had at its peak."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.get(username="operator"))
    page = reverse("admin:jobs_run_change", args=[panel_rows.long_run().pk])
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident(os.getpid())
    figures = ask(client, page, {}, rounds)
    return figures | {"MiB": peak(os.getpid()) - before}


class Counter:
    queries = 0

    def __call__(self, execute: Any, *asked: Any) -> Any:
        self.queries += 1
        return execute(*asked)


def ask(client: Client, address: str, headers: dict[str, str], rounds: int) -> dict[str, Any]:
    """The first answer is not counted: it loads templates."""
    panel_rows.alive()
    counter = Counter()
    with connection.execute_wrapper(counter):
        answer = client.get(address, headers=headers)
    if answer.status_code != 200:
        raise SystemExit(f"{address} answered {answer.status_code}")
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        client.get(address, headers=headers)
        took.append(1000 * (time.perf_counter() - began))
    return {"ms": took, "queries": counter.queries}


def pages(run: Run) -> dict[str, tuple[str, dict[str, str]]]:
    """Each page and each part that moves: what it is called, its address, its headers."""
    home, runs = reverse("admin:index"), reverse("admin:jobs_run_changelist")
    cluster = reverse("admin:jobs_cluster_change", args=[quote("cluster-0")])
    log = reverse("admin:admin_logentry_changelist")
    found = {f"Operations, {span}": f"{home}?span={span}" for span in ("15m", "1h", "24h", "7d")}
    found |= {f"list of {name}s": reverse(f"admin:jobs_{name}_changelist") for name in LISTS}
    found |= {
        "failed runs": f"{runs}?status__exact=failed",
        "runs of a function": f"{runs}?fn_id={panel_rows.FN}",
        "a failed run": reverse("admin:jobs_run_change", args=[run.pk]),
        "an event": reverse("admin:jobs_event_change", args=[run.event_id]),
        "a function": reverse("admin:jobs_registeredfunction_change", args=[quote(run.fn_id)]),
        "a cluster": cluster,
        "audit log": log,
        "audit log of a function": f"{log}?fn_id={run.fn_id}",
        "hand-over": reverse("admin:hand_over"),
        "hand-over as a text": reverse("admin:hand_over_text"),
        "songs": reverse("admin:songs_song_changelist"),
        "a song": reverse("admin:songs_song_change", args=[Song.objects.latest("id").pk]),
        "listeners": reverse("admin:songs_user_changelist"),
        "ledger": reverse("admin:songs_creditentry_changelist"),
    }
    moving = {"Operations": f"{home}?span=1h", "clusters": found["list of clusters"]}
    moving |= {"a cluster": cluster, "list of runs": runs, "a failed run": found["a failed run"]}
    parts = {f"part of {name}": (address, FRAGMENT) for name, address in moving.items()}
    return {name: (address, {}) for name, address in found.items()} | parts


if __name__ == "__main__":
    main()
